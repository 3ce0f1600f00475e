import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { archiveBody, rangeHeaders } from '../../installer/core/archive-body.ts';
import type { Http } from '../../installer/core/context.ts';
import type { AbsPath, Claims, Digest, FetchedArchive, Part } from '../../installer/core/types.ts';
import { downloadPart } from '../../installer/net/download.ts';
import { testContext } from '../support/context.ts';
import type { ContextOverrides } from '../support/context.ts';
import {
  cutAfter,
  loginPage,
  resetAfter,
  serve,
  serveChunked,
  serveWhole,
  stallAfter,
  startFaultServer,
  status,
} from '../support/fault-server.ts';
import type { Behaviour } from '../support/fault-server.ts';
import { failureOf, get, testHttp } from '../support/http.ts';

const dir = mkdtempSync(join(tmpdir(), 'net-download-'));
afterAll(() => rmSync(dir, { recursive: true }));

const BYTES = randomBytes(3_000_000);
const SRI = `sha512-${createHash('sha512').update(BYTES).digest('base64')}`;
const BLOB: Claims = {
  digest: `sha256:${createHash('sha256').update(BYTES).digest('hex')}` as Digest,
  bytes: BYTES.length,
};

const LATER: Behaviour = (_request, response) => void setTimeout(() => response.end(BYTES), 20);

let files = 0;
const nextPath = (): AbsPath => join(dir, `archive-${(files += 1)}`) as AbsPath;

/** What the sources do for a plain GET. */
function partAt(url: URL, http: Http, claims: Claims): Part {
  return {
    claims,
    label: url.href,
    open: async (ctx, from) => {
      const response = await http.exchange(get(url, { headers: rangeHeaders(from), signal: ctx.signal }));
      return archiveBody(response, from);
    },
  };
}

interface Run {
  readonly archive: Promise<FetchedArchive>;
  readonly path: AbsPath;
  readonly seen: readonly { readonly headers: Readonly<Record<string, unknown>> }[];
}

/** One download from a server that behaves as told, request by request. */
async function download(
  behaviours: readonly Behaviour[],
  claims: Claims = {},
  overrides: ContextOverrides = {},
): Promise<Run> {
  const server = await startFaultServer({ '/a.tgz': behaviours });
  const http = testHttp({ limits: { ...overrides.limits } });
  const path = nextPath();
  const ctx = testContext({ ...overrides, http });
  const archive = downloadPart(partAt(server.url('/a.tgz'), http, claims), { path, algorithms: ['sha512'] }, ctx);
  await archive.catch(() => undefined);
  await http.close();
  await server[Symbol.asyncDispose]();
  return { archive, path, seen: server.seen };
}

test.each([
  ['with a length', serve(BYTES), BYTES.length],
  ['without a length', serveChunked(BYTES), undefined],
])('a body %s arrives with its hash', async (_how, behaviour, announced) => {
  const { archive, path } = await download([behaviour]);
  expect(await archive).toMatchObject({ bytes: BYTES.length, computed: { sha512: SRI }, announced });
  expect(readFileSync(path).equals(BYTES)).toBe(true);
});

describe('a transfer that breaks', () => {
  test.each([0, 1, 63 * 1024, 64 * 1024, 1_500_000, BYTES.length - 1])(
    'after %d bytes is completed, by Range where that pays',
    async (count) => {
      const { archive, path, seen } = await download([resetAfter(BYTES, count), serve(BYTES)]);
      expect(await archive).toMatchObject({ bytes: BYTES.length, computed: { sha512: SRI } });
      expect(readFileSync(path).equals(BYTES)).toBe(true);
      expect(seen).toHaveLength(2);
      const range = seen[1]?.headers['range'];
      if (count < 64 * 1024) expect(range).toBeUndefined();
      else expect(seen[1]?.headers['if-range']).toBe('"v1"');
    },
  );

  test.each([
    ['ignores the range', serveWhole(BYTES)],
    ['has another version now', serve(BYTES, { etag: '"v2"' })],
  ])('starts over when the server %s', async (_what, second) => {
    const { archive, seen } = await download([resetAfter(BYTES, 1_500_000), second]);
    expect(await archive).toMatchObject({ computed: { sha512: SRI } });
    expect(seen).toHaveLength(2);
  });

  test.each([
    ['a wrong Content-Range', status(206, { 'content-range': `bytes 0-9/${BYTES.length}` }, '0123456789')],
    ['no Content-Range', status(206, {}, 'x')],
    ['416', status(416, { 'content-range': `bytes */${BYTES.length}` })],
  ])('starts over from the first byte when the server answers with %s', async (_what, second) => {
    const { archive, seen } = await download([resetAfter(BYTES, 1_500_000), second, serve(BYTES)]);
    expect(await archive).toMatchObject({ computed: { sha512: SRI } });
    expect(seen.map(({ headers }) => headers['range'] !== undefined)).toEqual([false, true, false]);
  });

  test('is completed piece by piece', async () => {
    const { archive, seen } = await download([
      resetAfter(BYTES, 1_000_000),
      cutAfter(BYTES, 500_000),
      status(503),
      resetAfter(BYTES, 1_000_000),
      serve(BYTES),
    ]);
    expect(await archive).toMatchObject({ computed: { sha512: SRI } });
    expect(seen).toHaveLength(5);
  });

  test('by stalling is completed', async () => {
    const limits = { bodyIdleTimeoutMs: 200 };
    const { archive } = await download([stallAfter(BYTES, 1_500_000), serve(BYTES)], {}, { limits });
    expect(await archive).toMatchObject({ computed: { sha512: SRI } });
  });

  test('again and again is RegistryUnavailable, and the file is gone', async () => {
    const { archive, path, seen } = await download([cutAfter(BYTES, 1000)]);
    expect(await failureOf(archive)).toMatchObject({ reason: 'RegistryUnavailable', details: { attempts: 5 } });
    expect(existsSync(path)).toBe(false);
    expect(seen).toHaveLength(5);
  });
});

describe('a blob', () => {
  const corrupt = Buffer.from(BYTES);
  corrupt[1_500_000] = (corrupt[1_500_000] ?? 0) ^ 1;

  test('that arrives corrupt once is fetched once more', async () => {
    const { archive, seen } = await download([serve(corrupt), serve(BYTES)], BLOB);
    expect(await archive).toMatchObject({ computed: { sha512: SRI }, claims: BLOB });
    expect(seen).toHaveLength(2);
  });

  test('that is always corrupt is DigestMismatch after two transfers', async () => {
    const { archive, path, seen } = await download([serve(corrupt)], BLOB);
    expect(await failureOf(archive)).toMatchObject({ reason: 'DigestMismatch', details: { expected: BLOB.digest } });
    expect(existsSync(path)).toBe(false);
    expect(seen).toHaveLength(2);
  });

  test.each([
    ['longer than its descriptor', serveWhole(Buffer.concat([BYTES, BYTES]))],
    ['shorter than its descriptor', serveWhole(BYTES.subarray(0, 1000))],
    ['longer than its descriptor without a length', serveChunked(Buffer.concat([BYTES, BYTES]))],
    ['shorter than its descriptor without a length', serveChunked(BYTES.subarray(0, 1000))],
    ['a login page', loginPage()],
  ])('that is %s is DigestMismatch after two transfers', async (_what, behaviour) => {
    const { archive, seen } = await download([behaviour], BLOB);
    const details = { expected: BLOB.digest, expectedBytes: BYTES.length };
    expect(await failureOf(archive)).toMatchObject({ reason: 'DigestMismatch', details });
    expect(seen).toHaveLength(2);
  });

  test('that turns out to be a login page says so', async () => {
    const { archive } = await download([loginPage()], BLOB);
    expect((await failureOf(archive)).details['cause']).toContain('login');
  });

  test('is taken up without a validator', async () => {
    const noTag = { etag: '' };
    const { archive, seen } = await download([resetAfter(BYTES, 1_500_000, noTag), serve(BYTES)], BLOB);
    expect(await archive).toMatchObject({ computed: { sha512: SRI } });
    expect(seen[1]?.headers['range']).toMatch(/^bytes=\d+-$/);
    expect(seen[1]?.headers['if-range']).toBeUndefined();
  });
});

test('a Content-Encoding nobody asked for is UnexpectedContent', async () => {
  const { archive, path } = await download([serve(BYTES, { 'content-encoding': 'gzip' })]);
  expect((await failureOf(archive)).reason).toBe('UnexpectedContent');
  expect(existsSync(path)).toBe(false);
});

test.each([
  ['announced', serve(BYTES)],
  ['found out on the way', serveChunked(BYTES)],
])('a size beyond the limit, %s, is SizeBudgetExceeded and lets go of the connection', async (_how, behaviour) => {
  const limits = { archiveBytes: 1_000_000, concurrencyPerHost: 1 };
  const { archive, path } = await download([behaviour], {}, { limits });
  expect(await failureOf(archive)).toMatchObject({
    reason: 'SizeBudgetExceeded',
    details: { limit: 1_000_000, setting: 'PORTAL_PLUGINS_MAX_BLOB_BYTES' },
  });
  expect(existsSync(path)).toBe(false);
});

test('thirty downloads share four slots of their host and all arrive', async () => {
  await using server = await startFaultServer({ '/a.tgz': LATER });
  await using http = testHttp();
  const archives = await Promise.all(
    Array.from({ length: 30 }, async () =>
      downloadPart(
        partAt(server.url('/a.tgz'), http, {}),
        { path: nextPath(), algorithms: ['sha512'] },
        testContext({ http }),
      ),
    ),
  );
  expect(new Set(archives.map(({ computed }) => computed.sha512))).toEqual(new Set([SRI]));
  expect(server.load.peak).toBe(4);
});
