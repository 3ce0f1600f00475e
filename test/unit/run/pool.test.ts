import { expect, test } from 'vitest';
import { mapConcurrent } from '../../../installer/run/pool.ts';

test('results keep the order of the items and never more calls than the width run at once', async () => {
  let running = 0;
  let most = 0;
  const result = await mapConcurrent([5, 1, 3, 2, 4], 2, async (item) => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < item; turn++) await Promise.resolve();
    running--;
    return item * 10;
  });
  expect(result).toEqual([50, 10, 30, 20, 40]);
  expect(most).toBe(2);
});

test('no items make no calls', async () => {
  expect(await mapConcurrent([], 4, () => Promise.reject(new Error('called')))).toEqual([]);
});

test('a rejection stops the hand-out and is passed on', async () => {
  const seen: number[] = [];
  const call = async (item: number): Promise<void> => {
    seen.push(item);
    await Promise.resolve();
    if (item === 1) throw new Error('first');
  };
  await expect(mapConcurrent([1, 2, 3, 4], 1, call)).rejects.toThrow('first');
  expect(seen).toEqual([1]);
});
