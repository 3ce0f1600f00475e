import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { directoryOf, DIGEST, failureOf, load, loadText, OTHER_PIN, PIN, problemsOf } from '../../support/list.ts';

const OWN = `
continueOnError: true
allowedSources: ["oci://ghcr.io/acme", "npm:@acme"]
plugins:
  - package: oci://ghcr.io/acme/todo:1.4.2
    integrity: ${PIN}
    pluginConfig:
      app: { title: Todo }
  - package: oci://ghcr.io/acme/notes@${DIGEST}
    continueOnError: false
    pullPolicy: Always
  - package: npm:@acme/board@2.0.0
    integrity: ${OTHER_PIN}
    format: backstage
  - package: ./bundled
  - package: npm:@acme/off@1.0.0
    enabled: false
`;

test('an own list becomes entries with their pins, policies and positions', async () => {
  const list = await loadText(OWN);
  const seen = list.entries.map(({ index, package: text, pin, continueOnError, pullPolicy, format, path, at }) => {
    return { index, text, pin, continueOnError, pullPolicy, format, path, line: at.line, column: at.column };
  });
  const common = { continueOnError: true, pullPolicy: 'IfNotPresent', format: undefined, column: 5 };
  expect(seen).toEqual([
    {
      ...common,
      index: 0,
      text: 'oci://ghcr.io/acme/todo:1.4.2',
      pin: `integrity=${PIN}`,
      path: 'plugins[0]',
      line: 5,
    },
    {
      ...common,
      index: 1,
      text: `oci://ghcr.io/acme/notes@${DIGEST}`,
      pin: `digest=${DIGEST}`,
      continueOnError: false,
      pullPolicy: 'Always',
      path: 'plugins[1]',
      line: 9,
    },
    {
      ...common,
      index: 2,
      text: 'npm:@acme/board@2.0.0',
      pin: `integrity=${OTHER_PIN}`,
      format: 'backstage',
      path: 'plugins[2]',
      line: 12,
    },
    { ...common, index: 3, text: './bundled', pin: undefined, path: 'plugins[3]', line: 15 },
  ]);
  expect(list.skipped).toEqual([{ index: 4, package: 'npm:@acme/off@1.0.0' }]);
  expect(list.refused).toEqual([]);
  expect(list).toMatchObject({ continueOnError: true, requireIntegrity: true, file: 'PORTAL_PLUGINS_LIST' });
  expect(list.appConfig.mergeOf([0])).toEqual({ app: { title: 'Todo' } });
});

test('a Butler list works as it stands', async () => {
  const list = await loadText(`
plugins:
  - package: oci://ghcr.io/butlerdotdev/plugins/workspaces:0.1.0
    integrity: sha512:${'01'.repeat(64)}
    disabled: false
  - package: oci://ghcr.io/butlerdotdev/plugins/other:0.1.0
    integrity: ${PIN}
    disabled: true
    pluginConfig: {}
`);
  expect(list.entries.map(({ pin }) => pin)).toEqual([`integrity=${PIN}`]);
  expect(list.skipped).toEqual([{ index: 1, package: 'oci://ghcr.io/butlerdotdev/plugins/other:0.1.0' }]);
});

test('an RHDH list without pins works when it says so', async () => {
  const list = await loadText(`
requireIntegrity: false
plugins:
  - package: ./dynamic-plugins/dist/backstage-plugin-techdocs
    disabled: false
    pluginConfig:
  - package: '@red-hat-developer-hub/backstage-plugin-x@1.2.3'
    forceDownload: true
  - package: oci://quay.io/rhdh/plugin:1.0!backstage-plugin-y
    pullPolicy: IfNotPresent
    dependencies:
      - ref: sonataflow
  - package: git+https://example.com/not/supported.git
    disabled: true
`);
  expect(list.entries.map(({ reference, pullPolicy }) => [reference.kind, pullPolicy])).toEqual([
    ['file', 'IfNotPresent'],
    ['npm', 'Always'],
    ['oci', 'IfNotPresent'],
  ]);
  expect(list.skipped).toHaveLength(1);
});

test('an explicitly empty list is a list', async () => {
  const list = await loadText('{"plugins":[]}');
  expect(list.entries).toEqual([]);
});

/** One fault each; the position is where an editor has to go. */
const FAULTS: readonly (readonly [what: string, text: string, reason: string, at: string, says: RegExp])[] = [
  ['no plugins key', 'continueOnError: false\n', 'ListInvalid', '1:1', /plugins is missing.*Fix: write plugins: \[\]/],
  ['plugins without a value', 'plugins:\n', 'ListInvalid', '1:9 plugins', /expected a list, found null.*\[\]/],
  ['plugins as a map', 'plugins: {a: 1}\n', 'ListInvalid', '1:10 plugins', /expected a list, found a map/],
  ['an unknown key', 'plugin: []\nplugins: []\n', 'ListInvalid', '1:1', /"plugin" \(did you mean plugins\?\)/],
  [
    'a signature policy, which is not built yet',
    'trust: {}\nplugins: []\n',
    'ListInvalid',
    '1:1',
    /unknown key "trust"/,
  ],
  ['Helm values as the list', 'dynamicPlugins:\n  plugins: []\n', 'ListInvalid', '1:1', /pass it with --values/],
  [
    'an entry that is text',
    'plugins:\n  - npm:a@1.0.0\n',
    'ListInvalid',
    '2:5 plugins[0]',
    /found text.*- package: REFERENCE/,
  ],
  ['an entry that is nothing', 'plugins:\n  -\n', 'ListInvalid', 'plugins[0]', /expected a map/],
  [
    'an entry without package',
    `plugins:\n  - integrity: ${PIN}\n`,
    'ListInvalid',
    '2:5 plugins[0].package',
    /package is missing/,
  ],
  [
    'an empty package',
    `plugins:\n  - package: ""\n    integrity: ${PIN}\n`,
    'ListInvalid',
    '2:14 plugins[0].package',
    /empty/,
  ],
  [
    'a number as package',
    'plugins:\n  - package: 1.10\n',
    'ListInvalid',
    '2:14 plugins[0].package',
    /expected text, found 1\.1/,
  ],
  [
    'an unknown key of an entry',
    'plugins:\n  - package: ./a\n    pluginconfig: {}\n',
    'ListInvalid',
    '3:5 plugins[0]',
    /pluginConfig/,
  ],
  [
    'text as a switch',
    'plugins:\n  - package: ./a\n    enabled: "true"\n',
    'ListInvalid',
    '3:14 plugins[0].enabled',
    /true or false/,
  ],
  [
    'yes as a switch',
    'continueOnError: yes\nplugins: []\n',
    'ListInvalid',
    '1:18 continueOnError',
    /true or false, found "yes"/,
  ],
  [
    'enabled and disabled',
    'plugins:\n  - package: ./a\n    enabled: true\n    disabled: false\n',
    'ListInvalid',
    '4:5 plugins[0]',
    /both set/,
  ],
  [
    'an unknown pull policy',
    'plugins:\n  - package: ./a\n    pullPolicy: always\n',
    'ListInvalid',
    '3:17 plugins[0].pullPolicy',
    /write Always/,
  ],
  [
    'contradicting pull policies',
    'plugins:\n  - package: ./a\n    pullPolicy: IfNotPresent\n    forceDownload: true\n',
    'ListInvalid',
    '4:5 plugins[0]',
    /contradicts/,
  ],
  [
    'an unknown format',
    'plugins:\n  - package: ./a\n    format: wordpress\n',
    'ListInvalid',
    '3:13 plugins[0].format',
    /backstage/,
  ],
  [
    'a list as config',
    'plugins:\n  - package: ./a\n    pluginConfig: []\n',
    'ListInvalid',
    '3:19 plugins[0].pluginConfig',
    /expected a map, found a list/,
  ],
  [
    'no pin',
    'plugins:\n  - package: npm:a@1.0.0\n',
    'IntegrityMissing',
    '2:5 plugins[0]',
    /"npm:a@1\.0\.0" has no integrity/,
  ],
  [
    'a tag for a pin',
    'plugins:\n  - package: oci://ghcr.io/a/b:1\n',
    'IntegrityMissing',
    '2:5 plugins[0]',
    /append @sha256:/,
  ],
  [
    'an empty pin',
    'plugins:\n  - package: npm:a@1.0.0\n    integrity: ""\n',
    'IntegrityMalformed',
    '3:16 plugins[0].integrity',
    /empty/,
  ],
  [
    'a sha1 pin',
    `plugins:\n  - package: npm:a@1.0.0\n    integrity: sha1-${'A'.repeat(27)}=\n`,
    'IntegrityMalformed',
    '3:16 plugins[0].integrity',
    /sha1/,
  ],
  [
    'a truncated pin',
    `plugins:\n  - package: npm:a@1.0.0\n    integrity: ${PIN.slice(0, -3)}\n`,
    'IntegrityMalformed',
    '3:16 plugins[0].integrity',
    /88/,
  ],
  [
    'a pin that is no text',
    'plugins:\n  - package: npm:a@1.0.0\n    integrity: 5\n',
    'ListInvalid',
    '3:16 plugins[0].integrity',
    /expected text/,
  ],
  [
    'a reference that does not parse',
    `plugins:\n  - package: oci://ghcr.io/Acme/a:1\n    integrity: ${PIN}\n`,
    'ReferenceInvalid',
    '2:14 plugins[0].package',
    /lower case/,
  ],
  [
    'a git reference',
    `plugins:\n  - package: github:a/b\n    integrity: ${PIN}\n`,
    'ReferenceInvalid',
    '2:14 plugins[0].package',
    /git/,
  ],
  [
    'an unresolved {{inherit}}',
    `plugins:\n  - package: oci://ghcr.io/a/b:{{inherit}}\n    integrity: ${PIN}\n`,
    'ReferenceInvalid',
    '2:14 plugins[0].package',
    /./,
  ],
  [
    'the same plugin twice',
    `plugins:\n  - {package: npm:a@1.0.0, integrity: ${PIN}}\n  - {package: a@2.0.0, integrity: ${PIN}}\n`,
    'DuplicateEntry',
    '3:5 plugins[1]',
    /plugins\[0\] \(PORTAL_PLUGINS_LIST:2:5\)/,
  ],
  [
    'a pattern that admits everything',
    'allowedSources: ["*"]\nplugins: []\n',
    'ListInvalid',
    '1:18 allowedSources[0]',
    /leave allowedSources empty/,
  ],
  [
    'a pattern without scheme',
    'allowedSources: [ghcr.io/acme]\nplugins: []\n',
    'ListInvalid',
    '1:18 allowedSources[0]',
    /write oci:\/\/ghcr\.io\/acme/,
  ],
  [
    'a reserved app-config key',
    'plugins:\n  - package: ./a\n    pluginConfig: {dynamicPlugins: {rootDirectory: /x}}\n',
    'PluginConfigConflict',
    '3:37 plugins[0].pluginConfig',
    /rootDirectory/,
  ],
  ['includes as text', 'includes: a.yaml\nplugins: []\n', 'ListInvalid', '1:11 includes', /expected a list/],
];

test.each(FAULTS)('%s is reported with its place and what to write', async (_, text, reason, at, says) => {
  const error = await failureOf(text);
  expect(error.reason).toBe(reason);
  expect(error.exit).toBe(78);
  const problems = await problemsOf(text);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(at);
  expect(problems[0]).toMatch(/^PORTAL_PLUGINS_LIST:\d+:\d+/);
  expect(problems[0]).toMatch(says);
  expect(problems[0]).toContain('. Fix: ');
});

test('faults of all kinds are reported in one run, in the order of the text', async () => {
  const text = `requireIntegrty: false
allowedSources: ["*"]
plugins:
  - package: npm:a@1.0.0
    bogus: 1
  - package: npm:b@1.0.0
    integrity: nonsense
    pluginConfig: {app: {a: 1}}
  - package: ./c
    pluginConfig: {app: {a: 2}}
`;
  const problems = await problemsOf(text);
  expect(problems.map((line) => /^PORTAL_PLUGINS_LIST:(\d+):/.exec(line)?.[1])).toEqual([
    '1',
    '2',
    '4',
    '5',
    '7',
    '10',
  ]);
  expect(await failureOf(text)).toMatchObject({
    reason: 'ListInvalid',
    details: { count: 6, fix: 'write requireIntegrity' },
  });
});

test('faults of one reason keep it', async () => {
  const error = await failureOf('plugins:\n  - package: npm:a@1.0.0\n  - package: npm:b@1.0.0\n');
  expect(error.reason).toBe('IntegrityMissing');
  expect(error.details).toMatchObject({ count: 2, path: 'plugins[0]' });
});

test('hundreds of faults are counted, not all printed', async () => {
  const problems = await problemsOf(`plugins:\n${'  - package: npm:a@1.0.0\n    x: 1\n'.repeat(500)}`);
  expect(problems).toHaveLength(101);
  expect(problems.at(-1)).toMatch(/^… and \d+ more$/);
});

test.each([
  'https://user:hunter2@host/x.tgz',
  'https://user:hun/ter2@host/x.tgz',
  'https://user:hun#ter2@host/x.tgz',
  'https:/user:hunter2@host/x.tgz',
  'npm:x@https://user:hun/ter2@host/x.tgz',
])('the password in the reference %s is refused and appears nowhere', async (reference) => {
  const error = await failureOf(`plugins:\n  - package: "${reference}"\n    integrity: ${PIN}\n`);
  expect(error.reason).toBe('ReferenceInvalid');
  expect(JSON.stringify([error.message, error.details])).not.toContain('ter2');
  const { skipped } = await loadText(`plugins:\n  - package: "${reference}"\n    enabled: false\n`);
  expect(skipped[0]?.package).not.toContain('ter2');
});

test.each(['https://host:8443/@acme/x.tgz', 'https://[::1]:8443/@acme/x.tgz', 'npm:@acme/x@1.0.0'])(
  'the reference %s, which holds an @ but no password, is shown as written',
  async (reference) => {
    const { skipped } = await loadText(`plugins:\n  - package: "${reference}"\n    enabled: false\n`);
    expect(skipped[0]?.package).toBe(reference);
  },
);

test('a password in a pattern or in the address of a proxy appears in no problem', async () => {
  const cwd = directoryOf({
    'v.yaml':
      'dynamicPlugins:\n  allowedSources: ["https://user:hunter2@host/x", "https://host/x?sig=hunter2"]\n  proxy: {http: "http://user:hunter2@proxy:3128"}\n  plugins: []\n',
  });
  const problems = await problemsOf({ values: [join(cwd, 'v.yaml')] });
  expect(problems).toHaveLength(3);
  expect(problems.join()).not.toContain('hunter2');
});

test('the values of conflicting config are not printed, they may be secret', async () => {
  const error = await failureOf(
    'plugins:\n  - {package: ./a, pluginConfig: {x: {key: hunter2}}}\n  - {package: ./b, pluginConfig: {x: {key: hunter3}}}\n',
  );
  expect(error.reason).toBe('PluginConfigConflict');
  expect(JSON.stringify([error.message, error.details])).not.toContain('hunter');
});

test('a source that is not allowed is the failure of its entry alone, with the pattern to add', async () => {
  const list = await loadText(`
allowedSources: ["oci://ghcr.io/acme"]
plugins:
  - {package: "oci://ghcr.io/acme/a:1", integrity: ${PIN}}
  - {package: "oci://ghcr.io/acme-evil/b:1", integrity: ${PIN}}
  - {package: "https://host:8443/dist/c-1.tgz", integrity: ${PIN}}
  - {package: "npm:@acme/d@1.0.0", integrity: ${PIN}}
  - {package: ./local}
`);
  expect(list.entries).toHaveLength(5);
  expect(
    list.refused.map(({ entry, error }) => [entry.index, error.reason, error.exit, error.details['pattern']]),
  ).toEqual([
    [1, 'SourceNotAllowed', 65, 'oci://ghcr.io/acme-evil/b'],
    [2, 'SourceNotAllowed', 65, 'https://host:8443/dist'],
    [3, 'SourceNotAllowed', 65, 'npm:@acme/d'],
  ]);
});

test('the pattern that a refusal prints admits the entry', async () => {
  const packages = [
    'oci://ghcr.io/a/b:1',
    'oci://localhost:5000/x:1',
    'https://host:8443/dist/c-1.tgz',
    'https://host/c.tgz',
    'npm:@acme/d@1.0.0',
    'npm:e@1.0.0',
  ];
  for (const text of packages) {
    const wire = (pattern: unknown): string =>
      JSON.stringify({ allowedSources: [pattern], plugins: [{ package: text, integrity: PIN }] });
    const pattern = (await loadText(wire('oci://nowhere.example'))).refused[0]?.error.details['pattern'];
    expect((await loadText(wire(pattern))).refused, text).toEqual([]);
  }
});

test('the same plugin enabled and disabled is understood, with a warning', async () => {
  const list = await loadText(
    `plugins:\n  - {package: npm:a@1.0.0, disabled: true}\n  - {package: npm:a@2.0.0, integrity: ${PIN}}\n`,
  );
  expect(list.entries.map(({ index }) => index)).toEqual([1]);
  expect(list.warnings).toEqual([expect.stringContaining('the same plugin as plugins[0]')]);
});

test('an implied tag is warned about at its place', async () => {
  const list = await loadText(`plugins:\n  - package: oci://ghcr.io/a/b\n    integrity: ${PIN}\n`);
  expect(list.warnings).toEqual([expect.stringMatching(/^PORTAL_PLUGINS_LIST:2:14 plugins\[0\]\.package: .*latest/)]);
});

test('the set depends on what is written, not on key order, format or white space', async () => {
  const yaml = await loadText(`plugins:\n  - package: ./a\n    pluginConfig: {b: 1, a: 2}\n`);
  const json = await loadText(
    '{"requireIntegrity":true,"continueOnError":false,"allowedSources":[],"plugins":[{"pluginConfig":{"a":2,"b":1},"package":"./a"}]}',
  );
  expect(yaml.set).toMatch(/^sha256:[0-9a-f]{12}$/);
  expect(json.set).toBe(yaml.set);
  expect((await loadText('{"plugins":[{"package":"./b"}]}')).set).not.toBe(yaml.set);
  expect(
    (await loadText('{"continueOnError":true,"plugins":[{"package":"./a","pluginConfig":{"a":2,"b":1}}]}')).set,
  ).not.toBe(yaml.set);
});

test('the list is found where Butler Portal and RHDH put it, the file that is named winning', async () => {
  const directory = directoryOf({
    'dynamic-plugins.yaml': 'plugins: []\n',
    'other.yaml': 'plugins:\n  - package: ./a\n',
  });
  const { findList } = await import('../../../installer/config/discover.ts');
  const none = { config: undefined, values: [], inline: undefined };
  expect(await findList(none, directory)).toMatchObject({ source: { file: join(directory, 'dynamic-plugins.yaml') } });
  expect(
    await findList(none, directory, [
      join(directory, 'absent'),
      join(directory, 'other.yaml'),
      './dynamic-plugins.yaml',
    ]),
  ).toMatchObject({
    source: { file: join(directory, 'other.yaml') },
  });
  expect((await load({ config: join(directory, 'other.yaml'), cwd: directory })).entries).toHaveLength(1);
});

test('a place that exists decides, even when it cannot be read', async () => {
  const directory = directoryOf({ 'dynamic-plugins.yaml': 'plugins: []\n' });
  const { findList } = await import('../../../installer/config/discover.ts');
  const found = findList({ config: undefined, values: [], inline: undefined }, directory, [
    directory,
    './dynamic-plugins.yaml',
  ]);
  await expect(found).rejects.toMatchObject({ reason: 'ListInvalid' });
});

test('no list anywhere is an error that names all places; a named one that is missing, an error that names it', async () => {
  const error = await failureOf({ values: [], cwd: '/nonexistent' });
  expect(error.reason).toBe('ListNotFound');
  expect(error.details['places']).toEqual([
    '/etc/portal-plugins/dynamic-plugins.yaml',
    '/etc/butler-portal/dynamic-plugins.yaml',
    '/nonexistent/dynamic-plugins.yaml',
  ]);
  expect(await failureOf({ config: '/nonexistent/list.yaml' })).toMatchObject({
    reason: 'ListNotFound',
    details: { file: '/nonexistent/list.yaml' },
  });
  expect((await failureOf({ values: ['/nonexistent/values.yaml'] })).reason).toBe('ListNotFound');
});

test('every list in docs/configuration.md is accepted', async () => {
  const text = await readFile(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example]) => example ?? '');
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples) expect((await loadText(example)).entries.length).toBeGreaterThan(0);
});
