/** The life of a volume, by the whole program: first install, warm start, change, rollback, tolerated and refused failures, signals. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { pushArtifact, pushImage } from '../support/oci-push.ts';
import { type OciRegistry, startOciRegistry } from '../support/oci-registry.ts';
import { backendPlugin, frontendPlugin } from '../support/plugins.ts';
import { runProgram, type ProgramOptions, type ProgramResult } from '../support/program.ts';
import { npmTarball, sriOf } from '../support/tarball.ts';
import { topLevel, volumeState } from '../support/volume-state.ts';

const WRONG = sriOf(Buffer.from('something else'));

let registry: OciRegistry;
let root: string;

beforeAll(async () => {
  registry = await startOciRegistry();
});
afterAll(async () => registry.close());
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lifecycle-'));
});
afterEach(async () => {
  registry.interceptWith(undefined);
  await rm(root, { recursive: true });
});

interface ListedPlugin {
  readonly package: string;
  readonly integrity: string;
  readonly [key: string]: unknown;
}

/** Pushes a plugin and returns its list entry. */
async function published(
  name: string,
  version = '1.0.0',
  kind: 'backend' | 'frontend' = 'backend',
): Promise<ListedPlugin> {
  const plugin = (kind === 'backend' ? backendPlugin : frontendPlugin)({ name: `@acme/${name}`, version });
  const pushed = await pushArtifact(
    { origin: registry.origin, repository: `acme/${name}`, tag: version },
    plugin.tarball,
  );
  return { package: pushed.reference, integrity: plugin.integrity };
}

async function install(plugins: readonly ListedPlugin[], more: Partial<ProgramOptions> = {}): Promise<ProgramResult> {
  const env = { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host, ...more.env };
  return runProgram({ root, list: { plugins }, ...more, env });
}

function events(result: ProgramResult): string[] {
  return result.lines.flatMap(({ event }) =>
    event === undefined || event === 'startup_permissive_mode' ? [] : [event],
  );
}

test('a first install stages every plugin, the app-config and the ledger, and nothing else', async () => {
  const result = await install([
    { ...(await published('one')), pluginConfig: { one: { key: '${SECRET}' } } },
    await published('two', '2.1.0', 'frontend'),
  ]);
  expect(result.exitCode).toBe(0);
  expect(topLevel(root)).toEqual(['acme-one', 'acme-two', 'app-config.dynamic-plugins.yaml', 'portal-plugins.json']);
  expect(await readFile(join(root, 'app-config.dynamic-plugins.yaml'), 'utf8')).toContain('${SECRET}');
  expect(events(result)).toEqual([
    'startup',
    'plugin_started',
    'plugin_started',
    'plugin_installed',
    'plugin_installed',
    'completed',
  ]);
  expect(result.termination).toMatch(/^ok: 2 plugins \(0 cached, 2 fetched/);
});

test('a warm start needs no registry and changes nothing', async () => {
  const plugins = [await published('one'), await published('two')];
  await install(plugins);
  const before = volumeState(root);
  const asked = registry.requests.length;
  const result = await install(plugins, { env: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host } });
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  expect(events(result).filter((event) => event === 'plugin_cached')).toHaveLength(2);
  expect(registry.requests).toHaveLength(asked);
  expect(volumeState(root)).toEqual(before);
});

test('a change fetches what changed only, removes what is no longer listed, and a rollback brings the old set back', async () => {
  const [one, two, three] = [await published('one'), await published('two'), await published('three')];
  await install([one, two]);
  const before = volumeState(root, ['portal-plugins.json']);
  const newer = await published('two', '2.0.0');
  const changed = await install([newer, three]);
  expect(changed.exitCode).toBe(0);
  expect(topLevel(root)).toEqual(['acme-three', 'acme-two', 'app-config.dynamic-plugins.yaml', 'portal-plugins.json']);
  expect(changed.lines.find(({ event }) => event === 'plugin_removed')).toMatchObject({ dest: 'acme-one' });
  expect(JSON.parse(await readFile(join(root, 'acme-two/package.json'), 'utf8'))).toMatchObject({ version: '2.0.0' });
  const asked = registry.requests.length;
  await install([newer, three, await published('four')]);
  const fetched = registry.requests.slice(asked).filter(({ method }) => method === 'GET');
  expect(fetched.map(({ path }) => path.split('/')[3])).toEqual(['four', 'four']);
  await install([one, two]);
  expect(volumeState(root, ['portal-plugins.json'])).toEqual(before);
});

test('an empty list removes every plugin', async () => {
  await install([await published('one')]);
  const result = await install([]);
  expect(result.exitCode).toBe(0);
  expect(topLevel(root)).toEqual(['app-config.dynamic-plugins.yaml', 'portal-plugins.json']);
});

test('another portal setting validates what is on the volume again, without network where that suffices', async () => {
  const [backend, frontend] = [await published('one'), await published('two', '1.0.0', 'frontend')];
  await install([backend]);
  const asked = registry.requests.length;
  const env = { PORTAL_PLUGINS_BACKSTAGE_FRONTEND: 'scalprum' };
  expect(events(await install([backend], { env }))).toContain('plugin_cached');
  expect(registry.requests).toHaveLength(asked);
  await install([backend, frontend]);
  const before = volumeState(root);
  const refused = await install([backend, frontend], { env });
  expect(refused).toMatchObject({ exitCode: 65, reason: 'remote_manifest_missing' });
  expect(volumeState(root)).toEqual(before);
});

test('a damaged plugin is fetched again', async () => {
  const plugins = [await published('one')];
  await install(plugins);
  const before = volumeState(root, ['portal-plugins.json']);
  await writeFile(join(root, 'acme-one/dist/index.cjs.js'), '');
  const result = await install(plugins);
  expect(events(result)).toContain('plugin_installed');
  expect(volumeState(root, ['portal-plugins.json'])).toEqual(before);
});

test('all failures of a run are reported, and the previous set stays byte for byte', async () => {
  const good = await published('one');
  await install([good]);
  const before = volumeState(root);
  const missing = { package: `oci://${registry.host}/acme/nothing:1`, integrity: WRONG };
  const result = await install([
    good,
    { ...(await published('two')), integrity: WRONG },
    missing,
    await published('three'),
  ]);
  expect(result.exitCode).toBe(65);
  const rejected = result.lines.filter(({ event }) => event === 'plugin_rejected');
  expect(rejected.map(({ index, reason, code }) => [index, reason, code])).toEqual(
    expect.arrayContaining([
      [1, 'integrity_mismatch', undefined],
      [2, 'oci_pull_failed', expect.stringMatching(/_not_found$/)],
    ]),
  );
  expect(result.lines.at(-1)).toMatchObject({ event: 'completed', exitCode: 65, rejected: 2 });
  expect(result.termination).toContain(`expected: ${WRONG}`);
  expect(volumeState(root)).toEqual(before);
});

test('a tolerated failure is left out and its older version leaves the volume', async () => {
  const one = await published('one');
  await install([one, await published('two')]);
  const result = await install([
    one,
    { ...(await published('two', '2.0.0')), integrity: WRONG, continueOnError: true },
  ]);
  expect(result.exitCode).toBe(0);
  expect(topLevel(root)).toEqual(['acme-one', 'app-config.dynamic-plugins.yaml', 'portal-plugins.json']);
  expect(result.lines.find(({ event }) => event === 'plugin_rejected')).toMatchObject({ reason: 'integrity_mismatch' });
});

test('a source that is not allowed is refused before any request', async () => {
  const asked = registry.requests.length;
  const list = {
    allowedSources: ['oci://ghcr.io/acme'],
    plugins: [{ package: `oci://${registry.host}/acme/one:1`, integrity: WRONG }],
  };
  const result = await install([], { list });
  expect(result).toMatchObject({ exitCode: 65, reason: 'source_not_allowed' });
  expect(registry.requests).toHaveLength(asked);
});

test('two plugins with one directory are refused with both positions', async () => {
  const plugin = backendPlugin({ name: '@acme/same' });
  const push = async (repository: string): Promise<ListedPlugin> => {
    const { reference } = await pushArtifact({ origin: registry.origin, repository, tag: '1' }, plugin.tarball);
    return { package: reference, integrity: plugin.integrity };
  };
  const result = await install([await push('a/same'), await push('b/same')]);
  expect(result.exitCode).toBe(78);
  expect(result.termination).toContain('plugins[0]');
  expect(result.termination).toContain('plugins[1]');
  const rejected = result.lines.filter(({ event }) => event === 'plugin_rejected');
  expect(rejected.map(({ index, reason }) => [index, reason])).toEqual([[1, 'directory_conflict']]);
  expect(topLevel(root)).toEqual([]);
});

test('conflicting pluginConfig is found before the first request', async () => {
  const asked = registry.requests.length;
  const entry = (name: string, value: number): object => ({
    package: `oci://${registry.host}/a/${name}:1`,
    integrity: WRONG,
    pluginConfig: { key: value },
  });
  const result = await install([], { list: { plugins: [entry('one', 1), entry('two', 2)] } });
  expect(result).toMatchObject({ exitCode: 78, reason: 'plugin_config_conflict' });
  expect(registry.requests).toHaveLength(asked);
});

test('an image that several entries share is fetched once', async () => {
  const files = {
    ...prefixed('todo', backendPlugin({ name: 'todo' }).files),
    ...prefixed('chat', backendPlugin({ name: 'chat' }).files),
  };
  const layer = { bytes: npmTarball(files, { top: '' }), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' };
  const pushed = await pushImage({ origin: registry.origin, repository: 'rhdh/set', tag: '1' }, { layers: [layer] });
  const asked = registry.requests.length;
  const list = { plugins: [{ package: `${pushed.pinned}!todo` }, { package: `${pushed.pinned}!chat` }] };
  const result = await install([], { list });
  expect(result.exitCode).toBe(0);
  expect(topLevel(root)).toEqual(['app-config.dynamic-plugins.yaml', 'chat', 'portal-plugins.json', 'todo']);
  const paths = registry.requests.slice(asked).map(({ path }) => path);
  expect(paths.filter((path) => path.includes('/manifests/'))).toHaveLength(1);
  expect(paths.filter((path) => path.includes('/blobs/'))).toHaveLength(1);
});

function prefixed(directory: string, files: Readonly<Record<string, unknown>>): Record<string, never> {
  return Object.fromEntries(Object.entries(files).map(([path, content]) => [`${directory}/${path}`, content as never]));
}

test('verify does everything but staging', async () => {
  const good = await published('one');
  const verified = await runProgram({
    root,
    command: 'verify',
    list: { plugins: [good] },
    env: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host },
  });
  expect(verified.exitCode).toBe(0);
  expect(topLevel(root)).toEqual([]);
  const list = { plugins: [{ ...good, integrity: WRONG }] };
  const refused = await runProgram({
    root,
    command: 'verify',
    list,
    env: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host },
  });
  expect(refused).toMatchObject({ exitCode: 65, reason: 'integrity_mismatch' });
});

test('a CA bundle that cannot be used is told before any request', async () => {
  const asked = registry.requests.length;
  const env = { PORTAL_PLUGINS_CA_FILE: join(root, 'missing.pem') };
  expect(await install([], { env })).toMatchObject({ exitCode: 64 });
  expect(registry.requests.slice(asked).filter(({ method }) => method === 'GET')).toEqual([]);
});

test.each([
  ['SIGTERM', 143, 'terminated'],
  ['SIGINT', 130, 'interrupted'],
] as const)('%s during a download ends with %i and the previous set', async (signal, exitCode, reason) => {
  await install([await published('one')]);
  const before = volumeState(root);
  const plugins = [await published('two')];
  registry.interceptWith(({ path }) => (path.includes('/blobs/') ? { fault: 'stall', after: 100 } : undefined));
  let isStopped = false;

  const result = await install(plugins, {
    onLine: (line, child) => {
      if (line.event === 'plugin_started' && !isStopped) {
        isStopped = true;
        setTimeout(() => child.kill(signal), 300);
      }
    },
  });
  expect(result).toMatchObject({ exitCode, reason });
  expect(result.lines.at(-1)).toMatchObject({ event: 'completed', exitCode });
  expect(volumeState(root)).toEqual(before);
});

test('the deadline of the run ends a stalled download with 75', async () => {
  const plugins = [await published('one')];
  registry.interceptWith(({ path }) => (path.includes('/blobs/') ? { fault: 'stall', after: 10 } : undefined));
  const result = await install(plugins, {
    env: { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host, PORTAL_PLUGINS_RUN_DEADLINE: '700ms' },
  });
  expect(result).toMatchObject({ exitCode: 75, reason: 'deadline_exceeded' });
  expect(topLevel(root)).toEqual([]);
});

test('what another installer left is moved out and reported', async () => {
  await mkdir(join(root, 'foreign-plugin/dist'), { recursive: true });
  await writeFile(join(root, 'foreign-plugin/package.json'), '{}');
  const result = await install([await published('one')]);
  expect(result.exitCode).toBe(0);
  expect(result.lines.find(({ event }) => event === 'plugin_removed')).toMatchObject({ dest: 'foreign-plugin' });
  expect(topLevel(root)).toEqual(['acme-one', 'app-config.dynamic-plugins.yaml', 'portal-plugins.json']);
});
