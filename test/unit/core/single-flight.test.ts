import { expect, test } from 'vitest';
import { SingleFlight } from '../../../installer/core/single-flight.ts';

const never = new AbortController().signal;

test('callers with one key share the work, others do not', async () => {
  const flights = new SingleFlight<number>();
  let calls = 0;
  const work = async (): Promise<number> => Promise.resolve((calls += 1));
  const results = await Promise.all([
    flights.run('a', never, work),
    flights.run('a', never, work),
    flights.run('b', never, work),
  ]);
  expect(results).toEqual([1, 1, 2]);
});

test('work that ended is done again', async () => {
  const flights = new SingleFlight<number>();
  let calls = 0;
  const work = async (): Promise<number> => Promise.resolve((calls += 1));
  await flights.run('a', never, work);
  expect(await flights.run('a', never, work)).toBe(2);
});

test('a failure is everybody’s, and is not remembered', async () => {
  const flights = new SingleFlight<number>();
  const results = await Promise.allSettled([flights.run('a', never, fail), flights.run('a', never, fail)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await flights.run('a', never, async () => Promise.resolve(7))).toBe(7);
});

test('a caller takes over when the one it waited for was aborted', async () => {
  const flights = new SingleFlight<string>();
  const owner = new AbortController();
  const first = flights.run('a', owner.signal, async () => hanging(owner.signal));
  const second = flights.run('a', never, async () => Promise.resolve('done by the second'));
  owner.abort(new Error('deadline of the first'));
  await expect(first).rejects.toThrow('deadline of the first');
  await expect(second).resolves.toBe('done by the second');
});

test('a caller that is aborted stops waiting, and the work goes on for the others', async () => {
  const flights = new SingleFlight<string>();
  const waiter = new AbortController();
  const { promise, resolve } = Promise.withResolvers<string>();
  const first = flights.run('a', never, async () => promise);
  const second = flights.run('a', waiter.signal, async () => Promise.reject(new Error('never started')));
  waiter.abort(new Error('deadline of the second'));
  await expect(second).rejects.toThrow('deadline of the second');
  resolve('done');
  await expect(first).resolves.toBe('done');
});

async function fail(): Promise<never> {
  return Promise.reject(new Error('down'));
}

async function hanging(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
