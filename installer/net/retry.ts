/** The only retry of the program: whatever fails below it throws once, with `transient` set where another attempt may help. */
import type { Clock, RetryContext } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';

/** Progress that shows the peer works in principle, so the attempts count anew; the plugin deadline stays the hard stop. */
export const PROGRESS_RESET_BYTES = 1024 * 1024;

export interface RetryOptions {
  readonly clock: Clock;
  readonly limits: Limits;
}

/**
 * Runs `attempt` (numbered from 1) until it resolves, throws something that is not transient, or `limits.attempts` are used up; then
 * throws the last error with the number of attempts. Waits with full jitter between 0 and `min(cap, base * 2^n)` before attempt n;
 * `Retry-After` replaces that, plus up to `retryBaseMs` so that many pods do not return at once. A wait that would end after
 * `ctx.deadline` is not begun: the last error is thrown, stating the wait. Emits `plugin_retry` with the number of the attempt that
 * failed. An abort of `ctx.signal` throws its reason.
 */
export async function retry<T>(
  attempt: (attemptNumber: number) => Promise<T>,
  ctx: RetryContext,
  options: RetryOptions,
): Promise<T> {
  const { limits } = options;
  let progressAtFailure = ctx.progress?.() ?? 0;
  let counted = 0; // attempts since the last reset
  for (let number = 1; ; number += 1) {
    ctx.signal.throwIfAborted();
    try {
      return await attempt(number);
    } catch (error) {
      ctx.signal.throwIfAborted();
      if (!(error instanceof InstallError) || error.transient === undefined) throw error;
      const progress = ctx.progress?.() ?? 0;
      counted = progress - progressAtFailure >= PROGRESS_RESET_BYTES ? 1 : counted + 1;
      progressAtFailure = progress;
      if (counted >= limits.attempts) throw final(error, number, `gave up after ${plural(number)}`);
      const waitMs = waitBefore(counted + 1, error.transient.retryAfterMs, options);
      refuseLateWait(error, { number, waitMs }, { ctx, clock: options.clock });
      announce(error, { number, counted, waitMs }, { ctx, limits });
      await options.clock.sleep(waitMs, ctx.signal);
    }
  }
}

/** Milliseconds. */
function waitBefore(number: number, retryAfterMs: number | undefined, { clock, limits }: RetryOptions): number {
  if (retryAfterMs !== undefined) return Math.round(retryAfterMs + clock.random() * limits.retryBaseMs);
  return Math.round(clock.random() * Math.min(limits.retryCapMs, limits.retryBaseMs * 2 ** number));
}

function refuseLateWait(
  error: InstallError,
  { number, waitMs }: { readonly number: number; readonly waitMs: number },
  { ctx, clock }: { readonly ctx: RetryContext; readonly clock: Clock },
): void {
  const leftMs = ctx.deadline - clock.monotonic();
  if (waitMs <= leftMs) return;
  const who = error.transient?.retryAfterMs === undefined ? 'the next attempt' : 'the server';
  const asked = `${who} asks to wait ${seconds(waitMs)}, ${seconds(Math.max(0, leftMs))} are left before the deadline`;
  throw final(error, number, `gave up after ${plural(number)}: ${asked}`, { waitMs });
}

function announce(
  error: InstallError,
  { number, counted, waitMs }: { readonly number: number; readonly counted: number; readonly waitMs: number },
  { ctx, limits }: { readonly ctx: RetryContext; readonly limits: Limits },
): void {
  ctx.emit({
    event: 'plugin_retry',
    ...ctx.subject,
    attempt: number,
    attempts: limits.attempts + number - counted, // a reset allows more attempts than the limit says
    code: error.transient?.code ?? error.reason,
    waitMs,
    message: error.message,
  });
}

/** The last error as the caller sees it: same reason and details, no longer transient, so that nothing above can retry it again. */
function final(
  error: InstallError,
  attempts: number,
  text: string,
  more: Readonly<Record<string, number>> = {},
): InstallError {
  const details = { ...error.details, fault: error.transient?.code, attempts, ...more };
  return new InstallError(error.reason, `${error.message} (${text})`, { details, cause: error });
}

function plural(attempts: number): string {
  return attempts === 1 ? '1 attempt' : `${attempts} attempts`;
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 100) / 10} s`;
}
