/** https entries against servers that misbehave; plain http is allowed to loopback here unless a test says otherwise. */
import { createHash } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { admitter, parsePattern, type Pattern } from '../../installer/config/allowed-sources.ts';
import {
  cutAfter,
  redirect,
  resetAfter,
  serve,
  serveChunked,
  serveWhole,
  startFaultServer,
  status,
  type Behaviour,
} from '../support/fault-server.ts';
import { failureOf } from '../support/http.ts';
import { backendPlugin } from '../support/plugins.ts';
import { sourceContext } from '../support/source-context.ts';
import { sriOf } from '../support/tarball.ts';
import { makeCa, whyNoTls } from '../support/tls.ts';
import { visible } from '../support/thrown.ts';

const noise = Buffer.concat(
  Array.from({ length: 4000 }, (_, index) => createHash('sha512').update(String(index)).digest()),
);
const { tarball, integrity } = backendPlugin({ files: { 'dist/noise.bin': noise } });
const other = backendPlugin({ version: '2.0.0', files: { 'dist/noise.bin': noise.toReversed() } }).tarball;
const PATH = '/files/todo.tgz';
const CUT = 120_000;

const patterns = (...texts: readonly string[]): ReturnType<typeof admitter> =>
  admitter(
    texts.map((text): Pattern => {
      const pattern = parsePattern(text);
      if ('fault' in pattern) throw new Error(pattern.fault);
      return pattern;
    }),
  );

/** 403 without a client certificate of the CA. */
const forKnownClients: Behaviour = (request, response) => {
  const isKnown = request.socket instanceof TLSSocket && request.socket.authorized;
  return (isKnown ? serve(tarball) : status(403))(request, response);
};

describe('a body', () => {
  test.each<[string, Behaviour | readonly Behaviour[], number]>([
    ['with a length', serveWhole(tarball), 1],
    ['without any length', serveChunked(tarball), 1],
    ['that is cut, resumed', [cutAfter(tarball, CUT), serve(tarball)], 2],
    ['that is reset, resumed', [resetAfter(tarball, CUT), serve(tarball)], 2],
    ['that is cut before the first byte', [cutAfter(tarball, 0), serve(tarball)], 2],
    ['behind a 503', [status(503), serve(tarball)], 2],
    [
      'whose server ignores Range',
      [cutAfter(tarball, CUT), serveWhole(tarball, { etag: '"v1"', 'accept-ranges': 'bytes' })],
      2,
    ],
    ['of a server that does not resume', [cutAfter(tarball, CUT, { 'accept-ranges': 'none' }), serve(tarball)], 2],
  ])('%s arrives whole', async (_what, behaviour, requests) => {
    await using server = await startFaultServer({ [PATH]: behaviour });
    await using source = await sourceContext();
    const verified = await source.verify(`${server.origin}${PATH}`, integrity);
    expect(verified.archives[0]?.bytes).toBe(tarball.length);
    expect(server.seen).toHaveLength(requests);
  });

  test('is resumed with Range, If-Range and the strong ETag', async () => {
    await using server = await startFaultServer({ [PATH]: [cutAfter(tarball, CUT), serve(tarball)] });
    await using source = await sourceContext();
    await source.verify(`${server.origin}${PATH}`, integrity);
    expect(server.seen[1]?.headers).toMatchObject({ range: `bytes=${CUT}-`, 'if-range': '"v1"' });
  });

  test.each([
    ['no ETag', { etag: '' }],
    ['a weak ETag', { etag: 'W/"v1"' }],
    ['no Accept-Ranges', { 'accept-ranges': '' }],
  ])('is asked for from the start with %s', async (_what, headers) => {
    await using server = await startFaultServer({ [PATH]: [cutAfter(tarball, CUT, headers), serve(tarball)] });
    await using source = await sourceContext();
    await source.verify(`${server.origin}${PATH}`, integrity);
    expect(server.seen[1]?.headers).not.toHaveProperty('range');
  });

  test('that changes between two attempts is never spliced', async () => {
    await using server = await startFaultServer({
      [PATH]: [cutAfter(other, CUT), serve(tarball, { etag: '"v2"' })],
    });
    await using source = await sourceContext();
    const verified = await source.verify(`${server.origin}${PATH}`, integrity);
    expect(verified.evidence[0]?.value).toBe(integrity);
  });

  test.each<[string, Behaviour, string]>([
    ['cut for ever', cutAfter(tarball, 10), 'RegistryUnavailable'],
    ['encoded', serveWhole(tarball, { 'content-encoding': 'gzip' }), 'UnexpectedContent'],
    ['altered', serveWhole(other), 'IntegrityMismatch'],
    [
      'a login page',
      serveWhole(Buffer.from('<!doctype html><title>Sign in'), { 'content-type': 'text/html' }),
      'IntegrityMismatch',
    ],
    ['nothing', serveWhole(Buffer.alloc(0)), 'IntegrityMismatch'],
    ['status 204', status(204), 'UnexpectedContent'],
    ['status 401', status(401), 'AuthRefused'],
    ['status 403', status(403), 'AuthRefused'],
    ['status 404', status(404), 'PackageNotFound'],
    ['status 410', status(410), 'PackageNotFound'],
    ['status 400', status(400), 'RegistryUnavailable'],
    ['status 429 for ever', status(429), 'RateLimited'],
    ['status 500 for ever', status(500), 'RegistryUnavailable'],
    ['status 304, unasked', status(304), 'UnexpectedContent'],
  ])('%s has a reason', async (_what, behaviour, reason) => {
    await using server = await startFaultServer({ [PATH]: behaviour });
    await using source = await sourceContext({ limits: { attempts: 3 } });
    const error = await failureOf(source.verify(`${server.origin}${PATH}?sig=hunter2`, integrity));
    expect(error.reason).toBe(reason);
    expect(visible(error)).not.toContain('hunter2');
  });

  test('larger than an archive may be is refused before it is read', async () => {
    await using server = await startFaultServer({ [PATH]: serveWhole(tarball) });
    await using source = await sourceContext({ limits: { archiveBytes: 1000 } });
    const error = await failureOf(source.verify(`${server.origin}${PATH}`, integrity));
    expect(error.reason).toBe('SizeBudgetExceeded');
    expect(error.details).toMatchObject({ limit: 1000, setting: 'PORTAL_PLUGINS_MAX_BLOB_BYTES' });
  });

  test('that is a page names the cause and keeps the pin', async () => {
    await using server = await startFaultServer({ [PATH]: serveWhole(Buffer.from('<html>Sign in</html>')) });
    await using source = await sourceContext();
    const error = await failureOf(source.verify(`${server.origin}${PATH}`, integrity));
    expect(error.details).toMatchObject({ evidence: 'page', expected: integrity, from: `${server.origin}${PATH}` });
    expect(error.fix).toContain('keep plugins[0].integrity');
  });

  test('nobody pinned is refused, with the value to pin', async () => {
    await using server = await startFaultServer({ [PATH]: serveWhole(tarball) });
    await using source = await sourceContext({ options: { requireIntegrity: false } });
    const error = await failureOf(source.verify(`${server.origin}${PATH}`));
    expect(error.reason).toBe('IntegrityUnavailable');
    expect(error.details['computed']).toBe(integrity);
  });
});

describe('a redirect', () => {
  test('is followed to where allowedSources admits', async () => {
    await using cdn = await startFaultServer({ '/blob': serve(tarball) });
    await using server = await startFaultServer({ [PATH]: redirect(`${cdn.origin}/blob?sig=x`) });
    const admits = patterns(`${server.origin}/files`, cdn.origin);
    await using source = await sourceContext({ admits });
    const verified = await source.verify(`${server.origin}${PATH}`, integrity);
    expect(verified.archives[0]?.from).toBe(`${cdn.origin}/blob?…`);
  });

  test.each([
    ['another host', (cdn: string) => `${cdn}/blob`],
    ['an encoded slash on an admitted host', (_cdn: string, own: string) => `${own}/files/x%2f..%2f..%2fblob`],
    ['another path of the host', (_cdn: string, own: string) => `${own}/elsewhere/blob`],
  ])('to %s that no pattern admits is refused before it is asked, with the pattern to add', async (_what, target) => {
    await using cdn = await startFaultServer({ '/blob': serve(tarball) });
    const script: Record<string, Behaviour> = {};
    await using server = await startFaultServer(script);
    const to = target(cdn.origin, server.origin);
    script[PATH] = redirect(`${to}?sig=hunter2`);
    await using source = await sourceContext({ admits: patterns(`${server.origin}/files`) });
    const error = await failureOf(source.verify(`${server.origin}${PATH}`, integrity));
    expect(error.reason).toBe('SourceNotAllowed');
    expect(error.details['pattern']).toBe(new URL(to).origin);
    expect(visible(error)).not.toContain('hunter2');
    expect([...cdn.seen, ...server.seen.slice(1)]).toEqual([]);
  });

  test('of every hop is asked about', async () => {
    await using last = await startFaultServer({ '/c': serve(tarball) });
    await using middle = await startFaultServer({ '/b': redirect(`${last.origin}/c`) });
    await using first = await startFaultServer({ '/a': redirect(`${middle.origin}/b`) });
    await using source = await sourceContext({ admits: patterns(first.origin, middle.origin) });
    const error = await failureOf(source.verify(`${first.origin}/a`, integrity));
    expect(error.details['pattern']).toBe(last.origin);
    expect(last.seen).toEqual([]);
  });

  test.each([
    ['in a circle', (own: string) => `${own}${PATH}`],
    ['to a file', () => 'file:///etc/passwd'],
    ['with userinfo', (own: string) => own.replace('//', '//u:p@')],
    ['to a private address', () => 'http://10.0.0.1/x.tgz'],
    ['to the metadata service', () => 'https://169.254.169.254/latest/'],
  ])('%s is refused', async (_what, target) => {
    const script: Record<string, Behaviour> = {};
    await using server = await startFaultServer(script);
    script[PATH] = redirect(target(server.origin));
    await using source = await sourceContext({ allowPrivateRedirects: [] });
    expect((await failureOf(source.verify(`${server.origin}${PATH}`, integrity))).reason).toBe('RedirectRefused');
  });
});

const noTls = whyNoTls();
describe.skipIf(noTls !== undefined)(`over TLS${noTls === undefined ? '' : ` (skipped: ${noTls})`}`, () => {
  const ca = noTls === undefined ? makeCa('test') : undefined;
  const tls = { cert: ca?.server.cert ?? '', key: ca?.server.key ?? '' };
  const caPem = [ca?.ca ?? ''];

  test('an archive comes with the credential of its host and path, and leaves it behind when it goes elsewhere', async () => {
    await using cdn = await startFaultServer({ '/blob': serve(tarball) }, { tls });
    await using server = await startFaultServer(
      { '/team/x.tgz': redirect(`${cdn.origin}/blob`), [PATH]: serve(tarball) },
      { tls },
    );
    const host = new URL(server.origin).host;
    await using source = await sourceContext({ caPem, npmrc: `//${host}/team/:_authToken=hunter2\n` });
    await source.verify(`${server.origin}/team/x.tgz`, integrity);
    await source.verify(`${server.origin}${PATH}`, integrity);
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer hunter2', undefined]);
    expect(cdn.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('no credential goes over plain http, listed or not', async () => {
    await using server = await startFaultServer({ [PATH]: serve(tarball) });
    const host = new URL(server.origin).host;
    await using source = await sourceContext({ npmrc: `//${host}/:_authToken=hunter2\n` });
    await source.verify(`${server.origin}${PATH}`, integrity);
    expect(server.seen[0]?.headers).not.toHaveProperty('authorization');
  });

  test('https is not left for plain http, even to a listed host', async () => {
    await using plain = await startFaultServer({ '/blob': serve(tarball) });
    await using server = await startFaultServer({ [PATH]: redirect(`${plain.origin}/blob`) }, { tls });
    await using source = await sourceContext({ caPem });
    expect((await failureOf(source.verify(`${server.origin}${PATH}`, integrity))).reason).toBe('RedirectRefused');
    expect(plain.seen).toEqual([]);
  });

  test('a host key of .npmrc may bring its own CA', async () => {
    await using server = await startFaultServer({ [PATH]: serve(tarball) }, { tls });
    const host = new URL(server.origin).host;
    const pem = JSON.stringify(ca?.ca ?? '');
    await using without = await sourceContext();
    expect((await failureOf(without.verify(`${server.origin}${PATH}`, integrity))).reason).toBe('TlsFailed');
    await using source = await sourceContext({ npmrc: `//${host}/:ca=${pem}\n` });
    await source.verify(`${server.origin}${PATH}`, integrity);
  });

  test('a client certificate of .npmrc is shown', async () => {
    await using server = await startFaultServer(
      { [PATH]: forKnownClients },
      { tls: { ...tls, ca: ca?.ca ?? '', requestCert: true } },
    );
    const host = new URL(server.origin).host;
    const lines = [
      `//${host}/:ca=${JSON.stringify(ca?.ca ?? '')}`,
      `//${host}/:cert=${JSON.stringify(ca?.client.cert ?? '')}`,
      `//${host}/:key=${JSON.stringify(ca?.client.key ?? '')}`,
    ];
    await using stranger = await sourceContext({ caPem });
    expect((await failureOf(stranger.verify(`${server.origin}${PATH}`, integrity))).reason).toBe('AuthRefused');
    await using source = await sourceContext({ npmrc: lines.join('\n') });
    const verified = await source.verify(`${server.origin}${PATH}`, integrity);
    expect(verified.evidence[0]?.value).toBe(sriOf(tarball));
    expect(source.credentials.secrets).toEqual([ca?.client.key]);
  });
});
