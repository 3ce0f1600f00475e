import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { AbsPath, SealedSet } from '../../../installer/core/types.ts';
import { assembleOutputs, outputFingerprint } from '../../../installer/formats/index.ts';
import { testEntry, testKept } from '../../support/entries.ts';

const ROOT = '/dynamic-plugins-root' as AbsPath;

/** Formats read `ready` and `appConfig` only. */
function setOf(config: Readonly<Record<string, unknown>>, indexes: readonly number[] = [0]): SealedSet {
  const ready = indexes.map((index) => testKept(testEntry(index)));
  return { ready, appConfig: { mergeOf: () => config } } as unknown as SealedSet;
}

async function textOf(config: Readonly<Record<string, unknown>>): Promise<string> {
  const outputs = await assembleOutputs(setOf(config), ROOT);
  expect(outputs.map(({ name }) => name)).toEqual(['app-config.dynamic-plugins.yaml']);
  return outputs[0]?.content ?? '';
}

test('the file is what an operator can read', async () => {
  const config = {
    proxy: { endpoints: { '/todo': { target: '${TODO_URL}', headers: { Authorization: 'Bearer ${TODO_TOKEN}' } } } },
    dynamicPlugins: { frontend: { 'acme.todo': { dynamicRoutes: [{ path: '/todo', importName: 'TodoPage' }] } } },
    todo: { enabled: true, limit: 5, mode: 'on', template: '{{ inherit }}', none: null },
  };
  expect(await textOf(config)).toMatchInlineSnapshot(`
    "# Written by portal-plugins from the pluginConfig of the installed plugins. Changes are lost at the next start.
    dynamicPlugins:
      frontend:
        acme.todo:
          dynamicRoutes:
            - importName: TodoPage
              path: "/todo"
      rootDirectory: "/dynamic-plugins-root"
    proxy:
      endpoints:
        "/todo":
          headers:
            Authorization: "Bearer \${TODO_TOKEN}"
          target: "\${TODO_URL}"
    todo:
      enabled: true
      limit: 5
      mode: "on"
      none: null
      template: "{{ inherit }}"
    "
  `);
});

test('an empty set still gives a file, as the portal is started with it', async () => {
  const outputs = await assembleOutputs(setOf({}, []), ROOT);
  expect(parse(outputs[0]?.content ?? '')).toEqual({ dynamicPlugins: { rootDirectory: ROOT } });
});

test('only fragments of the plugins in the set are merged', async () => {
  const asked: (readonly number[])[] = [];
  const set = {
    ...setOf({}, [2, 5]),
    appConfig: { mergeOf: (indexes: readonly number[]) => (asked.push(indexes), {}) },
  };
  await assembleOutputs(set, ROOT);
  expect(asked).toEqual([[2, 5]]);
});

test('rootDirectory is ours whatever a fragment says', async () => {
  expect(parse(await textOf({ dynamicPlugins: { rootDirectory: '/evil', other: 1 } }))).toEqual({
    dynamicPlugins: { rootDirectory: ROOT, other: 1 },
  });
});

describe('strings stay strings in YAML 1.1 and 1.2', () => {
  const STRINGS = [
    [
      '',
      ' ',
      '~',
      'y',
      'Y',
      'no',
      'ON',
      'off',
      'True',
      'null',
      'NULL',
      '.nan',
      '.inf',
      '-.INF',
      'nan',
      'inf',
      '<<',
      '=',
    ],
    ['1', '-1', '1.5', '1e5', '1_000', '0o7', '07', '0x1F', '0b1', '12:30:45', '2001-12-14', '2001-12-14T21:59:43Z'],
    ['- a', '? a', 'a: b', 'a #b', '#a', '&a', '*a', '!a', '|', '>', '%a', '@a', '`a', '{a}', '[a]', ',', '"a"', "'a'"],
    ['---', '...', 'a\nb', 'a\n', '\ta', 'a\r\nb', 'a\\b', '\u0000', '\u007f', '\u0085', '\u2028', '\ufeff', '🧩', 'ä'],
    ['${ENV}', '$${ENV}', '{{ x }}', 'a'.repeat(300), 'word '.repeat(60), 'a:', 'a.b/c-d_e', '-', 'A'],
  ].flat();
  test.each(['1.1', '1.2'] as const)('version %s, as value, key and list item', async (version) => {
    const config = Object.assign(Object.create(null) as Record<string, unknown>, {
      values: STRINGS,
      keys: Object.fromEntries(STRINGS.map((text) => [text, text])),
    });
    const text = await textOf(config);
    expect(parse(text, { version, merge: false })).toMatchObject({ values: STRINGS, keys: config['keys'] });
    expect(text).toMatch(/^[\n\u0020-\u007e\u00a0-\u{10ffff}]+$/u);
  });
});

test('other values come back as they were', async () => {
  const values = [0, -5, 1.5, 1e21, true, false, null, [], {}, [[1], [2, [3]]], Number.POSITIVE_INFINITY];
  expect(parse(await textOf({ values }))).toMatchObject({ values });
});

const fingerprint = (config: Readonly<Record<string, unknown>>, root = ROOT): string =>
  outputFingerprint(setOf(config), root);

describe('the fingerprint', () => {
  test('does not depend on the order of keys, as the file does not', async () => {
    const [one, two] = [
      { a: { x: 1, y: 2 }, b: 1 },
      { b: 1, a: { y: 2, x: 1 } },
    ];
    expect(fingerprint(one)).toBe(fingerprint(two));
    expect(await textOf(one)).toBe(await textOf(two));
  });

  test.each([
    [{ a: 1 }, { a: '1' }],
    [{ a: null }, { a: 'null' }],
    [{ a: null }, { a: Number.NaN }],
    [{ a: Number.POSITIVE_INFINITY }, { a: Number.NEGATIVE_INFINITY }],
    [{ a: [1, 2] }, { a: [2, 1] }],
    [{ a: { b: 1 } }, { 'a.b': 1 }],
    [{ a: [] }, { a: {} }],
    [{ a: 0 }, { a: -0 }],
  ])('tells %j from %j', (one, two) => {
    expect(fingerprint(one)).not.toBe(fingerprint(two));
  });

  test('changes with the plugin root', () => {
    expect(fingerprint({})).not.toBe(fingerprint({}, '/other' as AbsPath));
  });
});
