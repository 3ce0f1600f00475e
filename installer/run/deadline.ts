import type { Clock } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';

export interface Deadline {
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly at: number;
  [Symbol.dispose](): void;
}

/**
 * A signal that follows `parent` and aborts with DeadlineExceeded after `ms`. `what` names what took too long, `setting` the variable
 * that allows more. Dispose it, or its timer keeps the process alive.
 */
export function startDeadline(
  clock: Clock,
  parent: AbortSignal,
  limit: { ms: number; what: string; setting: string },
): Deadline {
  const own = new AbortController();
  const over = new AbortController();
  clock.sleep(limit.ms, own.signal).then(
    () => over.abort(exceeded(limit)),
    // Disposed before it rang: nothing to do.
    () => undefined,
  );
  return {
    signal: AbortSignal.any([parent, over.signal]),
    at: clock.monotonic() + limit.ms,
    [Symbol.dispose]: () => own.abort(),
  };
}

function exceeded(limit: { ms: number; what: string; setting: string }): InstallError {
  return new InstallError('DeadlineExceeded', `${limit.what} took longer than ${limit.ms / 1000} s`, {
    details: {
      limitMs: limit.ms,
      setting: limit.setting,
      fix: `look for the slow source in the log, or raise ${limit.setting}`,
    },
  });
}
