import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../installer/core/types.ts';
import { OciClient, type FetchedManifest, type ManifestSelector } from '../../../installer/oci/client.ts';
import { OCI_MANIFEST } from '../../../installer/oci/media-types.ts';
import { testContext } from '../../support/context.ts';
import { failureOf } from '../../support/http.ts';
import { scriptedHttp, type ScriptedAnswer, type ScriptedHttp } from '../../support/scripted-http.ts';

const target = { registry: 'r.example', repository: 'acme/todo' };
const signal = new AbortController().signal;
const layer = { mediaType: 'application/gzip', digest: `sha256:${'ab'.repeat(32)}`, size: 10 };
const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: layer, layers: [layer] });
const good: ScriptedAnswer = { status: 200, headers: { 'content-type': OCI_MANIFEST }, body };
const sha256 = hash('sha256');
const sha512 = hash('sha512');

function hash(algorithm: 'sha256' | 'sha512', text: string = body): Digest {
  return `${algorithm}:${createHash(algorithm).update(text).digest('hex')}` as Digest;
}

interface Fetching {
  readonly http: ScriptedHttp;
  readonly manifest: Promise<FetchedManifest>;
}

function fetching(answer: ScriptedAnswer, selector: ManifestSelector = { tag: '1' }, manifestBytes = 1000): Fetching {
  const http = scriptedHttp(() => answer);
  const client = new OciClient(testContext({ http, limits: { manifestBytes } }));
  return { http, manifest: client.manifest(target, selector, signal) };
}

describe('a manifest', () => {
  test('is asked for with all four types at once', async () => {
    const { http, manifest } = fetching(good);
    await manifest;
    expect(http.requests[0]?.url.pathname).toBe('/v2/acme/todo/manifests/1');
    expect(http.requests[0]?.headers['accept']?.split(', ').toSorted()).toEqual([
      'application/vnd.docker.distribution.manifest.list.v2+json',
      'application/vnd.docker.distribution.manifest.v2+json',
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.oci.image.manifest.v1+json',
    ]);
  });

  test.each([
    ['by tag', { tag: '1' }, sha256],
    ['by sha256', { digest: sha256 }, sha256],
    ['by sha512', { digest: sha512 }, sha512],
    ['by digest and size', { digest: sha256, size: body.length }, sha256],
  ])('%s has the digest of its bytes', async (_name, selector, digest) => {
    const { manifest } = fetching(good, selector);
    expect(await manifest).toMatchObject({ digest, notes: [], content: { kind: 'manifest' } });
    expect((await manifest).bytes.toString()).toBe(body);
  });

  test.each([
    ['other bytes', { digest: hash('sha256', 'other') }],
    ['other bytes by sha512', { digest: hash('sha512', 'other') }],
    ['another size', { digest: sha256, size: body.length + 1 }],
  ])('with %s than asked for is DigestMismatch', async (_name, selector) => {
    const { http, manifest } = fetching(good, selector);
    const failure = await failureOf(manifest);
    expect(failure).toMatchObject({ reason: 'DigestMismatch', details: { expected: selector.digest } });
    expect(failure.details['computed']).toMatch(/^sha(?:256|512):/);
    expect(http.open()).toBe(0);
  });

  test('larger than the limit is refused while it is read', async () => {
    await expect(fetching(good, { tag: '1' }, body.length).manifest).resolves.toBeDefined();
    await expect(fetching(good, { tag: '1' }, body.length - 1).manifest).rejects.toMatchObject({
      reason: 'ManifestInvalid',
    });
  });

  test('announced larger than the limit is not even asked for', async () => {
    const { http, manifest } = fetching(good, { digest: sha256, size: 1001 });
    await expect(manifest).rejects.toMatchObject({ reason: 'ManifestInvalid' });
    expect(http.requests).toHaveLength(0);
  });

  test.each([
    ['another digest', sha256.replace(/^sha256:../, 'sha256:00')],
    ['no digest at all', 'sha256:abc'],
    ['a forged line', 'sha256:abc\nlevel=info'],
  ])('with %s in Docker-Content-Digest is noted, and its bytes decide', async (_name, header) => {
    const { manifest } = fetching({ ...good, headers: { ...good.headers, 'docker-content-digest': header } });
    const { digest, notes } = await manifest;
    expect(digest).toBe(sha256);
    expect(notes).toHaveLength(1);
    expect(notes[0]).not.toContain('\n');
  });

  test.each([sha256, sha512])('with its own %s in Docker-Content-Digest has nothing to note', async (header) => {
    const { manifest } = fetching({ ...good, headers: { ...good.headers, 'docker-content-digest': header } });
    expect((await manifest).notes).toEqual([]);
  });

  test('passes warnings of the registry on, and only those', async () => {
    const warning = ['299 - "this registry moves on 1 \\"May\\"", 299 - "soon"', '110 - "stale"', '299 other "x"'];
    const { manifest } = fetching({ ...good, headers: { ...good.headers, warning } });
    expect((await manifest).warnings).toEqual(['this registry moves on 1 "May"', 'soon']);
  });

  test.each([
    ['a page', { ...good, headers: { 'content-type': 'text/html; charset=utf-8' } }, 'UnexpectedContent'],
    ['compressed bytes', { ...good, headers: { ...good.headers, 'content-encoding': 'gzip' } }, 'ManifestInvalid'],
  ])('that is %s is refused, and nothing is left open', async (_name, answer, reason) => {
    const { http, manifest } = fetching(answer);
    await expect(manifest).rejects.toMatchObject({ reason });
    expect(http.open()).toBe(0);
  });
});

const errors = (code: string): string => JSON.stringify({ errors: [{ code, message: 'the words of the registry' }] });

describe('an answer', () => {
  test.each([
    [404, errors('MANIFEST_UNKNOWN'), 'VersionNotFound'],
    [404, errors('NAME_UNKNOWN'), 'PackageNotFound'],
    [404, errors('NAME_INVALID'), 'PackageNotFound'],
    [404, 'not found', 'VersionNotFound'],
    [410, '', 'VersionNotFound'],
    [400, errors('UNSUPPORTED'), 'RegistryUnavailable'],
    [406, '', 'RegistryUnavailable'],
    [304, '', 'RegistryUnavailable'],
  ])('of %i %s is %s and is not retried', async (status, text, reason) => {
    const { http, manifest } = fetching({ status, body: text });
    const failure = await failureOf(manifest);
    expect(failure).toMatchObject({ reason, details: { status, registry: 'r.example', repository: 'acme/todo' } });
    expect(failure.transient).toBeUndefined();
    expect(http.open()).toBe(0);
  });

  test('repeats the words of the registry, escaped and cut', async () => {
    const shown = (await failureOf(fetching({ status: 404, body: errors('MANIFEST_UNKNOWN') }).manifest)).message;
    expect(shown).toContain('MANIFEST_UNKNOWN: the words of the registry');
    const hostile = (await failureOf(fetching({ status: 404, body: `\u001b[2J\n${'x'.repeat(10_000)}` }).manifest))
      .message;
    expect(hostile).not.toMatch(/[\u001b\n]/);
    expect(hostile.length).toBeLessThan(500);
  });
});

const blob = (
  answer: ScriptedAnswer,
  headers: Readonly<Record<string, string>> = {},
): { http: ScriptedHttp; response: Promise<unknown> } => {
  const http = scriptedHttp(() => answer);
  const client = new OciClient(testContext({ http }));
  return { http, response: client.blob(target, { digest: sha256, headers, signal }) };
};

describe('a blob', () => {
  test('is asked for by digest, with the range', async () => {
    const { http, response } = blob({ status: 206 }, { range: 'bytes=5-' });
    expect(await response).toMatchObject({ status: 206 });
    expect(http.requests[0]).toMatchObject({ headers: { range: 'bytes=5-' }, redirects: 'follow' });
    expect(http.requests[0]?.url.pathname).toBe(`/v2/acme/todo/blobs/${sha256}`);
  });

  test('that is missing is VersionNotFound', async () => {
    await expect(blob({ status: 404 }).response).rejects.toMatchObject({ reason: 'VersionNotFound' });
  });

  test('416 is an answer to a range and a failure without one', async () => {
    expect(await blob({ status: 416 }, { range: 'bytes=5-' }).response).toMatchObject({ status: 416 });
    await expect(blob({ status: 416 }).response).rejects.toMatchObject({ reason: 'RegistryUnavailable' });
  });
});
