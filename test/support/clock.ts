/** Clocks for tests: no test waits for time to pass. */
import type { Clock } from '../../installer/core/context.ts';

export interface TestClock extends Clock {
  /** Milliseconds of every sleep so far, in order of the calls. */
  readonly sleeps: readonly number[];
  /** Moves time on; wakes the sleepers whose time has come (manual clock). */
  advance(ms: number): void;
}

/** Wall time at `monotonic() === 0`. */
export const EPOCH = new Date('2026-01-02T03:04:05.000Z');

/** Longer sleeps of the instant clock are deadlines: they never ring by themselves. */
const LONGEST_WAIT_MS = 300_000;

/**
 * Waits resolve in the next turn of the event loop and time jumps by what was slept; deadlines (over five minutes) stay pending until
 * they are aborted. `random` defaults to 0.5.
 */
export function instantClock(random: () => number = () => 0.5): TestClock {
  const sleeps: number[] = [];
  let elapsed = 0;
  return {
    sleeps,
    monotonic: () => elapsed,
    now: () => new Date(EPOCH.getTime() + elapsed),
    random,
    advance: (ms) => {
      elapsed += ms;
    },
    async sleep(ms, signal) {
      signal.throwIfAborted();
      sleeps.push(ms);
      if (ms > LONGEST_WAIT_MS) await untilAborted(signal);
      await new Promise((resolve) => {
        setImmediate(resolve); // a microtask would starve sockets and files
      });
      signal.throwIfAborted();
      elapsed += ms;
    },
  };
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
}

/** Sleeps resolve only when `advance` moves time past their end. */
export function manualClock(random: () => number = () => 0.5): TestClock {
  const sleeps: number[] = [];
  const waiting = new Set<{ readonly at: number; readonly wake: () => void }>();
  let elapsed = 0;
  return {
    sleeps,
    monotonic: () => elapsed,
    now: () => new Date(EPOCH.getTime() + elapsed),
    random,
    advance(ms) {
      elapsed += ms;
      for (const sleeper of waiting) if (sleeper.at <= elapsed) sleeper.wake();
    },
    sleep(ms, signal) {
      signal.throwIfAborted();
      sleeps.push(ms);
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          waiting.delete(sleeper);
          reject(signal.reason as Error);
        };
        const sleeper = {
          at: elapsed + ms,
          wake: (): void => {
            waiting.delete(sleeper);
            signal.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        waiting.add(sleeper);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
  };
}

/** Real time, for measurements and for tests with real peers whose faults are made of time. */
export function realClock(): Clock {
  return {
    monotonic: () => performance.now(),
    now: () => new Date(),
    random: () => Math.random(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const onAbort = (): void => {
          clearTimeout(timer);
          reject(signal.reason as Error);
        };
        const timer = setTimeout(() => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        }, ms);
        signal.addEventListener('abort', onAbort, { once: true });
      }),
  };
}
