/** A credential leaves only to the host it matched, or to that host's token service; never to another repository, host or redirect target. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CredentialProvider } from '../../installer/core/context.ts';
import { createDockerCredentials } from '../../installer/net/docker-config.ts';
import { failureOf } from '../support/http.ts';
import { startServer, type RecordedRequest } from '../support/http-server.ts';
import { basicCredential, credentialsOf, fetchOci, ociContext, resolveOci } from '../support/oci-context.ts';
import { pushArtifact } from '../support/oci-push.ts';
import { startOciRegistry } from '../support/oci-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { startTokenServer } from '../support/token-server.ts';

const { tarball } = backendPlugin();
const users = { alice: 's3cret', bob: 'other' };
const credential = { username: 'alice', password: 's3cret' };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'credential-scope-'));
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

/** Credentials of a docker config with these keys, all of them alice's. */
async function configured(...keys: string[]): Promise<CredentialProvider> {
  const auth = Buffer.from('alice:s3cret').toString('base64');
  const path = join(directory, 'config.json');
  await writeFile(path, JSON.stringify({ auths: Object.fromEntries(keys.map((key) => [key, { auth }])) }));
  const docker = createDockerCredentials({
    registryAuthFiles: [{ path, isRequired: true }],
    npmrc: undefined,
    npmrcVariables: {},
    credentialHelperDir: undefined,
  });
  return { ...credentialsOf([]), oci: async (registry, repository) => docker.oci(registry, repository) };
}

const authorizations = (requests: readonly RecordedRequest[]): readonly (string | undefined)[] => [
  ...new Set(requests.map(({ headers }) => headers.authorization)),
];

test.each(['basic', 'token'] as const)(
  'storage behind a redirect gets no credential of a registry with %s',
  async (kind) => {
    await using tokens = await startTokenServer({ users });
    await using storage = await startServer({ answer: () => ({ status: 200, body: tarball }) });
    await using registry = await startOciRegistry({ auth: kind === 'basic' ? { kind, users } : { kind, tokens } });
    const pushed = await pushArtifact(
      { origin: registry.origin, repository: 'acme/todo', tag: '1', credential },
      tarball,
    );
    registry.interceptWith(({ path, headers }) =>
      path.includes('/blobs/') && headers.authorization !== undefined
        ? { fault: 'answer', status: 307, headers: { location: `${storage.origin}/blob` } }
        : undefined,
    );
    await using ctx = ociContext({
      hosts: [registry.host, tokens.host, storage.host],
      redirectHosts: [storage.host],
      credentials: [basicCredential('alice', 's3cret')],
    });
    expect((await fetchOci(pushed.reference, ctx)).parts[0]?.equals(tarball)).toBe(true);
    expect(storage.requests).toHaveLength(1);
    expect(authorizations(storage.requests)).toEqual([undefined]);
    expect(storage.requests[0]?.headers.cookie).toBeUndefined();
  },
);

test('storage that asks for credentials with the registry’s own challenge gets none', async () => {
  await using storage = await startServer({
    answer: () => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } }),
  });
  await using registry = await startOciRegistry({ auth: { kind: 'basic', users } });
  const pushed = await pushArtifact(
    { origin: registry.origin, repository: 'acme/todo', tag: '1', credential },
    tarball,
  );
  registry.interceptWith(({ path, headers }) =>
    path.includes('/blobs/') && headers.authorization !== undefined
      ? { fault: 'answer', status: 307, headers: { location: `${storage.origin}/blob` } }
      : undefined,
  );
  await using ctx = ociContext({
    hosts: [registry.host, storage.host],
    redirectHosts: [storage.host],
    credentials: [basicCredential('alice', 's3cret')],
  });
  expect((await failureOf(fetchOci(pushed.reference, ctx))).reason).toBe('AuthRefused');
  expect(authorizations(storage.requests)).toEqual([undefined]);
});

test('the registry with a token service never sees the password, only the token', async () => {
  await using tokens = await startTokenServer({ users });
  await using registry = await startOciRegistry({ auth: { kind: 'token', tokens } });
  const pushed = await pushArtifact(
    { origin: registry.origin, repository: 'acme/todo', tag: '1', credential },
    tarball,
  );
  const before = registry.requests.length;
  await using ctx = ociContext({
    hosts: [registry.host, tokens.host],
    credentials: [basicCredential('alice', 's3cret')],
  });
  await fetchOci(pushed.reference, ctx);
  const sent = authorizations(registry.requests.slice(before));
  expect(sent).toEqual([undefined, expect.stringMatching(/^Bearer /)]);
});

test('a key with a path opens its repositories and nothing else on the host', async () => {
  await using registry = await startOciRegistry({ auth: { kind: 'basic', users } });
  for (const repository of ['acme/todo', 'acme-evil/todo', 'other/todo']) {
    await pushArtifact({ origin: registry.origin, repository, tag: '1', credential }, tarball);
  }
  const before = registry.requests.length;
  await using ctx = ociContext({ hosts: [registry.host], credentials: await configured(`${registry.host}/acme`) });
  await expect(resolveOci(`oci://${registry.host}/acme/todo:1`, ctx)).resolves.toMatchObject({ layout: 'package' });
  for (const repository of ['acme-evil/todo', 'other/todo']) {
    const failure = await failureOf(resolveOci(`oci://${registry.host}/${repository}:1`, ctx));
    expect(failure).toMatchObject({ reason: 'AuthRefused' });
    expect(failure.message).toContain('no credential matched');
  }
  const leaked = registry.requests
    .slice(before)
    .filter(({ path, headers }) => !path.startsWith('/v2/acme/') && headers.authorization !== undefined);
  expect(leaked).toEqual([]);
});

test('a key for one port of a host says nothing about another', async () => {
  await using one = await startOciRegistry({ auth: { kind: 'basic', users } });
  await using two = await startOciRegistry({ auth: { kind: 'basic', users } });
  await using ctx = ociContext({ hosts: [one.host, two.host], credentials: await configured(one.host) });
  await pushArtifact({ origin: two.origin, repository: 'acme/todo', tag: '1', credential }, tarball);
  const before = two.requests.length;
  expect((await failureOf(resolveOci(`oci://${two.host}/acme/todo:1`, ctx))).reason).toBe('AuthRefused');
  expect(authorizations(two.requests.slice(before))).toEqual([undefined]);
});

test('two repositories on one host have their own candidates and tokens', async () => {
  await using tokens = await startTokenServer({ users });
  await using registry = await startOciRegistry({ auth: { kind: 'token', tokens } });
  for (const repository of ['acme/todo', 'bobs/todo']) {
    await pushArtifact({ origin: registry.origin, repository, tag: '1', credential }, tarball);
  }
  const before = tokens.requests.length;
  const credentials: CredentialProvider = {
    ...credentialsOf([]),
    oci: async (_registry, repository) =>
      Promise.resolve([
        repository.startsWith('bobs/') ? basicCredential('bob', 'other', 'b') : basicCredential('alice', 's3cret', 'a'),
      ]),
  };
  await using ctx = ociContext({ hosts: [registry.host, tokens.host], credentials });
  for (const repository of ['acme/todo', 'bobs/todo']) await fetchOci(`oci://${registry.host}/${repository}:1`, ctx);
  const asked = tokens.requests.slice(before).map(({ query }) => [query.get('account'), query.get('scope')]);
  expect(asked).toEqual([
    ['alice', 'repository:acme/todo:pull'],
    ['bob', 'repository:bobs/todo:pull'],
  ]);
});

test('a failure names no password, token or header, in message and details and down its causes', async () => {
  await using tokens = await startTokenServer({ users });
  await using registry = await startOciRegistry({ auth: { kind: 'token', tokens } });
  const echo = Buffer.from('alice:s3cret').toString('base64');
  tokens.interceptWith(() => ({ fault: 'answer', status: 401, body: `denied for authorization: Basic ${echo}` }));
  await using ctx = ociContext({
    hosts: [registry.host, tokens.host],
    credentials: [basicCredential('alice', 's3cret')],
  });
  let error: unknown = await failureOf(resolveOci(`oci://${registry.host}/acme/todo:1`, ctx));
  expect((error as Error).message).toContain('denied for authorization');
  while (error instanceof Error) {
    const text = JSON.stringify([error.message, Object.entries(error)]);
    expect(text).not.toContain('s3cret');
    expect(text).not.toContain(echo);
    error = error.cause;
  }
});
