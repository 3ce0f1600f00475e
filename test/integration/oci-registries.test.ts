/** One suite over the registry of this process and over the reference registry, so that the former cannot drift from the latter. */
import { randomBytes } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OciCredential } from '../../installer/core/context.ts';
import { failureOf } from '../support/http.ts';
import { startDockerRegistry, whyNoDockerRegistry } from '../support/docker-registry.ts';
import { basicCredential, ociContext, readPart, resolveOci, type OciContext } from '../support/oci-context.ts';
import { attestationEntry, pushArtifact, pushImage, pushIndex, type PushTarget } from '../support/oci-push.ts';
import { startOciRegistry } from '../support/oci-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { npmTarball, plainTar } from '../support/tarball.ts';
import { startTokenServer } from '../support/token-server.ts';

const users = { alice: 'correct horse: battery' };
const [username, password] = ['alice', users.alice];

interface Peer {
  readonly origin: string;
  readonly host: string;
  /** Hosts besides its own that it needs: its token service. */
  readonly more: readonly string[];
  readonly close: () => Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly isProtected: boolean;
  readonly skip: string | undefined;
  readonly start: () => Promise<Peer>;
}

async function startFakeWithTokens(): Promise<Peer> {
  const tokens = await startTokenServer({ users });
  const registry = await startOciRegistry({ auth: { kind: 'token', tokens } });
  return {
    ...registry,
    more: [tokens.host],
    close: async () => {
      await Promise.all([registry.close(), tokens.close()]);
    },
  };
}

async function startReference(auth: 'none' | 'htpasswd' | 'token'): Promise<Peer> {
  const registry = await startDockerRegistry({ auth, users });
  return { ...registry, more: registry.tokens === undefined ? [] : [registry.tokens.host] };
}

const kinds: readonly Kind[] = [
  {
    name: 'registry of this process, anonymous',
    isProtected: false,
    skip: undefined,
    start: async () => ({ ...(await startOciRegistry()), more: [] }),
  },
  {
    name: 'registry of this process, Basic',
    isProtected: true,
    skip: undefined,
    start: async () => ({ ...(await startOciRegistry({ auth: { kind: 'basic', users } })), more: [] }),
  },
  { name: 'registry of this process, tokens', isProtected: true, skip: undefined, start: startFakeWithTokens },
  {
    name: 'reference registry, anonymous',
    isProtected: false,
    skip: await whyNoDockerRegistry('none'),
    start: async () => startReference('none'),
  },
  {
    name: 'reference registry, htpasswd',
    isProtected: true,
    skip: await whyNoDockerRegistry('htpasswd'),
    start: async () => startReference('htpasswd'),
  },
  {
    name: 'reference registry, tokens',
    isProtected: true,
    skip: await whyNoDockerRegistry('token'),
    start: async () => startReference('token'),
  },
];

for (const { name, skip } of kinds) if (skip !== undefined) console.warn(`skipped: ${name}: ${skip}`);

describe.each(kinds)('$name', ({ isProtected, skip, start }) => {
  let peer: Peer;
  let ctx: OciContext;
  let repositories = 0;

  const contextWith = (credentials: readonly OciCredential[]): OciContext =>
    ociContext({ hosts: [peer.host, ...peer.more], credentials });
  const target = (tag?: string): PushTarget => {
    repositories += 1;
    return {
      origin: peer.origin,
      repository: `acme/plugin-${repositories}`,
      ...(tag === undefined ? {} : { tag }),
      ...(isProtected ? { credential: { username, password } } : {}),
    };
  };
  const here = test.skipIf(skip !== undefined);

  beforeAll(async () => {
    if (skip !== undefined) return;
    peer = await start();
    ctx = contextWith(isProtected ? [basicCredential(username, password)] : []);
  });
  afterAll(async () => {
    if (skip !== undefined) return;
    try {
      await ctx[Symbol.asyncDispose]();
    } finally {
      await peer.close();
    }
  });

  here('an artifact pushed as oras does is one npm-shaped archive with the bytes that were pushed', async () => {
    const { tarball } = backendPlugin();
    const pushed = await pushArtifact(target('1.4.2'), tarball);
    const pinned = await resolveOci(pushed.reference, ctx);
    expect(pinned).toMatchObject({ layout: 'package', within: undefined, manifestDigest: pushed.digest });
    expect(pinned.key).toBe(pushed.pinned);
    expect(pinned.parts.map(({ claims }) => claims)).toEqual([
      { digest: pushed.layers[0]?.digest, bytes: tarball.length },
    ]);
    expect((await readPart(pinned.parts[0], ctx)).equals(tarball)).toBe(true);
  });

  here('a reference by digest resolves to the same manifest as its tag', async () => {
    const pushed = await pushArtifact(target('1'), backendPlugin().tarball);
    const byTag = await resolveOci(pushed.reference, ctx);
    const byDigest = await resolveOci(pushed.pinned, ctx);
    expect(byDigest.manifestDigest).toBe(byTag.manifestDigest);
    expect(byDigest.key).toBe(byTag.key);
  });

  here('a download continues at the byte where it broke off', async () => {
    const tarball = npmTarball({ 'noise.bin': randomBytes(300_000) });
    const pushed = await pushArtifact(target('1'), tarball);
    const { parts } = await resolveOci(pushed.reference, ctx);
    const body = await parts[0]?.open(ctx, { offset: 200_000, validator: undefined });
    expect(body).toMatchObject({ offset: 200_000, total: tarball.length });
    expect((await readPart(parts[0], ctx, 200_000)).equals(tarball.subarray(200_000))).toBe(true);
    for await (const chunk of body?.stream ?? []) expect(chunk.length).toBeGreaterThan(0);
  });

  here('a range beyond the end makes the download start over', async () => {
    const tarball = backendPlugin().tarball;
    const pushed = await pushArtifact(target('1'), tarball);
    const { parts } = await resolveOci(pushed.reference, ctx);
    const failure = await failureOf(readPart(parts[0], ctx, tarball.length + 10));
    expect(failure).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: 'range_refused' } });
  });

  here('an image of several layers keeps their order and compression', async () => {
    const layers = [
      { bytes: plainTar({ 'todo/package.json': '{}' }, ''), mediaType: 'application/vnd.oci.image.layer.v1.tar' },
      {
        bytes: npmTarball({ 'todo/index.js': '' }, { top: '' }),
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      },
      {
        bytes: zstdCompressSync(plainTar({ 'todo/.wh.index.js': '' }, '')),
        mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
      },
    ];
    const plugins = { todo: { name: '@acme/todo', version: '1.4.2' } };
    const pushed = await pushImage(target('1'), { layers, plugins });
    const pinned = await resolveOci(pushed.reference, ctx);
    expect(pinned).toMatchObject({ layout: 'image', within: 'todo' });
    const received = await Promise.all(pinned.parts.map(async (part) => readPart(part, ctx)));
    expect(received.map((bytes, at) => bytes.equals(Buffer.from(layers[at]?.bytes ?? [])))).toEqual([true, true, true]);
  });

  here.each([false, true])(
    'an index of buildx leads past its attestation to the image (Docker types: %s)',
    async (isDocker) => {
      const place = target();
      const layer = {
        bytes: npmTarball({ 'todo/package.json': '{}' }, { top: '' }),
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      };
      const image = await pushImage(place, { layers: [layer], isDocker });
      const provenance = await pushImage(place, {
        layers: [{ bytes: Buffer.from('{}'), mediaType: 'application/vnd.in-toto+json' }],
      });
      const entries = [
        attestationEntry(provenance, image),
        { manifest: image, platform: { os: 'linux', architecture: 'amd64' } },
      ];
      const index = await pushIndex({ ...place, tag: 'multi' }, entries, { isDocker });
      const pinned = await resolveOci(index.reference, ctx);
      expect(pinned.manifestDigest).toBe(index.digest);
      expect(pinned.key).toBe(image.pinned);
      expect(pinned.parts.map(({ claims }) => claims.digest)).toEqual(image.layers.map(({ digest }) => digest));
    },
  );

  here('a tag that does not exist is VersionNotFound', async () => {
    const pushed = await pushArtifact(target('1'), backendPlugin().tarball);
    await expect(resolveOci(pushed.reference.replace(/:1$/, ':2'), ctx)).rejects.toMatchObject({
      reason: 'VersionNotFound',
      details: { status: 404 },
    });
  });

  here('a digest that does not exist is VersionNotFound', async () => {
    const pushed = await pushArtifact(target('1'), backendPlugin().tarball);
    const other = pushed.pinned.replace(/[0-9a-f]{64}$/, '0'.repeat(64));
    await expect(resolveOci(other, ctx)).rejects.toMatchObject({ reason: 'VersionNotFound' });
  });

  here('a repository that does not exist is not found', async () => {
    const failure = await failureOf(resolveOci(`oci://${peer.host}/nobody/nothing:1`, ctx));
    expect(['PackageNotFound', 'VersionNotFound']).toContain(failure.reason);
  });

  if (!isProtected) return;

  here('without a credential access is refused, and the failure says so', async () => {
    await using anonymous = contextWith([]);
    const pushed = await pushArtifact(target('1'), backendPlugin().tarball);
    const failure = await failureOf(resolveOci(pushed.reference, anonymous));
    expect(failure).toMatchObject({ reason: 'AuthRefused', details: { status: 401 } });
  });

  here('the second credential is used when the first is refused', async () => {
    await using both = contextWith([
      basicCredential('alice', 'wrong', 'old.json:host'),
      basicCredential(username, password),
    ]);
    const { tarball } = backendPlugin();
    const pushed = await pushArtifact(target('1'), tarball);
    const { parts } = await resolveOci(pushed.reference, both);
    expect((await readPart(parts[0], both)).equals(tarball)).toBe(true);
  });

  here('a refused credential is named with its file and key, and never its secret', async () => {
    await using wrong = contextWith([basicCredential('alice', 'wr0ng-pass', 'a.json:host')]);
    const pushed = await pushArtifact(target('1'), backendPlugin().tarball);
    const failure = await failureOf(resolveOci(pushed.reference, wrong));
    expect(failure.reason).toBe('AuthRefused');
    expect(failure.details['tried']).toEqual([expect.stringContaining('a.json:host: 401')]);
    expect(JSON.stringify([failure.message, failure.details])).not.toContain('wr0ng-pass');
  });
});
