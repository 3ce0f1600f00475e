import type { Settings } from '../core/settings.ts';
import { runVerify } from '../run/verify.ts';
import type { Machine } from './machine.ts';
import { runSession } from './session.ts';

/** Everything but staging, in the system's temporary directory; returns the exit code. Never throws. */
export function verify(settings: Settings, machine: Machine): Promise<number> {
  return runSession('verify', settings, machine, runVerify);
}
