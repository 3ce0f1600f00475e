import { expect, test } from 'vitest';
import { environmentOf } from '../../../installer/config/env.ts';
import { hostMatcher } from '../../../installer/config/insecure-hosts.ts';
import { formatSize, formatTime, parseSize, parseTime } from '../../../installer/config/setting-kinds.ts';
import type { CommandName } from '../../../installer/config/setting-kinds.ts';
import { settingsHelp } from '../../../installer/config/settings-help.ts';
import { parseFlags } from '../../../installer/config/settings-parse.ts';
import { SETTINGS, settingRows } from '../../../installer/config/settings-table.ts';
import { resolveSettings } from '../../../installer/config/settings.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';
import type { Settings } from '../../../installer/core/settings.ts';

interface Given {
  readonly command?: CommandName;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly isTerminal?: boolean;
}

function settings({ command = 'install', args = [], env = {}, isTerminal = false }: Given = {}): Settings {
  const flags = parseFlags(command, args);
  return resolveSettings({ flags, env: environmentOf(env), cwd: '/work', isTerminal, version: '1.2.3' });
}

function failure(given: Given): InstallError {
  try {
    settings(given);
  } catch (thrown) {
    if (thrown instanceof InstallError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was refused');
}

test('without flags and variables every limit has its documented default', () => {
  const { limits, root, terminationLog, list, options, stage } = settings();
  expect(limits).toEqual(DEFAULT_LIMITS);
  expect({ root, terminationLog }).toEqual({ root: '/dynamic-plugins-root', terminationLog: '/dev/termination-log' });
  expect(list).toEqual({ config: undefined, values: [], inline: undefined });
  expect(options).toEqual({
    backstageFrontend: 'any',
    backstageVersion: undefined,
    portalNodeVersion: undefined,
    anonymousFallback: false,
    authRealms: [],
  });
  expect(stage).toEqual({ verifyOnStart: 'fast', fsync: 'auto', podUid: undefined });
});

test('a flag beats our variable, which beats the variable of the ecosystem', () => {
  const env = { PORTAL_PLUGINS_NPMRC: '/own', NPM_CONFIG_USERCONFIG: '/npm' };
  expect(settings({ args: ['--npmrc', '/flag'], env }).credentials.npmrc).toBe('/flag');
  expect(settings({ env }).credentials.npmrc).toBe('/own');
  expect(settings({ env: { NPM_CONFIG_USERCONFIG: '/npm' } }).credentials.npmrc).toBe('/npm');
});

test('an empty variable counts as not set', () => {
  expect(settings({ env: { PORTAL_PLUGINS_ROOT: '', PORTAL_PLUGINS_MAX_FILES: '' } }).root).toBe(
    '/dynamic-plugins-root',
  );
});

test('the lower-case proxy variable wins over the upper-case one, as in curl', () => {
  const { network } = settings({
    env: {
      http_proxy: 'http://a:1',
      HTTP_PROXY: 'http://b:2',
      HTTPS_PROXY: 'proxy:3128',
      NO_PROXY: '.local,10.0.0.0/8',
    },
  });
  expect(network.httpProxy).toBe('http://a:1/');
  expect(network.httpsProxy).toBe('http://proxy:3128/');
  expect(network.noProxy).toBe('.local,10.0.0.0/8');
});

test.each([
  ['an argument', { args: ['volume'] }, '/work/volume'],
  ['a flag', { args: ['--root=/r'] }, '/r'],
  ['a variable', { env: { PORTAL_PLUGINS_ROOT: 'v' } }, '/work/v'],
  ['an argument and an equal flag', { args: ['/r', '--root', '/r'] }, '/r'],
])('the root comes from %s and is absolute', (_, given, root) => {
  expect(settings(given).root).toBe(root);
});

test.each([
  ['the --config flag', { args: ['--config', 'c.yaml'] }, { config: '/work/c.yaml', values: [], inline: undefined }],
  [
    '--values flags over PORTAL_PLUGINS_CONFIG',
    { args: ['--values', 'a.yaml', '--values', '/b.yaml'], env: { PORTAL_PLUGINS_CONFIG: '/c' } },
    { config: undefined, values: ['/work/a.yaml', '/b.yaml'], inline: undefined },
  ],
  [
    'PORTAL_PLUGINS_CONFIG over PORTAL_PLUGINS_LIST',
    { env: { PORTAL_PLUGINS_CONFIG: '/c', PORTAL_PLUGINS_LIST: '{}' } },
    { config: '/c', values: [], inline: undefined },
  ],
  ['PORTAL_PLUGINS_LIST', { env: { PORTAL_PLUGINS_LIST: '{}' } }, { config: undefined, values: [], inline: '{}' }],
  // A missing annotation arrives as an empty variable: it must stay visible, or another list would be installed.
  ['an empty PORTAL_PLUGINS_LIST', { env: { PORTAL_PLUGINS_LIST: '' } }, { config: undefined, values: [], inline: '' }],
])('the list comes from %s', (_, given, list) => {
  expect(settings(given).list).toEqual(list);
});

test('registry credentials are read in the documented order, and only what was named must exist', () => {
  const env = {
    PORTAL_PLUGINS_REGISTRY_AUTH_FILES: '/a:/b',
    DOCKER_CONFIG: '/docker',
    REGISTRY_AUTH_FILE: '/podman.json',
  };
  expect(settings({ env }).credentials.registryAuthFiles).toEqual([
    { path: '/a', isRequired: true },
    { path: '/b', isRequired: true },
    { path: '/docker/config.json', isRequired: false },
    { path: '/podman.json', isRequired: true },
  ]);
});

test('.npmrc sees the listed variables only', () => {
  const env = { PORTAL_PLUGINS_NPMRC_VARIABLES: 'NPM_TOKEN, ABSENT', NPM_TOKEN: 't', SECRET: 's' };
  expect(settings({ env }).credentials.npmrcVariables).toEqual({ NPM_TOKEN: 't' });
});

test.each([
  [false, {}, { format: 'logfmt', level: 'info', color: false }],
  [true, {}, { format: 'pretty', level: 'info', color: true }],
  [true, { NO_COLOR: '1' }, { format: 'pretty', level: 'info', color: false }],
  [true, { TERM: 'dumb' }, { format: 'pretty', level: 'info', color: false }],
  [
    true,
    { PORTAL_PLUGINS_LOG_FORMAT: 'json', PORTAL_PLUGINS_LOG_LEVEL: 'debug' },
    { format: 'json', level: 'debug', color: true },
  ],
])('on a terminal (%s) with %o the log is %o', (isTerminal, env, log) => {
  expect(settings({ isTerminal, env }).log).toEqual(log);
});

test.each([
  ['install', ['--confg', 'x'], /did you mean --config/],
  ['install', ['-x'], /unknown flag "-x"/],
  ['install', ['--config'], /--config needs a value/],
  ['install', ['--config', '--values'], /--config needs a value/],
  ['install', ['--auth-anonymous-fallback=yes'], /takes no value/],
  ['install', ['--no-root'], /unknown flag/],
  ['install', ['a', 'b'], /found "b"/],
  ['install', ['/a', '--root', '/b'], /given twice/],
  ['install', ['--config', 'a', '--values', 'b'], /both name the plugin list/],
  ['verify', ['a'], /takes no argument/],
  ['explain', ['--root', '/x'], /--root is a flag of install only/],
  ['verify', ['--root=/x'], /--root is a flag of install only/],
  ['install', ['--max-blob-bytes', '12MB'], /--max-blob-bytes.*256Mi.*"12MB"/],
  ['install', ['--max-blob-bytes', '0'], /--max-blob-bytes/],
  ['install', ['--plugin-deadline', '30'], /with its unit.*"30"/],
  ['install', ['--plugin-deadline', '48h'], /from 10ms to 24h/],
  ['install', ['--concurrency', '0'], /from 1 to 64/],
  ['install', ['--concurrency', '1.5'], /from 1 to 64/],
  ['install', ['--fsync', 'yes'], /auto, on, off/],
  ['install', ['--insecure-hosts', 'http://x'], /without scheme/],
  ['install', ['--backstage-version', 'latest'], /1\.42\.0/],
  ['install', ['--config='], /a path/],
] as const)('%s %j is refused, naming what is wrong', (command, args, message) => {
  const error = failure({ command, args });
  expect(error.reason).toBe('UsageInvalid');
  expect(error.message).toMatch(message);
});

test('a variable that is not valid is named with its value', () => {
  const error = failure({ env: { PORTAL_PLUGINS_MAX_FILES: 'many' } });
  expect(error.reason).toBe('UsageInvalid');
  expect(error.message).toContain('PORTAL_PLUGINS_MAX_FILES');
  expect(error.message).toContain('"many"');
});

test('the password of a proxy URL that does not parse is not repeated', () => {
  const error = failure({ env: { HTTPS_PROXY: 'ftp://user:hunter2@proxy' } });
  expect(error.message).toContain('HTTPS_PROXY');
  expect(JSON.stringify([error.message, error.details])).not.toContain('hunter2');
});

test('switched-off certificate checks stop the start', () => {
  expect(failure({ env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } }).reason).toBe('UsageInvalid');
  expect(settings({ env: { NODE_TLS_REJECT_UNAUTHORIZED: '1' } }).root).toBe('/dynamic-plugins-root');
});

test('a setting of another command is not read, so it cannot fail this one', () => {
  const env = { PORTAL_PLUGINS_MAX_FILES: 'many' };
  expect(settings({ command: 'explain', env }).limits.files).toBe(DEFAULT_LIMITS.files);
});

test('an unknown variable with our prefix is warned about with the nearest known one', () => {
  const { warnings } = settings({ env: { PORTAL_PLUGINS_MAXFILES: '1', PORTAL_PLUGINS_XYZZY: '1' } });
  expect(warnings).toEqual([
    expect.stringContaining('did you mean PORTAL_PLUGINS_MAX_FILES?'),
    expect.stringContaining('"PORTAL_PLUGINS_XYZZY" is not known'),
  ]);
});

test('variables that Kubernetes injects for a Service called portal-plugins are not warned about', () => {
  const names = [
    'SERVICE_HOST',
    'SERVICE_PORT',
    'SERVICE_PORT_HTTP',
    'PORT',
    'PORT_80_TCP',
    'PORT_80_TCP_PROTO',
    'PORT_80_TCP_ADDR',
    'API_SERVICE_HOST',
  ];
  const env = Object.fromEntries(names.map((name) => [`PORTAL_PLUGINS_${name}`, 'x']));
  expect(settings({ env }).warnings).toEqual([]);
});

test('a value looked up in the environment never comes from Object.prototype', () => {
  expect(environmentOf({})['constructor']).toBeUndefined();
});

test.each([
  ['1', 1],
  ['4096', 4096],
  ['1Ki', 1024],
  ['256Mi', 268_435_456],
  ['2Gi', 2_147_483_648],
  ['1k', 1000],
  ['1MB', undefined],
  ['1.5Gi', undefined],
  ['-1', undefined],
  ['1 Mi', undefined],
  ['', undefined],
])('the size %j is %s bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['10m', 600_000],
  ['1h', 3_600_000],
  ['30', undefined],
  ['1d', undefined],
  ['s', undefined],
])('the time %j is %s milliseconds', (text, ms) => {
  expect(parseTime(text)).toBe(ms);
});

test('sizes and times are printed so that they parse to themselves', () => {
  for (const bytes of [1, 1000, 1024, 256 * 2 ** 20, 2 ** 30]) expect(parseSize(formatSize(bytes))).toBe(bytes);
  for (const ms of [10, 500, 1500, 30_000, 600_000, 3_600_000]) expect(parseTime(formatTime(ms))).toBe(ms);
});

test('no flag and no variable belongs to two settings, and every setting has one of them', () => {
  const names = settingRows().flatMap(({ flag, variable, ecosystem = [] }) =>
    [flag, variable, ...ecosystem].filter((name) => name !== undefined),
  );
  expect(new Set(names).size).toBe(names.length);
  for (const { flag, variable, ecosystem = [] } of settingRows())
    expect([flag, variable, ...ecosystem].some((name) => name !== undefined)).toBe(true);
});

test('every limit with a setting is set by its row', () => {
  for (const name of Object.keys(DEFAULT_LIMITS)) {
    const row = Object.entries(SETTINGS).find(([key]) => key === name)?.[1];
    if (row === undefined) continue;
    const [text, value] = row.takes === 'TIME' ? ['77s', 77_000] : ['17', 17];
    const { limits } = settings({ command: 'install', env: { [row.variable ?? '']: text } });
    expect(limits, name).toEqual({ ...DEFAULT_LIMITS, [name]: value });
  }
});

test('the help of a command names its settings, no others, and stays within 100 columns of text', () => {
  const help = settingsHelp('verify');
  expect(help).toContain('--max-files NUMBER, PORTAL_PLUGINS_MAX_FILES [default: 100000]');
  expect(help).not.toContain('--root');
  for (const line of help.split('\n')) if (line.startsWith('      ')) expect(line.length).toBeLessThanOrEqual(100);
});

test.each([
  [['registry.local'], 'registry.local', true],
  [['registry.local'], 'REGISTRY.local:5000', true],
  [['registry.local:5000'], 'registry.local:5000', true],
  [['registry.local:5000'], 'registry.local', false],
  [['registry.local:5000'], 'registry.local:5001', false],
  [['registry.local'], 'x.registry.local', false],
  [['registry.local'], 'registry.local.evil', false],
  [[], 'localhost', false],
])('with %j listed, %s is insecure: %s', (listed, host, expected) => {
  expect(hostMatcher(listed)(host)).toBe(expected);
});
