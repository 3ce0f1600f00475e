/** From a registry to a running portal: the real program stages, a real Backstage backend loads what was staged. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { buildExamplePlugin, type ExamplePlugin } from '../../examples/plugins/build.ts';
import { startBackstage } from '../support/backstage-host.ts';
import { pushArtifact } from '../support/oci-push.ts';
import { startOciRegistry, type OciRegistry } from '../support/oci-registry.ts';
import { type ProgramResult, runProgram } from '../support/program.ts';
import { npmTarball } from '../support/tarball.ts';

let registry: OciRegistry;
let root: string;

beforeAll(async () => {
  registry = await startOciRegistry();
});
afterAll(async () => registry.close());
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'portal-'));
});
afterEach(async () => rm(root, { recursive: true, force: true }));

interface ListEntry {
  readonly package: string;
  readonly integrity: string;
  readonly pluginConfig?: Readonly<Record<string, unknown>>;
}

async function pushed(plugin: ExamplePlugin): Promise<ListEntry> {
  const target = { origin: registry.origin, repository: `acme/${plugin}`, tag: '1.0.0' };
  const { reference, integrity } = await pushArtifact(target, npmTarball(await buildExamplePlugin(plugin)));
  return { package: reference, integrity };
}

async function install(plugins: readonly ListEntry[]): Promise<ProgramResult> {
  const list = { allowedSources: [`oci://${new URL(registry.origin).host}/acme`], plugins };
  const env = { PORTAL_PLUGINS_INSECURE_HOSTS: new URL(registry.origin).host };
  return runProgram({ root, list, env });
}

async function greeting(): Promise<unknown> {
  await using host = await startBackstage({ root, appConfig: join(root, 'app-config.dynamic-plugins.yaml') });
  const [ping, remotes] = await Promise.all([
    fetch(`${host.baseUrl}/api/hello/ping`),
    fetch(`${host.baseUrl}/.backstage/dynamic-features/remotes`),
  ]);
  expect(host.log()).not.toContain('"level":"error"');
  return { ping: await ping.json(), remotes: await remotes.json() };
}

const RUNNING = {
  ping: { plugin: '@example/plugin-hello-backend', greeting: 'from the list' },
  remotes: [{ packageName: '@example/plugin-hello', exposedModules: ['.'] }],
};

test('the portal serves what was staged, configured by the list, and still does after a run that failed', async () => {
  const backend = { ...(await pushed('hello-backend')), pluginConfig: { hello: { greeting: 'from the list' } } };
  const frontend = await pushed('hello-frontend');
  expect(await install([backend, frontend])).toMatchObject({
    exitCode: 0,
    termination: expect.stringMatching(/^ok: 2 plugins/) as string,
  });
  expect(await greeting()).toMatchObject(RUNNING);

  const before = await readdir(root);
  const stale = { ...frontend, integrity: `sha512-${'A'.repeat(86)}==` };
  const failed = await install([{ ...backend, pluginConfig: { hello: { greeting: 'never' } } }, stale]);
  expect(failed).toMatchObject({ exitCode: 65, reason: 'integrity_mismatch' });
  expect(failed.termination).toContain(`computed: ${frontend.integrity}`);
  expect(await readdir(root)).toEqual(before);
  expect(await greeting()).toMatchObject(RUNNING);
});
