import { expect, test } from 'vitest';
import { mergeAppConfig, type Fragment } from '../../../installer/config/app-config.ts';
import { Problems } from '../../../installer/config/problems.ts';
import { readDocument, sourceOf } from '../../../installer/config/yaml.ts';
import { InstallError } from '../../../installer/core/errors.ts';

async function fragmentsOf(...texts: readonly string[]): Promise<readonly Fragment[]> {
  const fragments: Fragment[] = [];
  for (const [index, text] of texts.entries()) {
    const config = await readDocument(sourceOf(`f${index}`, text), new Problems());
    if (config === undefined) throw new Error(`${text} is no map`);
    fragments.push({ index, path: `plugins[${index}]`, config });
  }
  return fragments;
}

async function conflictsOf(...texts: readonly string[]): Promise<readonly string[]> {
  const problems = new Problems();
  mergeAppConfig(await fragmentsOf(...texts), problems);
  try {
    problems.throwIfAny();
  } catch (thrown) {
    if (!(thrown instanceof InstallError)) throw thrown;
    expect(thrown.reason).toBe('PluginConfigConflict');
    const lines = thrown.details['problems'];
    return Array.isArray(lines) ? lines.map(String) : [];
  }
  return [];
}

test('fragments merge key by key, only those of the wanted entries', async () => {
  const config = mergeAppConfig(
    await fragmentsOf('a: {x: 1, l: [1]}\n', 'a: {y: {z: 2}}\nb: true\n', 'c: null\n'),
    new Problems(),
  );
  expect(config.mergeOf([2, 0, 1])).toEqual({ a: { x: 1, l: [1], y: { z: 2 } }, b: true, c: null });
  expect(config.mergeOf([1])).toEqual({ a: { y: { z: 2 } }, b: true });
  expect(config.mergeOf([])).toEqual({});
});

test('the order of entries decides nothing', async () => {
  const config = mergeAppConfig(await fragmentsOf('a: {x: 1}\n', 'a: {y: 2}\n'), new Problems());
  expect(config.mergeOf([0, 1])).toEqual(config.mergeOf([1, 0]));
});

test.each([
  ['equal scalars', ['a: 1\n', 'a: 1\n']],
  ['equal lists', ['a: [{x: 1, y: 2}]\n', 'a: [{y: 2, x: 1}]\n']],
  ['an empty map under a full one', ['a: {}\n', 'a: {x: 1}\n']],
  ['different keys', ['a: {x: 1}\n', 'a: {y: 1}\n']],
])('%s are no conflict', async (_, texts) => {
  expect(await conflictsOf(...texts)).toEqual([]);
});

test.each([
  [
    'different scalars',
    ['a: {b: 1}\n', 'a: {b: 2}\n'],
    'f1:1:5 plugins[1].pluginConfig: a.b is set to another value than by plugins[0] (f0:1:5)',
  ],
  ['a number and its text', ['a: 1\n', 'a: "1"\n'], 'f1:1:1 plugins[1].pluginConfig: a '],
  ['lists in another order', ['a: [1, 2]\n', 'a: [2, 1]\n'], 'a is set'],
  ['a map over a scalar', ['a: 1\n', 'a: {b: 1}\n'], 'a is set'],
  ['a scalar over a map', ['a: {b: 1}\n', 'a: 1\n'], 'a is set'],
  ['null over a value', ['a: 1\n', 'a: null\n'], 'a is set'],
  ['null over a map', ['a: {b: 1}\n', 'a:\n'], 'a is set'],
  ['a key that needs quotes', ['"/proxy": 1\n', '"/proxy": 2\n'], '["/proxy"] is set'],
])('%s are a conflict that names both entries and places', async (_, texts, line) => {
  const conflicts = await conflictsOf(...texts);
  expect(conflicts).toHaveLength(1);
  expect(conflicts[0]).toContain(line);
  expect(conflicts[0]).toContain('plugins[0]');
});

test('each of several conflicts is reported, against the entry that wrote the key first', async () => {
  const conflicts = await conflictsOf('a: 1\n', 'b: 1\n', 'a: 2\nb: 2\n');
  expect(conflicts).toHaveLength(2);
  expect(conflicts[0]).toContain('a is set to another value than by plugins[0]');
  expect(conflicts[1]).toContain('b is set to another value than by plugins[1]');
});

test('a merged config is a copy: changing it changes no later one', async () => {
  const config = mergeAppConfig(await fragmentsOf('a: {x: 1}\n'), new Problems());
  const first = config.mergeOf([0]);
  (first['a'] as Record<string, unknown>)['x'] = 2;
  expect(config.mergeOf([0])).toEqual({ a: { x: 1 } });
});
