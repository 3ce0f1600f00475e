/** One suite over the registry of this process and over verdaccio, so that the former cannot drift from the latter. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failureOf } from '../support/http.ts';
import { basicAuthorization, logIn, publish } from '../support/npm-publish.ts';
import { startNpmRegistry } from '../support/npm-registry.ts';
import { backendPlugin, type TestPlugin } from '../support/plugins.ts';
import { sourceContext, type SourceContext } from '../support/source-context.ts';
import { startVerdaccio } from '../support/verdaccio.ts';

const users = { alice: 'correct horse: battery' };
const authorization = basicAuthorization('alice', users.alice);

interface Peer {
  readonly url: string;
  readonly host: string;
  readonly close: () => Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly start: () => Promise<Peer>;
}

const kinds: readonly Kind[] = [
  { name: 'the registry of this process', start: () => startFake({}) },
  { name: 'the registry of this process below a path', start: () => startFake({ base: '/npm/group/' }) },
  { name: 'the registry of this process without abbreviated packuments', start: () => startFake({ onlyFull: true }) },
  { name: 'verdaccio', start: () => startVerdaccio({ users }) },
];

function startFake(options: Parameters<typeof startNpmRegistry>[0]): Promise<Peer> {
  return startNpmRegistry({ ...options, auth: { users }, isPrivate: (name) => name.startsWith('@private/') });
}

const version = (version: string, more: Record<string, unknown> = {}): TestPlugin =>
  backendPlugin({ version, packageJson: more });

const published = {
  v100: version('1.0.0'),
  v142: version('1.4.2'),
  v150: version('1.5.0', { deprecated: 'use 1.4.2' }),
  v160: version('1.6.0', { engines: { node: '>=99' } }),
  v200: version('2.0.0-rc.1'),
  plain: backendPlugin({ name: 'plain-plugin', version: '3.0.0' }),
  hidden: backendPlugin({ name: '@private/secret-plugin', version: '0.1.0' }),
};

describe.each(kinds)('$name', ({ start }) => {
  let peer: Peer;
  beforeAll(async () => {
    peer = await start();
    // The last publication decides `latest`, where no other tag is named.
    for (const [plugin, tag] of [
      [published.v100, 'latest'],
      [published.v150, 'latest'],
      [published.v160, 'latest'],
      [published.v200, 'next'],
      [published.v142, 'latest'],
      [published.plain, 'latest'],
      [published.hidden, 'latest'],
    ] as const) {
      await publish(peer.url, plugin, { authorization, tag });
    }
  });
  afterAll(() => peer.close());

  const context = (extra = '', more: Parameters<typeof sourceContext>[0] = {}): Promise<SourceContext> =>
    sourceContext({ ...more, npmrc: `registry=${peer.url}\n${extra}` });

  test.each([
    ['an exact version', 'npm:@acme/plugin-todo-backend@1.4.2', published.v142],
    ['a bare spec', '@acme/plugin-todo-backend@1.0.0', published.v100],
    ['a version written as v1.0.0', '@acme/plugin-todo-backend@v1.0.0', published.v100],
    ['a dist-tag', 'npm:@acme/plugin-todo-backend@next', published.v200],
    ['nothing after the name as latest', 'npm:@acme/plugin-todo-backend', published.v142],
    ['a range as latest where latest satisfies it', 'npm:@acme/plugin-todo-backend@^1.0.0', published.v142],
    [
      'a range without latest as the best that is not deprecated',
      '@acme/plugin-todo-backend@<1.4 || 1.5.x',
      published.v100,
    ],
    ['an alias as its target', 'todo@npm:@acme/plugin-todo-backend@1.0.0', published.v100],
    ['a package without a scope', 'plain-plugin', published.plain],
  ])('installs %s', async (_what, text, plugin) => {
    await using source = await context();
    const verified = await source.verify(text, plugin.integrity);
    expect(verified.pinned.identity).toEqual({ name: plugin.name, version: plugin.version });
    expect(verified.evidence).toEqual([{ kind: 'integrity', value: plugin.integrity }]);
    const path = verified.archives[0]?.path ?? '';
    expect(await readFile(path)).toEqual(plugin.tarball);
  });

  test('takes the record of the registry for a pin where the list may pin nothing', async () => {
    await using source = await context('', { options: { requireIntegrity: false } });
    const verified = await source.verify('npm:plain-plugin@3.0.0');
    expect(verified.evidence).toEqual([{ kind: 'registry-record', value: published.plain.integrity }]);
  });

  test('passes over a version whose engines exclude the Node of the portal', async () => {
    await using source = await context('', { options: { portalNodeVersion: '24.0.0' } });
    const { pinned } = await source.resolve('@acme/plugin-todo-backend@>1.4.2 <2', published.v150.integrity);
    expect(pinned.identity?.version).toBe('1.5.0');
    expect(pinned.warnings.join()).toContain('use 1.4.2');
  });

  test.each([
    ['user and password', () => `:username=alice\nPREFIX:_password=${Buffer.from(users.alice).toString('base64')}`],
    ['_auth', () => `:_auth=${authorization.slice('Basic '.length)}`],
  ])('reads a private package with %s', async (_what, lines) => {
    const prefix = peer.url.replace('http:', '');
    await using source = await context(`${prefix}${lines().replace('PREFIX', prefix)}`);
    const verified = await source.verify('npm:@private/secret-plugin@0.1.0', published.hidden.integrity);
    expect(verified.archives[0]?.bytes).toBe(published.hidden.tarball.length);
  });

  test('reads a private package with a token that comes from a variable', async () => {
    const token = await logIn(peer.url, 'alice', users.alice);
    const prefix = peer.url.replace('http:', '');
    await using source = await context(`${prefix}:_authToken=\${NPM_TOKEN}`, { variables: { NPM_TOKEN: token } });
    await source.verify('npm:@private/secret-plugin', published.hidden.integrity);
    expect(source.credentials.secrets).toContain(token);
  });

  test('says which credential a private package would need', async () => {
    await using source = await context();
    const error = await failureOf(source.resolve('npm:@private/secret-plugin@0.1.0', published.hidden.integrity));
    expect(error.reason).toBe('AuthRefused');
    expect(error.details).toMatchObject({ status: 401, name: '@private/secret-plugin' });
    expect(error.fix).toContain(`//${peer.host}/:_authToken`);
  });

  test('says which credential was refused, by file and key', async () => {
    const prefix = peer.url.replace('http:', '');
    await using source = await context(`${prefix}:_auth=${Buffer.from('alice:wrong').toString('base64')}`);
    const error = await failureOf(source.resolve('npm:@private/secret-plugin@0.1.0', published.hidden.integrity));
    expect(error.reason).toBe('AuthRefused');
    expect(error.details['credential']).toBe(`${source.ctx.scratch}/.npmrc: ${prefix}:_auth`);
    expect(`${error.message} ${JSON.stringify(error.details)}`).not.toContain('wrong');
  });

  test('lists the nearest versions and the dist-tags for a version that is not there', async () => {
    await using source = await context();
    const error = await failureOf(source.resolve('npm:@acme/plugin-todo-backend@1.4.3', published.v142.integrity));
    expect(error.reason).toBe('VersionNotFound');
    expect(error.details['versions']).toEqual(['2.0.0-rc.1', '1.6.0', '1.5.0', '1.4.2', '1.0.0']);
    expect(error.details['distTags']).toEqual(expect.arrayContaining(['latest: 1.4.2', 'next: 2.0.0-rc.1']));
  });

  test.each([
    ['dist-tag', 'npm:@acme/plugin-todo-backend@beta', 'VersionNotFound'],
    ['range', 'npm:@acme/plugin-todo-backend@^9', 'VersionNotFound'],
    ['package', 'npm:@acme/no-such-plugin@1.0.0', 'PackageNotFound'],
  ])('says that a %s does not exist', async (_what, text, reason) => {
    await using source = await context();
    expect((await failureOf(source.resolve(text, published.v142.integrity))).reason).toBe(reason);
  });

  test('refuses the right package with a stale pin and says that the pin is stale', async () => {
    await using source = await context();
    const error = await failureOf(source.verify('npm:@acme/plugin-todo-backend@1.4.2', published.v100.integrity));
    expect(error.reason).toBe('IntegrityMismatch');
    expect(error.details).toMatchObject({
      expected: published.v100.integrity,
      computed: published.v142.integrity,
      bytes: published.v142.tarball.length,
      evidence: 'record-is-computed',
      fix: 'check the release, then set plugins[0].integrity to the computed value',
    });
  });
});

test('asks for the packument of a package once, however many entries name it', async () => {
  const peer = await startNpmRegistry();
  try {
    await publish(peer.url, published.v100);
    await publish(peer.url, published.v142);
    await using source = await sourceContext({ npmrc: `registry=${peer.url}` });
    const before = peer.requests.length;
    await Promise.all([
      source.fetch('npm:@acme/plugin-todo-backend@1.0.0', published.v100.integrity),
      source.fetch('npm:@acme/plugin-todo-backend@1.4.2', published.v142.integrity),
    ]);
    await source.resolve('npm:@acme/plugin-todo-backend@latest', published.v142.integrity);
    expect(
      peer.requests
        .slice(before)
        .map(({ path }) => path)
        .sort(),
    ).toEqual([
      '/@acme%2fplugin-todo-backend',
      '/@acme/plugin-todo-backend/-/plugin-todo-backend-1.0.0.tgz',
      '/@acme/plugin-todo-backend/-/plugin-todo-backend-1.4.2.tgz',
    ]);
  } finally {
    await peer.close();
  }
});

test('gives a scope its own registry', async () => {
  const [own, other] = await Promise.all([startNpmRegistry(), startNpmRegistry()]);
  try {
    await publish(own.url, published.v142);
    await publish(other.url, published.plain);
    const npmrc = `registry=${other.url}\n@acme:registry=${own.url}`;
    await using source = await sourceContext({ npmrc });
    await source.verify('npm:@acme/plugin-todo-backend@1.4.2', published.v142.integrity);
    await source.verify('npm:plain-plugin', published.plain.integrity);
    expect(other.requests.filter(({ path }) => path.includes('acme'))).toEqual([]);
    expect(source.entry('npm:@acme/plugin-todo-backend@1.4.2').reference.origin).toEqual({
      scheme: 'npm',
      name: '@acme/plugin-todo-backend',
      registry: own.url,
    });
  } finally {
    await Promise.all([own.close(), other.close()]);
  }
});
