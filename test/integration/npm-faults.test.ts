/** npm rows of the fault table: what goes wrong at the packument, in its records, at the tarball, and the reason each ends in. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fault, RecordedRequest } from '../support/http-server.ts';
import { failureOf } from '../support/http.ts';
import { publish } from '../support/npm-publish.ts';
import {
  startNpmRegistry,
  type NpmRegistry,
  type PackumentDocument,
  type VersionDocument,
} from '../support/npm-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { sourceContext } from '../support/source-context.ts';
import { visible } from '../support/thrown.ts';

const noise = Buffer.concat(
  Array.from({ length: 4000 }, (_, index) => createHash('sha512').update(String(index)).digest()),
);
const plugin = backendPlugin({ files: { 'dist/noise.bin': noise } });
const other = backendPlugin({ version: '2.0.0' });
const TEXT = `npm:${plugin.name}@${plugin.version}`;

let registry: NpmRegistry;
beforeEach(async () => {
  registry = await startNpmRegistry();
  await publish(registry.url, plugin);
  await publish(registry.url, other, { tag: 'next' });
});
afterEach(() => registry.close());

const isTarball = ({ path }: RecordedRequest): boolean => path.endsWith('.tgz');
const isPackument = (request: RecordedRequest): boolean => !isTarball(request);
const context = (more: Parameters<typeof sourceContext>[0] = {}): ReturnType<typeof sourceContext> =>
  sourceContext({
    ...more,
    npmrc: `registry=${registry.url}\n`,
    limits: { attempts: 3, bodyIdleTimeoutMs: 200, ...more.limits },
  });
const answer = (status: number, body = '', headers: Record<string, string> = {}): Fault => ({
  fault: 'answer',
  status,
  body,
  headers,
});
const html = { 'content-type': 'text/html' };

interface Row {
  readonly what: string;
  readonly fault: Fault;
  readonly reason: string;
}

describe('a packument', () => {
  test.each<Row>([
    { what: '401', fault: answer(401), reason: 'AuthRefused' },
    { what: '403', fault: answer(403, '{"error":"forbidden"}'), reason: 'AuthRefused' },
    { what: '404', fault: answer(404), reason: 'PackageNotFound' },
    { what: '410', fault: answer(410), reason: 'PackageNotFound' },
    { what: '400', fault: answer(400, 'bad request'), reason: 'RegistryUnavailable' },
    { what: '429 for ever', fault: answer(429), reason: 'RateLimited' },
    {
      what: '429 with a wait beyond the deadline',
      fault: answer(429, '', { 'retry-after': '999999' }),
      reason: 'RateLimited',
    },
    { what: '500 for ever', fault: answer(500), reason: 'RegistryUnavailable' },
    { what: '502 for ever', fault: answer(502), reason: 'RegistryUnavailable' },
    { what: '503 for ever', fault: answer(503), reason: 'RegistryUnavailable' },
    { what: 'a login page', fault: answer(200, '<!DOCTYPE html>Sign in', html), reason: 'UnexpectedContent' },
    { what: 'no JSON', fault: answer(200, '{"name":'), reason: 'UnexpectedContent' },
    { what: 'JSON of something else', fault: answer(200, '{"error":"x"}'), reason: 'UnexpectedContent' },
    { what: 'an array', fault: answer(200, '[]'), reason: 'UnexpectedContent' },
    { what: 'nothing', fault: answer(200), reason: 'UnexpectedContent' },
    { what: 'another package', fault: answer(200, '{"name":"evil","versions":{}}'), reason: 'PackageMismatch' },
    {
      what: 'the name in another case',
      fault: answer(200, JSON.stringify({ name: plugin.name.toUpperCase() })),
      reason: 'PackageMismatch',
    },
    { what: 'cut for ever', fault: { fault: 'cut', after: 10 }, reason: 'RegistryUnavailable' },
    { what: 'stalled for ever', fault: { fault: 'stall', after: 10 }, reason: 'RegistryUnavailable' },
    {
      what: 'a redirect to itself',
      fault: answer(302, '', { location: `/${plugin.name.replace('/', '%2f')}` }),
      reason: 'RedirectRefused',
    },
    {
      what: 'a redirect to a file',
      fault: answer(302, '', { location: 'file:///etc/passwd' }),
      reason: 'RedirectRefused',
    },
  ])('that is $what: $reason', async ({ fault, reason }) => {
    registry.interceptWith((request) => (isPackument(request) ? fault : undefined));
    await using source = await context();
    // The deadline of a plugin, so that a long Retry-After does not fit.
    const ctx = { ...source.ctx, deadline: 600_000 };
    const entry = source.entry(TEXT, plugin.integrity);
    const error = await failureOf(entry.reference.resolve(entry, ctx));
    expect(error.reason).toBe(reason);
    expect(error.fix).not.toBe('');
  });

  test.each<[string, Fault]>([
    ['503', answer(503)],
    ['429', answer(429, '', { 'retry-after': '3' })],
    ['cut', { fault: 'cut', after: 10 }],
    ['stalled', { fault: 'stall', after: 10 }],
  ])('that is %s once is asked for again', async (_what, fault) => {
    let asked = 0;
    registry.interceptWith((request) => (isPackument(request) && (asked += 1) === 1 ? fault : undefined));
    await using source = await context();
    await source.verify(TEXT, plugin.integrity);
    expect(asked).toBe(2);
    expect(source.ctx.events.filter(({ event }) => event === 'plugin_retry')).toHaveLength(1);
  });

  test('over its limit is refused, with the setting', async () => {
    await using source = await context({ limits: { packumentBytes: 100 } });
    const error = await failureOf(source.resolve(TEXT, plugin.integrity));
    expect(error.reason).toBe('SizeBudgetExceeded');
    expect(error.details).toMatchObject({ limit: 100, setting: 'PORTAL_PLUGINS_MAX_PACKUMENT_BYTES' });
  });

  test('that failed for one entry is not remembered for the next', async () => {
    let asked = 0;
    registry.interceptWith(() => ((asked += 1) <= 2 ? answer(404) : undefined)); // once abbreviated, once in full
    await using source = await context();
    await failureOf(source.resolve(TEXT, plugin.integrity));
    await source.resolve(TEXT, plugin.integrity);
    expect(asked).toBe(3);
  });

  test('one entry waits for is not lost with the entry that asked first', async () => {
    const gate = Promise.withResolvers<undefined>();
    registry.interceptWith((request) => {
      if (isPackument(request)) gate.resolve(undefined);
      return isPackument(request) && registry.requests.filter(isPackument).length <= 3
        ? { fault: 'stall', after: 10 }
        : undefined;
    });
    await using source = await context({ limits: { attempts: 1, bodyIdleTimeoutMs: 60_000 } });
    const impatient = new AbortController();
    const entry = source.entry(TEXT, plugin.integrity);
    const reason = new Error('deadline of the first');
    const first = entry.reference.resolve(entry, { ...source.ctx, signal: impatient.signal });
    await gate.promise;
    const second = entry.reference.resolve(entry, source.ctx);
    impatient.abort(reason);
    await expect(first).rejects.toBe(reason);
    expect((await second).identity?.version).toBe(plugin.version);
  });
});

const version = (change: (record: VersionDocument) => VersionDocument) => (): void =>
  registry.amendVersion(plugin.name, plugin.version, change);
const dist = (change: Record<string, unknown>): (() => void) =>
  version((record) => ({ ...record, dist: { ...record.dist, ...change } }));
const packument = (change: (packument: PackumentDocument) => PackumentDocument) => (): void =>
  registry.amend(plugin.name, change);

describe('a record', () => {
  test.each<[string, () => void, string, string]>([
    [
      'that was unpublished',
      packument((p) => ({ ...p, versions: { [other.version]: p.versions[other.version] as VersionDocument } })),
      TEXT,
      'VersionNotFound',
    ],
    [
      'whose package was unpublished',
      packument(({ name }) => ({ name, 'dist-tags': {}, versions: {} })),
      TEXT,
      'VersionNotFound',
    ],
    ['of another version', version((record) => ({ ...record, version: '6.6.6' })), TEXT, 'VersionNotFound'],
    [
      'that a dist-tag promises',
      packument((p) => ({ ...p, 'dist-tags': { latest: '9.9.9' } })),
      `npm:${plugin.name}@latest`,
      'VersionNotFound',
    ],
    ['without a tarball', dist({ tarball: undefined }), TEXT, 'UnexpectedContent'],
    ['with a tarball over http elsewhere', dist({ tarball: 'http://cdn.example/x.tgz' }), TEXT, 'RedirectRefused'],
    ['with a tarball at a bare address', dist({ tarball: 'https://169.254.169.254/x.tgz' }), TEXT, 'RedirectRefused'],
    ['with a tarball on disk', dist({ tarball: 'file:///etc/passwd' }), TEXT, 'RedirectRefused'],
  ])('%s ends before any archive is asked for', async (_what, change, text, reason) => {
    change();
    await using source = await context();
    expect((await failureOf(source.verify(text, plugin.integrity))).reason).toBe(reason);
    expect(registry.requests.filter(isTarball)).toEqual([]);
  });

  test.each([
    ['without integrity', { integrity: undefined, shasum: undefined }],
    ['with sha1 only', { integrity: undefined }],
    ['with sha1 as its integrity', { integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }],
    ['with an integrity that is cut', { integrity: plugin.integrity.slice(0, -10) }],
    [
      'with a strong integrity that is damaged beside a good weak one',
      { integrity: `${plugin.integrity.slice(0, -3)} sha256-${'A'.repeat(43)}=` },
    ],
    ['with an integrity that is no string', { integrity: 7 }],
  ])('%s is no pin', async (_what, change) => {
    dist(change)();
    await using lenient = await context({ options: { requireIntegrity: false } });
    const error = await failureOf(lenient.verify(TEXT));
    expect(error.reason).toBe('IntegrityUnavailable');
    expect(error.details['computed']).toBe(plugin.integrity);
    await using pinned = await context();
    const verified = await pinned.verify(TEXT, plugin.integrity);
    expect(verified.pinned.warnings.join()).toContain('no integrity that counts');
  });

  test('with sha1 beside sha512 counts by the latter', async () => {
    dist({ integrity: `sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= ${plugin.integrity}` })();
    await using source = await context({ options: { requireIntegrity: false } });
    expect((await source.verify(TEXT)).evidence).toEqual([{ kind: 'registry-record', value: plugin.integrity }]);
  });

  test('that changed under a moved dist-tag is caught by the pin, with the cause', async () => {
    packument((p) => ({ ...p, 'dist-tags': { latest: other.version } }))();
    await using source = await context();
    const error = await failureOf(source.verify(`npm:${plugin.name}@latest`, plugin.integrity));
    expect(error.reason).toBe('IntegrityMismatch');
    expect(error.details).toMatchObject({ evidence: 'record-is-computed', computed: other.integrity });
  });
});

describe('a tarball', () => {
  test.each<Row>([
    { what: '401', fault: answer(401), reason: 'AuthRefused' },
    { what: '403', fault: answer(403), reason: 'AuthRefused' },
    { what: '404', fault: answer(404), reason: 'VersionNotFound' },
    { what: '410', fault: answer(410), reason: 'VersionNotFound' },
    { what: '503 for ever', fault: answer(503), reason: 'RegistryUnavailable' },
    { what: '429 for ever', fault: answer(429), reason: 'RateLimited' },
    {
      what: 'encoded',
      fault: { fault: 'headers', headers: { 'content-encoding': 'gzip' } },
      reason: 'UnexpectedContent',
    },
    { what: 'a login page', fault: answer(200, '<html>Sign in', html), reason: 'IntegrityMismatch' },
    { what: 'cut before the first byte for ever', fault: { fault: 'cut', after: 0 }, reason: 'RegistryUnavailable' },
    { what: 'cut after one byte for ever', fault: { fault: 'cut', after: 1 }, reason: 'RegistryUnavailable' },
    { what: 'stalled for ever', fault: { fault: 'stall', after: 1000 }, reason: 'RegistryUnavailable' },
    {
      what: 'announced longer than it is',
      fault: { fault: 'headers', headers: { 'content-length': String(plugin.tarball.length + 5) } },
      reason: 'RegistryUnavailable',
    },
    {
      what: 'altered in the middle',
      fault: { fault: 'body', change: (body) => Buffer.from(body).fill(0, 5000, 5010) },
      reason: 'IntegrityMismatch',
    },
    {
      what: 'followed by more',
      fault: { fault: 'body', change: (body) => Buffer.concat([body, Buffer.from('more')]) },
      reason: 'IntegrityMismatch',
    },
    { what: 'another one', fault: { fault: 'body', change: () => other.tarball }, reason: 'IntegrityMismatch' },
  ])('that is $what: $reason', async ({ fault, reason }) => {
    registry.interceptWith((request) => (isTarball(request) ? fault : undefined));
    await using source = await context();
    expect((await failureOf(source.verify(TEXT, plugin.integrity))).reason).toBe(reason);
  });

  test.each<[string, (request: RecordedRequest) => Fault | undefined]>([
    [
      'is cut before its last byte',
      ({ headers }) => (headers.range === undefined ? { fault: 'cut', after: plugin.tarball.length - 1 } : undefined),
    ],
    ['is cut once', ({ headers }) => (headers.range === undefined ? { fault: 'cut', after: 100_000 } : undefined)],
    ['stalls once', ({ headers }) => (headers.range === undefined ? { fault: 'stall', after: 100_000 } : undefined)],
  ])('that %s is resumed and whole', async (_what, fault) => {
    registry.interceptWith((request) => (isTarball(request) ? fault(request) : undefined));
    await using source = await context();
    const verified = await source.verify(TEXT, plugin.integrity);
    expect(verified.evidence[0]?.value).toBe(plugin.integrity);
    expect(registry.requests.filter(isTarball).map(({ headers }) => headers.range !== undefined)).toEqual([
      false,
      true,
    ]);
    expect(registry.requests.at(-1)?.headers['if-range']).toMatch(/^"[0-9a-f]{64}"$/);
  });

  test.each([
    ['an overlapping range', 'bytes 10-20/30'],
    ['no range', undefined],
  ])('answered with %s when the rest was asked for starts over', async (_what, range) => {
    let asked = 0;
    registry.interceptWith((request) => {
      if (!isTarball(request)) return undefined;
      asked += 1;
      if (asked === 1) return { fault: 'cut', after: 100_000 };
      return asked === 2 ? { fault: 'headers', headers: { 'content-range': range } } : undefined;
    });
    await using source = await context();
    await source.verify(TEXT, plugin.integrity);
    expect(registry.requests.at(-1)?.headers).not.toHaveProperty('range');
  });

  test('that was altered on the way is told from a stale pin', async () => {
    registry.replaceTarball(plugin.name, plugin.version, other.tarball);
    await using source = await context();
    const error = await failureOf(source.verify(TEXT, plugin.integrity));
    expect(error.details).toMatchObject({
      evidence: 'record-is-expected',
      expected: plugin.integrity,
      computed: other.integrity,
    });
    expect(error.fix).toContain('do not accept the computed value');
  });

  test('that its registry hides says which other credential exists', async () => {
    await using source = await sourceContext({
      npmrc: `registry=${registry.url}\n${registry.url.replace('http:', '')}:_authToken=hunter2\n`,
    });
    const elsewhere = await startNpmRegistry();
    try {
      dist({ tarball: `${elsewhere.url}x/-/x-1.0.0.tgz` })();
      const error = await failureOf(source.verify(TEXT, plugin.integrity));
      expect(error.reason).toBe('VersionNotFound');
      expect(error.fix).toContain(`no credential for ${elsewhere.host}; one exists for ${registry.host}`);
      expect(visible(error)).not.toContain('hunter2');
      expect(elsewhere.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    } finally {
      await elsewhere.close();
    }
  });
});

test('a registry that is not there is unavailable, after all attempts', async () => {
  await registry.close();
  await using source = await context();
  const error = await failureOf(source.resolve(TEXT, plugin.integrity));
  expect(error.reason).toBe('RegistryUnavailable');
  expect(source.ctx.events.filter(({ event }) => event === 'plugin_retry')).toHaveLength(2);
});

test('a name that does not resolve is not asked for again', async () => {
  await using source = await sourceContext({ npmrc: 'registry=https://no-such-registry.invalid/\n' });
  const error = await failureOf(source.resolve(TEXT, plugin.integrity));
  expect(error.reason).toBe('DnsFailed');
});
