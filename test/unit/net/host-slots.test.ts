import { expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import { HostSlots } from '../../../installer/net/host-slots.ts';

const never = new AbortController().signal;

/** Whether a promise is settled after all microtasks. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

test('lets no more than the limit in, and the next one as soon as one leaves', async () => {
  const slots = new HostSlots(2);
  const first = await slots.acquire('a', never);
  await slots.acquire('a', never);
  const third = slots.acquire('a', never);
  expect(await isSettled(third)).toBe(false);
  first();
  expect(await isSettled(third)).toBe(true);
});

test('counts every host for itself', async () => {
  const slots = new HostSlots(1);
  await slots.acquire('a', never);
  expect(await isSettled(slots.acquire('b', never))).toBe(true);
});

test('a slot given back twice counts once', async () => {
  const slots = new HostSlots(1);
  const first = await slots.acquire('a', never);
  first();
  first();
  await slots.acquire('a', never);
  expect(await isSettled(slots.acquire('a', never))).toBe(false);
});

test('waiters enter in the order they came', async () => {
  const slots = new HostSlots(1);
  const order: number[] = [];
  let release = await slots.acquire('a', never);
  const waiters = [1, 2, 3].map(async (number) => {
    const mine = await slots.acquire('a', never);
    order.push(number);
    mine();
  });
  release();
  release = () => undefined;
  await Promise.all(waiters);
  expect(order).toEqual([1, 2, 3]);
});

test('an aborted waiter gets the reason of the signal and leaves its place to the next', async () => {
  const slots = new HostSlots(1);
  const release = await slots.acquire('a', never);
  const controller = new AbortController();
  const stop = new InstallError('Terminated', 'stop');
  const second = slots.acquire('a', controller.signal);
  const third = slots.acquire('a', never);
  controller.abort(stop);
  await expect(second).rejects.toBe(stop);
  release();
  expect(await isSettled(third)).toBe(true);
});

test('a signal that is already aborted takes no slot', async () => {
  const slots = new HostSlots(1);
  const stop = new InstallError('Terminated', 'stop');
  await expect(slots.acquire('a', AbortSignal.abort(stop))).rejects.toBe(stop);
  expect(await isSettled(slots.acquire('a', never))).toBe(true);
});
