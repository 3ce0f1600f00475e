import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PluginList } from '../../../installer/core/types.ts';
import { directoryOf, failureOf, load, loadText, OTHER_PIN, PIN, problemsOf } from '../../support/list.ts';

/** Values files in order, first ones below. */
function valuesOf(texts: readonly string[]): { readonly values: readonly string[]; readonly cwd: string } {
  const names = texts.map((_, index) => `values-${index}.yaml`);
  const cwd = directoryOf(Object.fromEntries(texts.map((text, index) => [names[index] ?? '', text])));
  return { values: names.map((name) => join(cwd, name)), cwd };
}

function loadValues(...texts: readonly string[]): Promise<PluginList> {
  return load(valuesOf(texts));
}

function problemsOfValues(...texts: readonly string[]): Promise<readonly string[]> {
  return problemsOf(valuesOf(texts));
}

const BUTLER = `
replicaCount: 2
dynamicPlugins:
  enabled: true
  rootDirectory: /dynamic-plugins-root
  allowedSources: [oci://ghcr.io/butlerdotdev]
  installer:
    image: ghcr.io/butlerdotdev/installer
    tag: 0.5.4
    pullPolicy: IfNotPresent
    continueOnError: true
  plugins:
    - package: oci://ghcr.io/butlerdotdev/plugins/workspaces:0.1.0
      integrity: ${PIN}
      disabled: false
      pluginConfig: {}
`;

test('a Butler values file works as it stands', async () => {
  const list = await loadValues(BUTLER);
  expect(list).toMatchObject({ continueOnError: true, allowedSources: ['oci://ghcr.io/butlerdotdev'] });
  expect(list.entries).toHaveLength(1);
  expect(list.entries[0]).toMatchObject({ path: 'dynamicPlugins.plugins[0]', continueOnError: true, at: { line: 13 } });
});

test("RHDH's global.dynamic works as it stands", async () => {
  const from = valuesOf([
    `global:\n  clusterRouterBase: x\n  dynamic:\n    includes: []\n    plugins:\n      - package: npm:a@1.0.0\n        integrity: ${PIN}\n`,
  ]);
  expect((await load(from)).entries[0]).toMatchObject({
    path: 'global.dynamic.plugins[0]',
    at: { file: from.values[0], line: 6, column: 9 },
  });
});

test('later files win: maps merge, lists are replaced, null removes', async () => {
  const list = await loadValues(
    `dynamicPlugins:\n  continueOnError: true\n  allowedSources: [npm:a]\n  pluginsByName:\n    a: {package: 'npm:a@1.0.0', integrity: ${PIN}, pluginConfig: {x: {p: 1, q: 2}}}\n    b: {package: 'npm:b@1.0.0', integrity: ${PIN}}\n  plugins: [{package: ./one}, {package: ./two}]\n`,
    `dynamicPlugins:\n  continueOnError: null\n  allowedSources: []\n  pluginsByName:\n    a: {package: 'npm:a@2.0.0', integrity: ${OTHER_PIN}, pluginConfig: {x: {p: null, q: 3}}}\n    b: null\n  plugins: [{package: ./three}]\n`,
  );
  expect(list).toMatchObject({ continueOnError: false, allowedSources: [] });
  expect(list.entries.map(({ index, package: text, path }) => [index, text, path])).toEqual([
    [0, './three', 'dynamicPlugins.plugins[0]'],
    [1, 'npm:a@2.0.0', 'dynamicPlugins.pluginsByName.a'],
  ]);
  expect(list.appConfig.mergeOf([1])).toEqual({ x: { q: 3 } });
});

test('a position survives the merge: it is in the file that wrote the value', async () => {
  const from = valuesOf([
    `dynamicPlugins:\n  pluginsByName:\n    a:\n      package: npm:a@1.0.0\n      integrity: nonsense\n`,
    `dynamicPlugins:\n  pluginsByName:\n    a:\n      enabled: "yes"\n`,
  ]);
  const problems = await problemsOf(from);
  expect(problems).toHaveLength(2);
  expect(
    problems.find((line) => line.startsWith(`${from.values[0]}:5:18 dynamicPlugins.pluginsByName.a.integrity`)),
  ).toBeDefined();
  expect(
    problems.find((line) => line.startsWith(`${from.values[1]}:4:16 dynamicPlugins.pluginsByName.a.enabled`)),
  ).toBeDefined();
});

test('entries by name follow the listed ones in key order, disabled ones counted', async () => {
  const list = await loadValues(
    'dynamicPlugins:\n  pluginsByName:\n    b: {package: ./b}\n    a: {package: ./a, enabled: false}\n    "1.x y": {package: ./c}\n  plugins: [{package: ./z}]\n',
  );
  expect(list.entries.map(({ index, path }) => [index, path])).toEqual([
    [0, 'dynamicPlugins.plugins[0]'],
    [1, 'dynamicPlugins.pluginsByName["1.x y"]'],
    [3, 'dynamicPlugins.pluginsByName.b'],
  ]);
  expect(list.skipped).toEqual([{ index: 2, package: './a' }]);
});

test('enabled: false is an explicitly empty list', async () => {
  const list = await loadValues('dynamicPlugins:\n  enabled: false\n  plugins: [{package: npm:not-checked@1.0.0}]\n');
  expect(list).toMatchObject({ entries: [], skipped: [] });
  expect(list.set).toBe((await loadText('plugins: []\n')).set);
});

test.each([
  'dynamicPlugins: {allowedSources: []}\nplugins: []\n',
  'dynamicPlugins:\n  enabled: true\nplugins: []\n',
  'dynamicPlugins: {enabled: true, plugins: null}\n',
  'global: {dynamic: {plugins: null, installer: {}}}\n',
])('a block that lost its plugins is no empty list: %j', async (text) => {
  expect(await problemsOfValues(text)).toEqual([expect.stringMatching(/plugins is missing.*Fix: write plugins: \[\]/)]);
});

test('values and the wire document the chart makes of them are one set', async () => {
  const hostile = {
    app: { text: `& < > ' " \\ {{ x }} \${ENV} \u2028\u2029 \u{1f600} \u0001`, '\uffee': 1, '\u{10000}': 2, n: 1e-7 },
  };
  const entries = [
    { package: './a', pluginConfig: hostile, disabled: false },
    { package: './b', enabled: false },
  ];
  const values = {
    dynamicPlugins: {
      enabled: true,
      rolloutToken: 'x',
      plugins: [entries[0]],
      pluginsByName: { b: entries[1], gone: null },
    },
  };
  const wire = { requireIntegrity: true, plugins: entries, continueOnError: false, allowedSources: [] };
  expect((await loadValues(JSON.stringify(values))).set).toBe((await loadText(JSON.stringify(wire))).set);
});

test('an empty values file is an honest layer', async () => {
  const list = await loadValues('# nothing yet\n', 'dynamicPlugins: {plugins: [{package: ./a}]}\n', '');
  expect(list.entries).toHaveLength(1);
});

test.each([
  ['no block at all', 'image: {}\n', /neither dynamicPlugins nor global\.dynamic/, /add dynamicPlugins\.plugins/],
  ['a misspelt block', 'dynamicplugins: {plugins: []}\n', /neither/, /rename "dynamicplugins" to dynamicPlugins/],
  ['only an empty file', '', /neither/, /add/],
  ['a block with nothing below it', 'dynamicPlugins:\nplugins: []\n', /neither/, /with nothing below it/],
])('%s is no list, and never an empty one', async (_, text, says, fix) => {
  const error = await failureOf(valuesOf([text]));
  expect(error.reason).toBe('ListNotFound');
  expect(error.message).toMatch(says);
  expect(error.fix).toMatch(fix);
});

test('a list in both blocks is an error; the empty one of a chart default is not', async () => {
  const both = 'dynamicPlugins: {plugins: [{package: ./a}]}\nglobal: {dynamic: {plugins: [{package: ./b}]}}\n';
  expect(await problemsOfValues(both)).toEqual([
    expect.stringMatching(/:2:10 global\.dynamic: .*dynamicPlugins \(.*:1:1\)/),
  ]);
  const one = 'dynamicPlugins: {plugins: []}\nglobal: {dynamic: {plugins: [{package: ./b}]}}\n';
  expect((await loadValues(one)).entries.map(({ path }) => path)).toEqual(['global.dynamic.plugins[0]']);
});

const policyBlock = (own: boolean): string =>
  `dynamicPlugins:\n  continueOnError: ${own}\n  installer: {continueOnError: true}\n  plugins: []\n`;

test('both spellings of the failure policy may agree, not differ', async () => {
  expect((await loadValues(policyBlock(true))).continueOnError).toBe(true);
  expect(await problemsOfValues(policyBlock(false))).toEqual([
    expect.stringMatching(/:2:3 dynamicPlugins\.continueOnError: .*installer\.continueOnError/),
  ]);
});

test.each([
  [
    'a misspelt key',
    'dynamicPlugins:\n  plugin: []\n',
    /:2:3 dynamicPlugins: unknown key "plugin" \(did you mean plugins\?\)/,
  ],
  [
    'a misspelt chart key',
    'dynamicPlugins:\n  installer: {imag: x}\n  plugins: []\n',
    /:2:15 dynamicPlugins\.installer: unknown key "imag" \(did you mean image\?\)/,
  ],
  [
    'a misspelt key of a named entry',
    'dynamicPlugins:\n  pluginsByName:\n    a: {package: ./a, disable: true}\n',
    /dynamicPlugins\.pluginsByName\.a: unknown key "disable" \(did you mean disabled\?\)/,
  ],
  ['a block that is a list', 'dynamicPlugins: []\n', /:1:17 dynamicPlugins: expected a map/],
  [
    'named entries as a list',
    'dynamicPlugins:\n  pluginsByName: []\n',
    /:2:18 dynamicPlugins\.pluginsByName: expected a map/,
  ],
  [
    'an unknown carrier',
    'dynamicPlugins:\n  config: {mode: secret}\n  plugins: []\n',
    /dynamicPlugins\.config\.mode: expected podTemplate, env, configMap, existing/,
  ],
  [
    'a proxy with a password',
    'dynamicPlugins:\n  plugins: []\n  proxy: {http: "http://u:p@proxy"}\n',
    /dynamicPlugins\.proxy\.http/,
  ],
])('%s is reported', async (_, text, says) => {
  const problems = await problemsOfValues(text);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(says);
});

test('a syntax error in any file is reported with the others', async () => {
  const problems = await problemsOfValues('a: [\n', 'b: 1\nb: 2\n', 'c: *x\n');
  expect(problems.map((line) => /values-(\d)/.exec(line)?.[1])).toEqual(expect.arrayContaining(['0', '1', '2']));
});
