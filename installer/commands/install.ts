import type { Settings } from '../core/settings.ts';
import { runInstall } from '../run/install.ts';
import type { Machine } from './machine.ts';
import { runSession } from './session.ts';

/** Brings the volume to the state of the list, all at once or not at all; returns the exit code. Never throws. */
export function install(settings: Settings, machine: Machine): Promise<number> {
  return runSession('install', settings, machine, (deps) => runInstall(deps, settings, machine));
}
