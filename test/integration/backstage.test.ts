/** What docs/plugins.md says about the portal, asked of a real Backstage backend with volumes made by hand. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildExamplePlugin, EXAMPLE_PLUGINS, writePlugin } from '../../examples/plugins/build.ts';
import { BackstageStartError, startBackstage } from '../support/backstage-host.ts';
import { backendPlugin } from '../support/plugins.ts';

const ENTRY = 'dist/index.cjs.js';

let directory: string;
let root: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backstage-'));
  root = join(directory, 'root');
  await mkdir(root);
});

afterEach(async () => rm(directory, { recursive: true, force: true }));

async function stageExamples(): Promise<void> {
  for (const plugin of EXAMPLE_PLUGINS) await writePlugin(await buildExamplePlugin(plugin), join(root, plugin));
}

async function stage(folder: string, packageJson: Readonly<Record<string, unknown>>): Promise<void> {
  const plugin = backendPlugin();
  const files = { 'package.json': JSON.stringify({ ...plugin.packageJson, ...packageJson }), [ENTRY]: entrySource() };
  await writePlugin(files, join(root, folder));
}

function entrySource(): string {
  const source = backendPlugin().files[ENTRY];
  if (typeof source !== 'string') throw new Error(`the test plugin has no ${ENTRY}`);
  return source;
}

async function startupLog(): Promise<string> {
  const error = await startBackstage({ root }).then(
    async (host) => host.stop(),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(BackstageStartError);
  return (error as BackstageStartError).log;
}

test('a staged backend plugin answers on its route', async () => {
  await stageExamples();
  await using host = await startBackstage({ root });
  const response = await fetch(`${host.baseUrl}/api/hello/ping`);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ plugin: '@example/plugin-hello-backend', version: '1.0.0' });
});

test('a staged frontend plugin is listed, and its manifest and every file it names can be downloaded', async () => {
  await stageExamples();
  await using host = await startBackstage({ root });
  const remotes: unknown = await (await fetch(`${host.baseUrl}/.backstage/dynamic-features/remotes`)).json();
  const base = `${host.baseUrl}/.backstage/dynamic-features/remotes/@example/plugin-hello`;
  expect(remotes).toEqual([
    {
      packageName: '@example/plugin-hello',
      remoteInfo: { name: 'example_plugin_hello', entry: `${base}/mf-manifest.json` },
      exposedModules: ['.'],
    },
  ]);
  const manifest = (await (await fetch(`${base}/mf-manifest.json`)).json()) as {
    exposes: { assets: { js: { sync: string[] } } }[];
  };
  const chunks = manifest.exposes.flatMap(({ assets }) => assets.js.sync);
  expect(chunks.length).toBeGreaterThan(0);
  for (const file of ['remoteEntry.js', ...chunks]) {
    const response = await fetch(`${base}/${file}`);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      expect.stringContaining('javascript'),
    ]);
    await response.body?.cancel();
  }
});

test('app-config beside the plugins reaches them as a further --config', async () => {
  await stageExamples();
  const appConfig = join(root, 'app-config.dynamic-plugins.yaml');
  await writeFile(
    appConfig,
    `dynamicPlugins:\n  rootDirectory: ${JSON.stringify(root)}\nhello:\n  greeting: "from app-config"\n`,
  );
  await using host = await startBackstage({ root, appConfig });
  const response = await fetch(`${host.baseUrl}/api/hello/ping`);
  expect(await response.json()).toMatchObject({ greeting: 'from app-config' });
});

test('an empty plugin root is fine: no remotes', async () => {
  await using host = await startBackstage({ root });
  const response = await fetch(`${host.baseUrl}/.backstage/dynamic-features/remotes`);
  expect(await response.json()).toEqual([]);
});

test('plain files and lost+found beside the plugins are skipped', async () => {
  await stageExamples();
  await writeFile(join(root, 'portal-plugins.json'), '{}');
  await mkdir(join(root, 'lost+found'));
  await using host = await startBackstage({ root });
  expect((await fetch(`${host.baseUrl}/api/hello/ping`)).status).toBe(200);
  expect(host.log()).not.toContain('"level":"error"');
});

test('a hidden directory without package.json costs an error at every start', async () => {
  await mkdir(join(root, '.portal-plugins'));
  await using host = await startBackstage({ root });
  expect(host.log()).toMatch(/"level":"error".*failed to load dynamic plugin manifest from '[^']*\/\.portal-plugins'/);
});

test('a hidden directory with a package.json is loaded as a plugin', async () => {
  await stage('.old', { name: 'old-version' });
  await using host = await startBackstage({ root });
  expect(host.log()).toContain("loaded dynamic backend plugin 'old-version'");
});

test('a relative link in the plugin root stops the portal', async () => {
  await stage('todo', {});
  await symlink('todo', join(root, 'link'));
  expect(await startupLog()).toMatch(/ENOENT.*lstat 'todo'/s);
});

test('a plugin root that is a link stops the portal', async () => {
  await symlink(root, join(directory, 'link'));
  root = join(directory, 'link');
  expect(await startupLog()).toContain('Not a directory');
});

test('a missing plugin root stops the portal', async () => {
  root = join(directory, 'absent');
  expect(await startupLog()).toContain('ENOENT');
});

test('an unknown backstage.role stops the portal', async () => {
  await stage('todo', { backstage: { role: 'banana' } });
  expect(await startupLog()).toContain("Unknown package role 'banana'");
});

test('one backend plugin in two directories stops the portal', async () => {
  const files = await buildExamplePlugin('hello-backend');
  await writePlugin(files, join(root, 'one'));
  await writePlugin(files, join(root, 'two'));
  expect(await startupLog()).toContain('already registered');
});

test('a package without role or main is left out, and the portal is ready all the same', async () => {
  await stage('todo', { backstage: {} });
  await stage('other', { main: undefined });
  await using host = await startBackstage({ root });
  expect(host.log()).toContain("field 'backstage.role' not found");
  expect(host.log()).toContain("field 'main' not found");
});

test('an alpha directory without package.json makes the whole plugin disappear', async () => {
  await stage('todo', {});
  await mkdir(join(root, 'todo', 'alpha'));
  await using host = await startBackstage({ root });
  expect(host.log()).toMatch(/failed to load dynamic plugin manifest from .*alpha/);
  expect(host.log()).not.toContain('loaded dynamic backend plugin');
});

test('main may leave the package as far as the loader is concerned', async () => {
  await stage('todo', { main: '../../outside.cjs' });
  await writeFile(join(directory, 'outside.cjs'), entrySource());
  await using host = await startBackstage({ root });
  expect(host.log()).toContain('loaded dynamic backend plugin');
});

test('without NODE_PATH the portal refuses a plugin root outside of itself', async () => {
  const error: unknown = await startBackstage({ root, hasNodePath: false }).then(
    async (host) => host.stop(),
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ log: expect.stringContaining('cannot access backstage modules') as string });
});
