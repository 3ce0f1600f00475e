import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PluginList } from '../../../installer/core/types.ts';
import { directoryOf, DIGEST, failureOf, load, OTHER_PIN, PIN, problemsOf } from '../../support/list.ts';

type Files = Readonly<Record<string, string>>;

function loadFiles(files: Files): Promise<PluginList> {
  const cwd = directoryOf(files);
  return load({ config: join(cwd, 'main.yaml'), cwd });
}

function problemsOfFiles(files: Files): Promise<readonly string[]> {
  const cwd = directoryOf(files);
  return problemsOf({ config: join(cwd, 'main.yaml'), cwd });
}

const DEFAULTS = `
plugins:
  - package: oci://quay.io/rhdh/todo:1.0!todo
    integrity: ${PIN}
    disabled: true
    pluginConfig: {todo: {a: 1, b: 2}}
  - package: '@acme/board@1.0.0'
    integrity: ${PIN}
  - package: ./bundled
    disabled: true
`;

test('the signature of an address that is included twice is not printed', async () => {
  const twice = `plugins:\n  - package: https://host/x.tgz?sig=hunter2\n    integrity: ${PIN}\n`;
  const problems = await problemsOfFiles({
    'a.yaml': twice,
    'b.yaml': twice,
    'main.yaml': 'includes: [a.yaml, b.yaml]\n',
  });
  expect(problems).toHaveLength(1);
  expect(problems.join()).not.toContain('hunter2');
});

test('an included entry is overridden key by key and keeps what is not mentioned', async () => {
  const list = await loadFiles({
    'default.yaml': DEFAULTS,
    'main.yaml':
      'includes: [default.yaml]\nplugins:\n  - package: oci://quay.io/rhdh/todo:1.0!todo\n    disabled: false\n    pluginConfig: {todo: {a: 3}}\n',
  });
  const [own] = list.entries;
  expect(own).toMatchObject({ index: 0, pin: `integrity=${PIN}`, path: 'plugins[0]', at: { line: 3 } });
  // RHDH replaces pluginConfig as a whole.
  expect(own?.pluginConfig).toEqual({ todo: { a: 3 } });
});

test('included entries that nobody overrides follow the own ones, disabled ones among them', async () => {
  const list = await loadFiles({
    'default.yaml': DEFAULTS,
    'main.yaml': `includes: [default.yaml]\nplugins:\n  - {package: 'npm:x@1.0.0', integrity: ${PIN}}\n`,
  });
  expect(list.entries.map(({ index, package: text }) => [index, text])).toEqual([
    [0, 'npm:x@1.0.0'],
    [2, '@acme/board@1.0.0'],
  ]);
  expect(list.entries[1]?.at.file).toMatch(/default\.yaml$/);
  expect(list.skipped.map(({ index }) => index)).toEqual([1, 3]);
});

test('includes alone are a list', async () => {
  expect(
    (await loadFiles({ 'default.yaml': DEFAULTS, 'main.yaml': 'includes: [./default.yaml]\n' })).entries,
  ).toHaveLength(1);
});

test('disabled: false in the upper file wins over enabled: false in the lower one', async () => {
  const list = await loadFiles({
    'a.yaml': 'plugins: [{package: ./x, enabled: false}]\n',
    'main.yaml': 'includes: [a.yaml]\nplugins: [{package: ./x, disabled: false}]\n',
  });
  expect(list.entries).toHaveLength(1);
});

const INHERIT: readonly (readonly [what: string, base: string, over: string, result: string])[] = [
  [
    'tag and path',
    'oci://quay.io/rhdh/todo:1.0!todo',
    'oci://quay.io/rhdh/todo:{{inherit}}',
    'oci://quay.io/rhdh/todo:1.0!todo',
  ],
  [
    'the tag of the same path',
    'oci://quay.io/rhdh/todo:1.0!todo',
    'oci://quay.io/rhdh/todo:{{inherit}}!todo',
    'oci://quay.io/rhdh/todo:1.0!todo',
  ],
  [
    'the tag, with an own path',
    'oci://quay.io/rhdh/todo:1.0',
    'oci://quay.io/rhdh/todo:{{ inherit }}!todo',
    'oci://quay.io/rhdh/todo:1.0!todo',
  ],
  [
    'a digest',
    `oci://quay.io/rhdh/todo@${DIGEST}`,
    'oci://quay.io/rhdh/todo:{{inherit}}',
    `oci://quay.io/rhdh/todo@${DIGEST}`,
  ],
  [
    'from a registry with a port',
    'oci://localhost:5000/todo:1.0',
    'oci://localhost:5000/todo:{{inherit}}',
    'oci://localhost:5000/todo:1.0',
  ],
  [
    'by name from another registry',
    'oci://registry.redhat.io/rhdh/todo:1.0!todo',
    'oci://ghcr.io/dev/todo:{{inherit}}',
    'oci://registry.redhat.io/rhdh/todo:1.0!todo',
  ],
];

test.each(INHERIT)('{{inherit}} takes %s', async (_, base, over, result) => {
  const list = await loadFiles({
    'default.yaml': `plugins:\n  - {package: '${base}', integrity: ${PIN}, disabled: true}\n`,
    'main.yaml': `includes: [default.yaml]\nplugins:\n  - package: '${over}'\n    disabled: false\n`,
  });
  expect(list.entries.map(({ package: text, pin }) => [text, pin?.includes(PIN)])).toEqual([[result, true]]);
});

test.each([
  ['nothing to inherit from', ['oci://quay.io/rhdh/other:1.0'], /nothing to inherit/],
  [
    'two paths of one image',
    ['oci://quay.io/rhdh/todo:1.0!a', 'oci://quay.io/rhdh/todo:1.0!b'],
    /2 included plugins.*!a.*!b/,
  ],
  ['two images of one name', ['oci://a.example/x/todo:1.0', 'oci://b.example/x/todo:1.0'], /2 included plugins/],
])('{{inherit}} with %s is an error', async (_, bases, says) => {
  const entries = bases.map((text) => `  - {package: '${text}', disabled: true}\n`).join('');
  const problems = await problemsOfFiles({
    'default.yaml': `plugins:\n${entries}`,
    'main.yaml': "includes: [default.yaml]\nplugins:\n  - package: 'oci://quay.io/rhdh/todo:{{inherit}}'\n",
  });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(says);
  expect(problems[0]).toContain('main.yaml:3:14 plugins[0].package');
});

test('another version overrides the included one and keeps its path', async () => {
  const list = await loadFiles({
    'default.yaml': `plugins:\n  - {package: 'oci://quay.io/rhdh/todo:1.0!todo', pluginConfig: {a: 1}}\n`,
    'main.yaml': `includes: [default.yaml]\nplugins:\n  - {package: 'oci://quay.io/rhdh/todo:2.0', integrity: ${OTHER_PIN}}\n`,
  });
  expect(list.entries.map(({ package: text, pluginConfig }) => [text, pluginConfig])).toEqual([
    ['oci://quay.io/rhdh/todo:2.0!todo', { a: 1 }],
  ]);
});

const otherVersion = (integrity: string): Files => ({
  'default.yaml': DEFAULTS,
  'main.yaml': `includes: [default.yaml]\nrequireIntegrity: false\nplugins:\n  - package: '@acme/board@2.0.0'\n${integrity}`,
});

test('the pin of the included version is never taken for the pin of another version', async () => {
  const problems = await problemsOfFiles(otherVersion(''));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(
    /main\.yaml:4:14 plugins\[0\]: another version than the included one, whose integrity \(.*default\.yaml:8:5\)/,
  );
  expect((await loadFiles(otherVersion(`    integrity: ${OTHER_PIN}\n`))).entries[0]?.pin).toBe(
    `integrity=${OTHER_PIN}`,
  );
});

test('two included files with the same plugin are an error that names both', async () => {
  const problems = await problemsOfFiles({
    'a.yaml': 'plugins: [{package: ./x}]\n',
    'b.yaml': 'plugins: [{package: ./x, disabled: true}]\n',
    'main.yaml': 'includes: [a.yaml, b.yaml]\nplugins: []\n',
  });
  expect(problems).toEqual([
    expect.stringMatching(/b\.yaml:1:11 plugins\[0\]: "\.\/x" is included twice, .*a\.yaml:1:11/),
  ]);
});

test('nested includes are relative to the file that includes them, the nearer file winning', async () => {
  const list = await loadFiles({
    'c.yaml': 'plugins: [{package: ./x, pluginConfig: {from: c}}, {package: ./y, pluginConfig: {other: c}}]\n',
    'b.yaml': 'includes: [c.yaml]\nplugins: [{package: ./x, pluginConfig: {from: b}}]\n',
    'main.yaml': 'includes: [b.yaml]\nplugins: []\n',
  });
  expect(list.appConfig.mergeOf(list.entries.map(({ index }) => index))).toEqual({ from: 'b', other: 'c' });
});

test.each([
  ['itself', { 'main.yaml': 'includes: [main.yaml]\nplugins: []\n' }],
  [
    'itself by way of another',
    { 'main.yaml': 'includes: [a.yaml]\nplugins: []\n', 'a.yaml': 'includes: [main.yaml]\n' },
  ],
])('a file that includes %s is refused', async (_, files) => {
  expect(await problemsOfFiles(files)).toEqual([expect.stringContaining('includes itself')]);
});

test('a missing included file is an error at its place: plugins would be missing silently', async () => {
  const cwd = directoryOf({ 'main.yaml': 'includes:\n  - absent.yaml\nplugins: []\n' });
  const from = { config: join(cwd, 'main.yaml'), cwd };
  expect((await failureOf(from)).reason).toBe('ListNotFound');
  expect((await problemsOf(from))[0]).toMatch(
    /main\.yaml:2:5 includes\[0\]: the included file .*absent\.yaml does not exist/,
  );
});

test('policy of an included file is refused: it stays with the including one', async () => {
  const problems = await problemsOfFiles({
    'a.yaml': 'requireIntegrity: false\nplugins: []\n',
    'main.yaml': 'includes: [a.yaml]\nplugins: []\n',
  });
  expect(problems).toEqual([expect.stringMatching(/a\.yaml:1:1: unknown key "requireIntegrity"/)]);
});

test('faults of included files are reported with those of the including one', async () => {
  const problems = await problemsOfFiles({
    'a.yaml': 'plugins:\n  - package: npm:x@1.0.0\n',
    'b.yaml': 'plugins: [\n',
    'main.yaml': 'includes: [a.yaml, b.yaml]\nplugins:\n  - package: npm:y@1.0.0\n',
  });
  const files = problems.map((line) => /(\w+\.yaml):/.exec(line)?.[1]);
  expect(new Set(files)).toEqual(new Set(['a.yaml', 'b.yaml', 'main.yaml']));
  expect(files).toHaveLength(3);
});

test('conflicting config of an own and an included entry names both files', async () => {
  const problems = await problemsOfFiles({
    'a.yaml': 'plugins:\n  - package: ./x\n    pluginConfig: {k: 1}\n',
    'main.yaml': 'includes: [a.yaml]\nplugins:\n  - package: ./y\n    pluginConfig: {k: 2}\n',
  });
  expect(problems[0]).toMatch(
    /a\.yaml:3:20 plugins\[0\]\.pluginConfig: k is set to another value than by plugins\[0\] \(.*main\.yaml:4:20\)/,
  );
});
