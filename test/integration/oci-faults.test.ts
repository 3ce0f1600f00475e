/** Faults of OCI registries and of the network between, and the reason each of them ends in (docs/testing.md). */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { InstallError } from '../../installer/core/errors.ts';
import type { Reason } from '../../installer/core/reasons.ts';
import { failureOf } from '../support/http.ts';
import {
  startServer,
  type Fault,
  type Intercept,
  type RecordedRequest,
  type TestServer,
} from '../support/http-server.ts';
import { basicCredential, fetchOci, ociContext, type OciContext } from '../support/oci-context.ts';
import { pushArtifact, pushImage, pushIndex, pushManifest, type Pushed, type PushTarget } from '../support/oci-push.ts';
import { startOciRegistry, type OciRegistry } from '../support/oci-registry.ts';
import { npmTarball } from '../support/tarball.ts';
import { startTokenServer } from '../support/token-server.ts';

const tarball = npmTarball({ 'noise.bin': randomBytes(200_000) });
const half = Math.floor(tarball.length / 2);
const limits = { attempts: 3, bodyIdleTimeoutMs: 400 };

let registry: OciRegistry;
let ctx: OciContext;
let target: PushTarget;
let pushed: Pushed;

beforeEach(async () => {
  registry = await startOciRegistry();
  ctx = ociContext({ hosts: [registry.host], limits });
  target = { origin: registry.origin, repository: 'acme/todo', tag: '1' };
  pushed = await pushArtifact(target, tarball);
});
afterEach(async () => {
  await ctx[Symbol.asyncDispose]();
  await registry.close();
});

const fetching = async (): Promise<readonly Buffer[]> => (await fetchOci(pushed.reference, ctx)).parts;
const failing = async (): Promise<InstallError> => failureOf(fetching());

const isManifest = ({ path, method }: RecordedRequest): boolean => method === 'GET' && path.includes('/manifests/');
const isBlob = ({ path, method }: RecordedRequest): boolean => method === 'GET' && path.includes('/blobs/');
const blobRequests = (): readonly RecordedRequest[] => registry.requests.filter(isBlob);

/** The fault for the first `times` requests that match. */
function on(matches: (request: RecordedRequest) => boolean, fault: Fault, times = Infinity): Intercept {
  let left = times;
  return (request) => {
    if (!matches(request) || left === 0) return undefined;
    left -= 1;
    return fault;
  };
}

const answer = (status: number, headers: Readonly<Record<string, string>> = {}, body = ''): Fault => ({
  fault: 'answer',
  status,
  headers,
  body,
});

describe('a status', () => {
  const rows: readonly (readonly [number, Reason, number])[] = [
    [400, 'RegistryUnavailable', 1],
    [401, 'AuthRefused', 1],
    [403, 'AuthRefused', 1],
    [404, 'VersionNotFound', 1],
    [408, 'RegistryUnavailable', 3],
    [410, 'VersionNotFound', 1],
    [425, 'RegistryUnavailable', 3],
    [429, 'RateLimited', 3],
    [500, 'RegistryUnavailable', 3],
    [502, 'RegistryUnavailable', 3],
    [503, 'RegistryUnavailable', 3],
    [504, 'RegistryUnavailable', 3],
  ];

  test.each(rows)('of %i for a manifest is %s after %i requests', async (status, reason, requests) => {
    registry.interceptWith(on(isManifest, answer(status)));
    expect((await failing()).reason).toBe(reason);
    expect(registry.requests.filter(isManifest)).toHaveLength(requests);
  });

  test.each(rows)('of %i for a blob is %s after %i requests', async (status, reason, requests) => {
    registry.interceptWith(on(isBlob, answer(status)));
    expect((await failing()).reason).toBe(reason);
    expect(blobRequests()).toHaveLength(requests);
  });

  test.each([408, 425, 429, 500, 502, 503, 504])('of %i once is ridden out', async (status) => {
    registry.interceptWith(on(isBlob, answer(status), 1));
    expect((await fetching())[0]?.equals(tarball)).toBe(true);
    expect(ctx.events.filter(({ event }) => event === 'plugin_retry')).toHaveLength(1);
  });

  test('of 429 with a Retry-After beyond the deadline is RateLimited at once', async () => {
    await using short = Object.assign(ociContext({ hosts: [registry.host], limits }), { deadline: 60_000 });
    registry.interceptWith(on(isManifest, answer(429, { 'retry-after': '3600' })));
    const failure = await failureOf(fetchOci(pushed.reference, short));
    expect(failure).toMatchObject({ reason: 'RateLimited', details: { attempts: 1 } });
    expect(failure.details['waitMs']).toBeGreaterThanOrEqual(3_600_000);
  });
});

describe('a body', () => {
  test.each([0, 1, 70_000, half, tarball.length - 1])('cut once after %i bytes arrives whole', async (after) => {
    registry.interceptWith(on(isBlob, { fault: 'cut', after }, 1));
    expect((await fetching())[0]?.equals(tarball)).toBe(true);
    const ranges = blobRequests().map(({ headers }) => headers.range);
    // Below 64 KiB a fresh start is as cheap; beyond, the download goes on where it broke off.
    expect(ranges).toEqual([undefined, after < 65_536 ? undefined : expect.stringMatching(/^bytes=\d+-$/)]);
  });

  test('cut always is RegistryUnavailable', async () => {
    registry.interceptWith(on(isBlob, { fault: 'cut', after: 1 }));
    expect((await failing()).reason).toBe('RegistryUnavailable');
    expect(blobRequests()).toHaveLength(3);
  });

  test('stalled for ever is RegistryUnavailable', async () => {
    registry.interceptWith(on(isBlob, { fault: 'stall', after: 1 }));
    expect((await failing()).reason).toBe('RegistryUnavailable');
    expect(blobRequests()).toHaveLength(3);
  });

  test('stalled once in the middle arrives whole', async () => {
    registry.interceptWith(on(isBlob, { fault: 'stall', after: half }, 1));
    expect((await fetching())[0]?.equals(tarball)).toBe(true);
  });

  const corrupt = (body: Buffer): Buffer =>
    Buffer.concat([body.subarray(0, half), Buffer.from('X'), body.subarray(half + 1)]);

  test('corrupt once is fetched again, corrupt always is DigestMismatch after two downloads', async () => {
    registry.interceptWith(on(isBlob, { fault: 'body', change: corrupt }, 1));
    expect((await fetching())[0]?.equals(tarball)).toBe(true);
    registry.interceptWith(on(isBlob, { fault: 'body', change: corrupt }));
    const before = blobRequests().length;
    expect((await failing()).reason).toBe('DigestMismatch');
    expect(blobRequests().length - before).toBe(2);
  });

  test.each([
    ['longer than its descriptor', (body: Buffer) => Buffer.concat([body, Buffer.from('more')])],
    ['shorter than its descriptor', (body: Buffer) => body.subarray(0, -1)],
    ['empty', () => Buffer.alloc(0)],
  ])('%s is DigestMismatch, whatever Content-Length says', async (_name, change) => {
    registry.interceptWith(on(isBlob, { fault: 'body', change }));
    expect((await failing()).reason).toBe('DigestMismatch');
  });

  test('encoded again by something in between is UnexpectedContent', async () => {
    registry.interceptWith(on(isBlob, { fault: 'headers', headers: { 'content-encoding': 'gzip' } }));
    expect((await failing()).reason).toBe('UnexpectedContent');
  });

  test('without Content-Length is counted all the same', async () => {
    registry.interceptWith(on(isBlob, { fault: 'headers', headers: { 'content-length': undefined } }));
    expect((await fetching())[0]?.equals(tarball)).toBe(true);
  });

  test('of a manifest that is a login page is UnexpectedContent', async () => {
    registry.interceptWith(on(isManifest, answer(200, { 'content-type': 'text/html' }, '<title>Sign in</title>')));
    expect((await failing()).reason).toBe('UnexpectedContent');
  });
});

/** Cuts the first answer with a blob, and gives the fault to whoever asks for the rest. */
const cutThen = (fault: Fault): Intercept => {
  let first = true;
  return (request) => {
    if (!isBlob(request)) return undefined;
    if (!first) return request.headers.range === undefined ? undefined : fault;
    first = false;
    return { fault: 'cut', after: 100_000 };
  };
};

describe('a resumed download', () => {
  test.each([
    ['416', answer(416)],
    ['another Content-Range', { fault: 'headers', headers: { 'content-range': 'bytes 5-9/10' } }],
    ['no Content-Range', { fault: 'headers', headers: { 'content-range': undefined } }],
  ] as const)('answered with %s starts over', async (_name, fault) => {
    registry.interceptWith(cutThen(fault));
    expect((await fetching())[0]?.equals(tarball)).toBe(true);
    expect(blobRequests().at(-1)?.headers.range).toBeUndefined();
  });

  test('whose range is ignored (Quay) starts over with that answer', async () => {
    await using quay = await startOciRegistry({ ignoresRange: true });
    await using at = ociContext({ hosts: [quay.host], limits });
    const { reference } = await pushArtifact({ ...target, origin: quay.origin }, tarball);
    quay.interceptWith(on(isBlob, { fault: 'cut', after: 100_000 }, 1));
    expect((await fetchOci(reference, at)).parts[0]?.equals(tarball)).toBe(true);
    expect(quay.requests.filter(isBlob)).toHaveLength(2);
  });
});

describe('a redirect of a blob', () => {
  let storage: TestServer;
  beforeEach(async () => {
    storage = await startServer({ answer: () => ({ status: 200, body: tarball }) });
  });
  afterEach(async () => storage.close());

  test('to storage on another origin is followed', async () => {
    await using at = ociContext({ hosts: [registry.host, storage.host], redirectHosts: [storage.host], limits });
    registry.interceptWith(on(isBlob, answer(307, { location: `${storage.origin}/blob?X-Amz-Signature=x` })));
    expect((await fetchOci(pushed.reference, at)).parts[0]?.equals(tarball)).toBe(true);
  });

  test('to a private address is RedirectRefused, and the target is not asked', async () => {
    registry.interceptWith(on(isBlob, answer(307, { location: `${storage.origin}/blob` })));
    expect((await failing()).reason).toBe('RedirectRefused');
    expect(storage.requests).toHaveLength(0);
  });

  test('to itself for ever is RedirectRefused', async () => {
    registry.interceptWith((request) => (isBlob(request) ? answer(302, { location: request.url }) : undefined));
    expect((await failing()).reason).toBe('RedirectRefused');
  });

  test('whose target asks for credentials is AuthRefused', async () => {
    await using at = ociContext({ hosts: [registry.host, storage.host], redirectHosts: [storage.host], limits });
    storage.interceptWith(() => answer(403, {}, 'Request has expired'));
    registry.interceptWith(on(isBlob, answer(307, { location: `${storage.origin}/blob` })));
    const failure = await failureOf(fetchOci(pushed.reference, at));
    expect(failure).toMatchObject({ reason: 'AuthRefused', details: { storage: storage.origin } });
  });
});

describe('a registry', () => {
  test('that does not listen is RegistryUnavailable', async () => {
    await registry.close();
    expect((await failing()).reason).toBe('RegistryUnavailable');
  });

  test('that lost a layer is VersionNotFound, naming the digest', async () => {
    const digest = pushed.layers[0]?.digest ?? '';
    registry.remove('acme/todo', digest);
    const failure = await failing();
    expect(failure.reason).toBe('VersionNotFound');
    expect(failure.message).toContain(digest);
  });

  test('that lost the manifest of an index is VersionNotFound', async () => {
    const index = await pushIndex({ ...target, tag: 'multi' }, [{ manifest: pushed }]);
    registry.remove('acme/todo', pushed.digest);
    expect((await failureOf(fetchOci(index.reference, ctx))).reason).toBe('VersionNotFound');
  });

  test('with a manifest of an unknown type is ManifestInvalid', async () => {
    registry.interceptWith(on(isManifest, { fault: 'headers', headers: { 'content-type': 'application/json' } }));
    expect((await failing()).reason).toBe('ManifestInvalid');
  });

  test('with an image of foreign layers is LayerUnsupported', async () => {
    const layer = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: pushed.digest,
      size: 7,
      urls: ['https://x.example/'],
    };
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: pushed.digest, size: 2 };
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config,
      layers: [layer],
    };
    const { reference } = await pushManifest({ ...target, tag: 'foreign' }, manifest);
    expect((await failureOf(fetchOci(reference, ctx))).reason).toBe('LayerUnsupported');
  });

  test('with an index for other platforms only is NoMatchingPlatform', async () => {
    const other = await pushImage({ ...target, tag: 'other' }, { layers: [{ bytes: tarball, mediaType: 'x/y' }] });
    const on = (architecture: string) => ({ manifest: other, platform: { os: 'windows', architecture } });
    const { reference } = await pushIndex({ ...target, tag: 'multi' }, [on('amd64'), on('arm64')]);
    expect((await failureOf(fetchOci(reference, ctx))).reason).toBe('NoMatchingPlatform');
  });
});

describe('a token service', () => {
  const users = { alice: 'pw' };
  const protectedBy = async (
    options: Parameters<typeof startTokenServer>[0],
    then: (peer: { reference: string; tokens: TestServer; at: OciContext; registry: OciRegistry }) => Promise<void>,
  ): Promise<void> => {
    await using tokens = await startTokenServer({ users, ...options });
    await using registry = await startOciRegistry({ auth: { kind: 'token', tokens } });
    const credential = { username: 'alice', password: 'pw' };
    const { reference } = await pushArtifact({ ...target, origin: registry.origin, credential }, tarball);
    await using at = ociContext({
      hosts: [registry.host, tokens.host],
      limits,
      credentials: [basicCredential('alice', 'pw')],
    });
    await then({ reference, tokens, at, registry });
  };

  test('that is down is RegistryUnavailable after all attempts', async () => {
    await protectedBy({}, async ({ reference, tokens, at }) => {
      const before = tokens.requests.length;
      tokens.interceptWith(() => answer(503));
      expect((await failureOf(fetchOci(reference, at))).reason).toBe('RegistryUnavailable');
      expect(tokens.requests.length - before).toBe(3);
    });
  });

  test('that is down once is ridden out', async () => {
    await protectedBy({}, async ({ reference, tokens, at }) => {
      tokens.interceptWith(on(() => true, answer(503), 1));
      expect((await fetchOci(reference, at)).parts[0]?.equals(tarball)).toBe(true);
    });
  });

  test('that does not state expires_in is used for both manifest and blob', async () => {
    await protectedBy({ expiresIn: null }, async ({ reference, tokens, at }) => {
      const before = tokens.requests.length;
      expect((await fetchOci(reference, at)).parts[0]?.equals(tarball)).toBe(true);
      expect(tokens.requests.length - before).toBe(1);
    });
  });

  test('whose token expires between manifest and blob is asked again', async () => {
    await protectedBy({ expiresIn: 5 }, async ({ reference, tokens, at }) => {
      const before = tokens.requests.length;
      expect((await fetchOci(reference, at)).parts[0]?.equals(tarball)).toBe(true);
      expect(tokens.requests.length - before).toBe(2);
    });
  });

  test('that refuses the scope is AuthRefused', async () => {
    await protectedBy({}, async ({ reference, tokens, at }) => {
      tokens.interceptWith(() => answer(403, {}, '{"errors":[{"code":"DENIED","message":"no pull for you"}]}'));
      const failure = await failureOf(fetchOci(reference, at));
      expect(failure.reason).toBe('AuthRefused');
      expect(failure.details['tried']).toEqual([expect.stringContaining('DENIED: no pull for you')]);
    });
  });

  test('whose tokens the registry revokes in the middle is asked for a new one', async () => {
    await using tokens = await startTokenServer({ users });
    await using harbor = await startOciRegistry({ auth: { kind: 'token', tokens } });
    const credential = { username: 'alice', password: 'pw' };
    const { reference } = await pushArtifact({ ...target, origin: harbor.origin, credential }, tarball);
    await using at = ociContext({
      hosts: [harbor.host, tokens.host],
      limits,
      credentials: [basicCredential('alice', 'pw')],
    });
    let isRevoked = false;
    harbor.interceptWith((request) => {
      if (isBlob(request) && !isRevoked) {
        tokens.revokeAll();
        isRevoked = true;
      }
      return undefined;
    });
    expect((await fetchOci(reference, at)).parts[0]?.equals(tarball)).toBe(true);
    expect(isRevoked).toBe(true);
  });

  test('whose registry then wants Basic (Harbor) is left for Basic', async () => {
    await using tokens = await startTokenServer({ users });
    await using harbor = await startOciRegistry({ auth: { kind: 'harbor', tokens, users } });
    await using open = await startOciRegistry();
    const { digest } = await pushArtifact({ ...target, origin: open.origin }, tarball);
    await using at = ociContext({
      hosts: [harbor.host, tokens.host],
      limits,
      credentials: [basicCredential('alice', 'pw')],
    });
    // Nothing was pushed there: being told so proves that the Basic request was admitted.
    const failure = await failureOf(fetchOci(`oci://${harbor.host}/acme/todo@${digest}`, at));
    expect(failure.reason).toBe('PackageNotFound');
    expect(harbor.requests.at(-1)?.headers.authorization).toMatch(/^Basic /);
  });
});
