import { expect, test } from 'vitest';
import type { Clock, RetryContext } from '../../../installer/core/context.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import type { RunEvent } from '../../../installer/core/events.ts';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';
import { retry } from '../../../installer/net/retry.ts';
import { instantClock } from '../../support/clock.ts';
import { failureOf } from '../../support/http.ts';

const MIB = 1024 * 1024;

function setup(more: Partial<RetryContext> = {}): { readonly ctx: RetryContext; readonly events: RunEvent[] } {
  const events: RunEvent[] = [];
  const ctx: RetryContext = {
    signal: new AbortController().signal,
    deadline: Number.POSITIVE_INFINITY,
    emit: (event) => events.push(event),
    subject: { package: 'npm:a@1', index: 3 },
    ...more,
  };
  return { ctx, events };
}

const unavailable = (code = '503', retryAfterMs?: number): InstallError =>
  new InstallError('RegistryUnavailable', 'it broke', {
    details: { url: 'https://r.example/' },
    transient: { code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });

/** An attempt that throws `error` so many times and then returns its number. */
function failing(times: number, error: Error): (number: number) => Promise<number> {
  return async (number) => {
    await Promise.resolve();
    if (number <= times) throw error;
    return number;
  };
}

const always = (error: Error): ((number: number) => Promise<number>) => failing(Number.POSITIVE_INFINITY, error);

/** How many attempts are made when each gains so many bytes and fails; at most 21. */
async function attemptsWith(stepBytes: number): Promise<number> {
  let bytes = 0;
  let attempts = 0;
  const attempt = async (): Promise<void> => {
    await Promise.resolve();
    attempts += 1;
    if (attempts > 20) return;
    bytes += stepBytes;
    throw unavailable();
  };
  await retry(attempt, setup({ progress: () => bytes }).ctx, options(instantClock())).catch(() => undefined);
  return attempts;
}
const options = (clock: Clock) => ({ clock, limits: DEFAULT_LIMITS });

test('returns the first success without waiting', async () => {
  const clock = instantClock();
  const { ctx, events } = setup();
  expect(await retry(failing(0, unavailable()), ctx, options(clock))).toBe(1);
  expect(clock.sleeps).toEqual([]);
  expect(events).toEqual([]);
});

test('tries again after a transient failure and says so with attempt and code', async () => {
  const { ctx, events } = setup();
  const attempt = failing(2, unavailable('ECONNRESET'));
  expect(await retry(attempt, ctx, options(instantClock()))).toBe(3);
  expect(events).toMatchObject([
    { event: 'plugin_retry', package: 'npm:a@1', index: 3, attempt: 1, attempts: 5, code: 'ECONNRESET', waitMs: 1000 },
    { event: 'plugin_retry', attempt: 2, attempts: 5, waitMs: 2000 },
  ]);
});

test('throws the last failure with the number of attempts once all are used up, and nothing above can retry it', async () => {
  const { ctx, events } = setup();
  const error = await failureOf(retry(always(unavailable()), ctx, options(instantClock())));
  expect(error.reason).toBe('RegistryUnavailable');
  expect(error.details).toMatchObject({ url: 'https://r.example/', attempts: 5, fault: '503' });
  expect(error.transient).toBeUndefined();
  expect(events).toHaveLength(4);
});

test.each([new InstallError('AuthRefused', 'no'), new InstallError('TlsFailed', 'no'), new TypeError('a bug')])(
  'throws %s at once because it is not transient',
  async (thrown) => {
    let attempts = 0;
    const { ctx } = setup();
    const attempt = async (): Promise<never> => {
      attempts += 1;
      return Promise.reject(thrown);
    };
    await expect(retry(attempt, ctx, options(instantClock()))).rejects.toBe(thrown);
    expect(attempts).toBe(1);
  },
);

test.each([
  [0, [0, 0, 0, 0]],
  [0.999_999, [2000, 4000, 8000, 16_000]],
])('waits with full jitter: random %d gives %j ms', async (random, expected) => {
  const clock = instantClock(() => random);
  await failureOf(retry(always(unavailable()), setup().ctx, options(clock)));
  expect(clock.sleeps).toEqual(expected);
});

test('never waits longer than the cap on its own', async () => {
  const clock = instantClock(() => 1);
  const limits = { ...DEFAULT_LIMITS, attempts: 9 };
  await failureOf(retry(always(unavailable()), setup().ctx, { clock, limits }));
  expect(Math.max(...clock.sleeps)).toBe(DEFAULT_LIMITS.retryCapMs);
});

test('waits what the server asks for, plus jitter, even beyond the cap', async () => {
  const clock = instantClock(() => 0.5);
  const attempt = failing(1, unavailable('429', 60_000));
  await retry(attempt, setup({ deadline: 100_000 }).ctx, options(clock));
  expect(clock.sleeps).toEqual([60_250]);
});

test('fails at once when the wait the server asks for does not fit before the deadline, and states it', async () => {
  const clock = instantClock(() => 0);
  const error = await failureOf(
    retry(
      always(new InstallError('RateLimited', 'slow down', { transient: { code: '429', retryAfterMs: 3_600_000 } })),
      setup({ deadline: 600_000 }).ctx,
      options(clock),
    ),
  );
  expect(error.reason).toBe('RateLimited');
  expect(error.details).toMatchObject({ attempts: 1, waitMs: 3_600_000 });
  expect(clock.sleeps).toEqual([]);
});

test('an abort while waiting throws the reason of the signal', async () => {
  const stop = new InstallError('Terminated', 'stop');
  const controller = new AbortController();
  const clock: Clock = {
    ...instantClock(),
    sleep: async (_ms, signal) => {
      controller.abort(stop);
      signal.throwIfAborted();
      return Promise.resolve();
    },
  };
  await expect(retry(always(unavailable()), setup({ signal: controller.signal }).ctx, options(clock))).rejects.toBe(
    stop,
  );
});

test('an abort during an attempt wins over what the attempt throws', async () => {
  const stop = new InstallError('DeadlineExceeded', 'too late');
  const controller = new AbortController();
  const attempt = async (): Promise<never> => {
    controller.abort(stop);
    return Promise.reject(unavailable());
  };
  await expect(retry(attempt, setup({ signal: controller.signal }).ctx, options(instantClock()))).rejects.toBe(stop);
});

test('a mebibyte of progress starts the count of attempts again, less does not', async () => {
  expect(await attemptsWith(MIB)).toBe(21);
  expect(await attemptsWith(MIB - 1)).toBe(5);
});
