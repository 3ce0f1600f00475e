/** Body bytes with a lower bound on speed; the upper bounds are those of the readers. */
import type { Clock } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';

/** Slower than this over a whole idle window is a stalled transfer: 256 MiB would take three days. */
const FLOOR_BYTES_PER_SECOND = 1024;

export interface BodyGuard {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** Redacted. */
  readonly url: string;
  /** Turns what the stream threw into an InstallError. */
  readonly faultOf: (thrown: unknown) => InstallError;
}

/**
 * Yields the chunks of `stream`. Throws transient RegistryUnavailable when fewer than 1 KiB/s arrive over `bodyIdleTimeoutMs`; only
 * time spent waiting for the peer counts, so a slow disk is never blamed on it. An abort throws the reason of the signal.
 */
export async function* guardBody(
  stream: AsyncIterable<Uint8Array>,
  guard: BodyGuard,
): AsyncGenerator<Uint8Array, void> {
  const { clock, limits } = guard;
  const window = { waitedMs: 0, bytes: 0 };
  try {
    let waitingSince = clock.monotonic();
    for await (const chunk of stream) {
      window.waitedMs += clock.monotonic() - waitingSince;
      window.bytes += chunk.byteLength;
      if (window.waitedMs >= limits.bodyIdleTimeoutMs) endWindow(window, guard);
      yield chunk;
      waitingSince = clock.monotonic();
    }
    await connectionIsFree();
  } catch (error) {
    guard.signal.throwIfAborted();
    throw guard.faultOf(error);
  }
}

/**
 * undici counts a connection as busy until the turn after the body ended; whoever asks again before opens another one, at the price of a
 * TLS handshake.
 */
export async function connectionIsFree(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function endWindow(window: { waitedMs: number; bytes: number }, guard: BodyGuard): void {
  const seconds = window.waitedMs / 1000;
  if (window.bytes < FLOOR_BYTES_PER_SECOND * seconds) {
    throw new InstallError(
      'RegistryUnavailable',
      `${guard.url} sent ${window.bytes} bytes in ${Math.round(seconds)} s`,
      {
        details: { url: guard.url, bytes: window.bytes, windowMs: Math.round(window.waitedMs) },
        transient: { code: 'body_too_slow' },
      },
    );
  }
  window.waitedMs = 0;
  window.bytes = 0;
}
