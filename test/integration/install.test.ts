/**
 * The whole install over every kind of registry: those of this process and the real ones run the same scenario, so that they cannot drift.
 * Install, warm start without a request, rejection of a wrong pin, with whatever credentials the registry wants.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve, startFaultServer } from '../support/fault-server.ts';
import { startDockerRegistry, whyNoDockerRegistry } from '../support/docker-registry.ts';
import { basicAuthorization, publish } from '../support/npm-publish.ts';
import { startNpmRegistry } from '../support/npm-registry.ts';
import { pushArtifact } from '../support/oci-push.ts';
import { startOciRegistry } from '../support/oci-registry.ts';
import { backendPlugin, frontendPlugin, type TestPlugin } from '../support/plugins.ts';
import { type ProgramResult, runProgram } from '../support/program.ts';
import { startProxy } from '../support/proxy.ts';
import { sriOf } from '../support/tarball.ts';
import { makeCa, whyNoTls } from '../support/tls.ts';
import { startTokenServer } from '../support/token-server.ts';
import { startVerdaccio } from '../support/verdaccio.ts';
import { topLevel, volumeState } from '../support/volume-state.ts';

const users = { alice: 'correct horse: battery' };
const [username, password] = ['alice', users.alice];

/** A registry that holds the two plugins, and what the program needs to get them. */
interface Peer {
  readonly references: readonly [string, string];
  readonly env: Readonly<Record<string, string>>;
  /** Secrets that no output may hold. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly skip?: string | undefined;
  readonly start: (home: string) => Promise<Peer>;
}

const plugins: readonly [TestPlugin, TestPlugin] = [
  backendPlugin({ name: '@private/todo-backend', version: '1.4.2' }),
  frontendPlugin({ name: '@private/todo', version: '1.4.2' }),
];

interface OciPeer {
  readonly origin: string;
  readonly host: string;
  close(): Promise<void>;
}

/** Pushes with the credential and mounts it as a dockerconfigjson Secret. */
async function ociPeer(
  registry: OciPeer,
  home: string,
  more: { readonly hosts?: readonly string[]; readonly isProtected: boolean },
): Promise<Peer> {
  const credential = more.isProtected ? { credential: { username, password } } : {};
  const push = async (repository: string, plugin: TestPlugin): Promise<string> =>
    (await pushArtifact({ origin: registry.origin, repository, tag: '1.4.2', ...credential }, plugin.tarball))
      .reference;
  const references = [await push('acme/todo-backend', plugins[0]), await push('acme/todo', plugins[1])] as const;
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const file = join(home, '.dockerconfigjson');
  await writeFile(file, JSON.stringify({ auths: more.isProtected ? { [`${registry.host}/acme`]: { auth } } : {} }));
  const env = {
    PORTAL_PLUGINS_INSECURE_HOSTS: [registry.host, ...(more.hosts ?? [])].join(),
    PORTAL_PLUGINS_REGISTRY_AUTH_FILES: file,
    // A token service at a private address must be named.
    PORTAL_PLUGINS_AUTH_REALMS: (more.hosts ?? []).join(),
  };
  return { references, env, secrets: more.isProtected ? [password, auth] : [], close: async () => registry.close() };
}

async function npmPeer(
  registry: { readonly url: string; readonly host: string; close(): Promise<void> },
  home: string,
): Promise<Peer> {
  const authorization = basicAuthorization(username, password);
  for (const plugin of plugins) await publish(registry.url, plugin, { authorization });
  const key = registry.url.replace(/^http:/, '');
  const secret = Buffer.from(password).toString('base64');
  const file = join(home, '.npmrc');
  await writeFile(file, `@private:registry=${registry.url}\n${key}:username=${username}\n${key}:_password=${secret}\n`);
  const references = [`npm:@private/todo-backend@1.4.2`, `npm:@private/todo@^1.0.0`] as const;
  const env = { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host, NPM_CONFIG_USERCONFIG: file };
  return { references, env, secrets: [password, secret], close: async () => registry.close() };
}

const ca = makeCa('install');

/** https with a CA that only the mounted bundle knows, reached through a proxy that wants a password. */
async function behindProxy(home: string): Promise<Peer> {
  const server = await startFaultServer(
    { '/0.tgz': serve(plugins[0].tarball), '/1.tgz': serve(plugins[1].tarball) },
    { tls: ca.server },
  );
  const proxy = await startProxy({ credentials: 'proxy-user:proxy-secret' });
  const caFile = join(home, 'ca.pem');
  await writeFile(caFile, ca.ca);
  const env = {
    PORTAL_PLUGINS_CA_FILE: caFile,
    HTTPS_PROXY: `http://proxy-user:proxy-secret@${new URL(proxy.origin).host}`,
  };
  const close = async (): Promise<void> => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { references: [server.url('/0.tgz').href, server.url('/1.tgz').href], env, secrets: ['proxy-secret'], close };
}

const kinds: readonly Kind[] = [
  { name: 'OCI, in process', start: async (home) => ociPeer(await startOciRegistry(), home, { isProtected: false }) },
  {
    name: 'OCI, in process, tokens',
    start: async (home) => {
      const tokens = await startTokenServer({ users });
      const registry = await startOciRegistry({ auth: { kind: 'token', tokens } });
      const close = async (): Promise<void> => void (await Promise.all([registry.close(), tokens.close()]));
      return ociPeer({ ...registry, close }, home, { hosts: [tokens.host], isProtected: true });
    },
  },
  ...(await Promise.all(
    (['none', 'htpasswd', 'token'] as const).map(async (auth) => ({
      name: `OCI, docker-registry, ${auth}`,
      skip: await whyNoDockerRegistry(auth),
      start: async (home: string): Promise<Peer> => {
        const registry = await startDockerRegistry({ auth, users });
        const hosts = registry.tokens === undefined ? [] : [registry.tokens.host];
        return ociPeer(registry, home, { hosts, isProtected: auth !== 'none' });
      },
    })),
  )),
  {
    name: 'npm, in process',
    start: async (home) => npmPeer(await startNpmRegistry({ auth: { users } }), home),
  },
  { name: 'npm, verdaccio', start: async (home) => npmPeer(await startVerdaccio({ users }), home) },
  { name: 'https, a private CA, through a proxy', skip: whyNoTls(), start: behindProxy },
];

for (const { name, skip } of kinds) if (skip !== undefined) console.warn(`skipped: ${name}: ${skip}`);

describe.each(kinds)('$name', ({ skip, start }) => {
  let peer: Peer;
  let home: string;
  let root: string;
  const here = test.skipIf(skip !== undefined);

  beforeAll(async () => {
    if (skip !== undefined) return;
    home = await mkdtemp(join(tmpdir(), 'install-home-'));
    root = await mkdtemp(join(tmpdir(), 'install-root-'));
    peer = await start(home);
  });
  afterAll(async () => {
    if (skip !== undefined) return;
    await peer.close();
    await rm(home, { recursive: true });
    await rm(root, { recursive: true });
  });

  const install = async (
    integrity: readonly string[],
    command: 'install' | 'verify' = 'install',
  ): Promise<ProgramResult> => {
    const list = { plugins: peer.references.map((reference, i) => ({ package: reference, integrity: integrity[i] })) };
    const result = await runProgram({ root, command, list, env: peer.env, args: ['--log-level', 'debug'] });
    for (const secret of peer.secrets) expect(result.stdout + result.stderr + result.termination).not.toContain(secret);
    return result;
  };
  const good = plugins.map(({ integrity }) => integrity);

  here('verifies, installs, starts warm without the registry, and rejects a wrong pin', async () => {
    expect(await install(good, 'verify')).toMatchObject({ exitCode: 0 });
    expect(topLevel(root)).toEqual([]);
    const cold = await install(good);
    expect(cold).toMatchObject({ exitCode: 0, stderr: '' });
    expect(cold.termination).toMatch(/^ok: 2 plugins \(0 cached, 2 fetched/);
    expect(topLevel(root)).toEqual([
      'app-config.dynamic-plugins.yaml',
      'portal-plugins.json',
      'private-todo',
      'private-todo-backend',
    ]);
    const before = volumeState(root);
    const wrong = sriOf(Buffer.from('something else'));
    const refused = await install([good[0] ?? '', wrong]);
    expect(refused).toMatchObject({ exitCode: 65, reason: 'integrity_mismatch' });
    expect(refused.termination).toContain(`expected: ${wrong}`);
    expect(refused.termination).toContain(`computed: ${good[1]}`);
    expect(volumeState(root)).toEqual(before);
    // With an unusable proxy and no hosts, any request would fail.
    const env = { ...peer.env, HTTPS_PROXY: 'http://127.0.0.1:1', HTTP_PROXY: 'http://127.0.0.1:1' };
    const list = { plugins: peer.references.map((reference, i) => ({ package: reference, integrity: good[i] })) };
    const warm = await runProgram({ root, list, env });
    expect(warm).toMatchObject({ exitCode: 0 });
    expect(warm.termination).toMatch(/^ok: 2 plugins \(2 cached, 0 fetched/);
    expect(volumeState(root)).toEqual(before);
  });
});
