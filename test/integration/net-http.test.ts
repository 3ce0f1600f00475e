import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { HttpResponse } from '../../installer/core/context.ts';
import { InstallError } from '../../installer/core/errors.ts';
import { DEFAULT_LIMITS } from '../../installer/core/limits.ts';
import { instantClock } from '../support/clock.ts';
import { testContext } from '../support/context.ts';
import {
  cutAfter,
  drip,
  garbage,
  hang,
  redirect,
  resetAfter,
  resetAtOnce,
  serve,
  serveChunked,
  stallAfter,
  startFaultServer,
  status,
} from '../support/fault-server.ts';
import { failureOf, get, testHttp } from '../support/http.ts';

const BYTES = randomBytes(300_000);
const tooLarge = (): Error => new InstallError('ManifestInvalid', 'too large');

async function readAll(response: HttpResponse): Promise<Buffer> {
  return response.bytes(10_000_000, tooLarge);
}

describe('an exchange', () => {
  test('asks for unencoded bytes, names this program, and passes on headers and credentials', async () => {
    await using server = await startFaultServer({ '/a': serve(BYTES) });
    await using http = testHttp();
    const headers = { accept: 'application/json', 'accept-encoding': 'gzip', 'user-agent': 'other' };
    const response = await http.exchange(get(server.url('/a'), { headers, authorization: 'Bearer t' }));
    expect((await readAll(response)).equals(BYTES)).toBe(true);
    expect(response).toMatchObject({ status: 200, isSameOrigin: true });
    expect(server.seen[0]?.headers).toMatchObject({
      accept: 'application/json',
      authorization: 'Bearer t',
      'accept-encoding': 'identity',
      'user-agent': 'portal-plugin-installer/test',
    });
  });

  test('gives all values of a repeated header', async () => {
    await using server = await startFaultServer({
      '/a': (_request, response) =>
        response.writeHead(401, { 'www-authenticate': ['Basic', 'Bearer realm="x"'] }).end(),
    });
    await using http = testHttp();
    const response = await http.exchange(get(server.url('/a')));
    expect(response.headers('www-authenticate')).toEqual(['Basic', 'Bearer realm="x"']);
    expect(response.header('www-authenticate')).toBe('Basic, Bearer realm="x"');
    expect(response.header('absent')).toBeUndefined();
    expect(response.headers('absent')).toEqual([]);
    await response.discard();
  });

  test('sends the form of a token POST', async () => {
    await using server = await startFaultServer({ '/token': status(200, {}, '{}') });
    await using http = testHttp();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await http.exchange(get(server.url('/token'), { method: 'POST', headers, body: 'grant_type=x' }));
    await response.discard();
    expect(server.seen[0]).toMatchObject({ method: 'POST', body: 'grant_type=x' });
  });

  test.each([400, 401, 403, 404, 410, 416, 451])('resolves with status %d', async (code) => {
    await using server = await startFaultServer({ '/a': status(code, {}, 'why') });
    await using http = testHttp();
    const response = await http.exchange(get(server.url('/a')));
    expect(response.status).toBe(code);
    expect((await readAll(response)).toString()).toBe('why');
  });

  test.each([
    [408, 'RegistryUnavailable', true],
    [425, 'RegistryUnavailable', true],
    [429, 'RateLimited', true],
    [500, 'RegistryUnavailable', true],
    [501, 'RegistryUnavailable', false],
    [502, 'RegistryUnavailable', true],
    [503, 'RegistryUnavailable', true],
    [504, 'RegistryUnavailable', true],
  ])('throws status %d as %s, transient: %s', async (code, reason, isTransient) => {
    await using server = await startFaultServer({ '/a': status(code, {}, 'maintenance') });
    await using http = testHttp();
    const error = await failureOf(http.exchange(get(server.url('/a?token=secret'))));
    expect(error).toMatchObject({
      reason,
      details: { url: `${server.origin}/a?…`, status: code, answer: 'maintenance' },
    });
    expect(error.transient?.code).toBe(isTransient ? String(code) : undefined);
  });

  test.each([
    [429, '7', 7000],
    [503, '7', 7000],
    [503, 'Fri, 02 Jan 2026 03:04:35 GMT', 30_000],
    [500, '7', undefined],
    [503, 'soon', undefined],
  ])('status %d with Retry-After %s asks for a wait of %s ms', async (code, header, expected) => {
    await using server = await startFaultServer({ '/a': status(code, { 'retry-after': header }) });
    await using http = testHttp();
    const error = await failureOf(http.exchange(get(server.url('/a'))));
    expect(error.transient?.retryAfterMs).toBe(expected);
  });

  test('reads no more than the limit of an error body', async () => {
    await using server = await startFaultServer({ '/a': status(503, {}, 'x'.repeat(1_000_000)) });
    await using http = testHttp({ limits: { errorBodyBytes: 100 } });
    const error = await failureOf(http.exchange(get(server.url('/a'))));
    expect(error.details['answer']).toBe('x'.repeat(100));
  });

  test('uses one connection for requests that follow one another', async () => {
    await using server = await startFaultServer({
      '/a': serve(BYTES),
      '/b': redirect('/a'),
      '/c': status(401, {}, 'no'),
    });
    await using http = testHttp();
    const ports = new Set<unknown>();
    for (const path of ['/a', '/b', '/c', '/a']) {
      const response = await http.exchange(get(server.url(path)));
      await (response.status === 200 ? readAll(response) : response.discard());
    }
    for (const request of server.seen) ports.add(request.port);
    expect(server.seen).toHaveLength(5);
    expect(ports.size).toBe(1);
  });
});

describe('a connection that fails', () => {
  test('because nobody listens is transient', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => {
      server.close(resolve);
    });
    await using http = testHttp();
    const error = await failureOf(http.exchange(get(`http://127.0.0.1:${port}/a`)));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: 'ECONNREFUSED' } });
  });

  test('because the name does not exist is DnsFailed and final', async () => {
    await using http = testHttp({ network: { insecureHosts: ['does-not-exist.invalid'] } });
    const error = await failureOf(http.exchange(get('http://does-not-exist.invalid/a')));
    expect(error.reason).toBe('DnsFailed');
    // Where no name server can be asked at all, the resolver says "try again".
    if (error.details['fault'] === 'ENOTFOUND') expect(error.transient).toBeUndefined();
    else expect(error.transient?.code).toBe('EAI_AGAIN');
  });

  test('because it is reset at once is transient', async () => {
    await using server = await startFaultServer({ '/a': resetAtOnce() });
    await using http = testHttp();
    const error = await failureOf(http.exchange(get(server.url('/a'))));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: 'ECONNRESET' } });
  });

  test('because the host accepts and then says nothing, not even TLS, is transient after the connect timeout', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    await using http = testHttp({ limits: { connectTimeoutMs: 100 } });
    const error = await failureOf(http.exchange(get(`https://127.0.0.1:${port}/a`)));
    for (const socket of sockets) socket.destroy();
    server.close();
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: 'connect_timeout' } });
  });

  test('because no answer comes is transient after the headers timeout', async () => {
    await using server = await startFaultServer({ '/a': hang() });
    await using http = testHttp({ limits: { headersTimeoutMs: 100 } });
    const error = await failureOf(http.exchange(get(server.url('/a'))));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: 'headers_timeout' } });
  });

  test('because the answer is no HTTP is RegistryUnavailable', async () => {
    await using server = await startFaultServer({ '/a': garbage() });
    await using http = testHttp();
    const error = await failureOf(http.exchange(get(server.url('/a'))));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: 'http_invalid' } });
  });

  test('because the headers are endless is RegistryUnavailable and final', async () => {
    await using server = await startFaultServer({ '/a': status(200, { 'x-long': 'x'.repeat(100_000) }) });
    await using http = testHttp();
    const error = await failureOf(http.exchange(get(server.url('/a'))));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: undefined });
  });

  test.each([
    ['a TLS handshake that nobody answers', 'direct'],
    ['a proxy that does not answer', 'proxy'],
  ])('because it was aborted during %s throws at once', async (_what, way) => {
    const controller = new AbortController();
    const stop = new InstallError('Terminated', 'stop');
    const silent = createServer(() => controller.abort(stop));
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve);
    });
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const network = way === 'proxy' ? { httpsProxy: `http://${address}` } : {};
    const url = way === 'proxy' ? 'https://registry.test/' : `https://${address}/`;
    const http = testHttp({ network });
    const startedAt = performance.now();
    await expect(http.exchange(get(url, { signal: controller.signal }))).rejects.toBe(stop);
    await http.close();
    // The connect timeout is 10 s.
    expect(performance.now() - startedAt).toBeLessThan(5000);
    silent.close();
  });

  test('because it was aborted throws the reason of the signal', async () => {
    await using server = await startFaultServer({ '/a': hang() });
    await using http = testHttp();
    const controller = new AbortController();
    const stop = new InstallError('DeadlineExceeded', 'too late');
    const pending = http.exchange(get(server.url('/a'), { signal: controller.signal }));
    controller.abort(stop);
    await expect(pending).rejects.toBe(stop);
  });
});

describe('a body', () => {
  test.each([0, 1, 150_000, 299_999])('that is reset after %d bytes is transient', async (count) => {
    await using server = await startFaultServer({ '/a': resetAfter(BYTES, count) });
    await using http = testHttp();
    const response = await http.exchange(get(server.url('/a')));
    const error = await failureOf(readAll(response));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', details: { url: `${server.origin}/a` } });
    expect(error.transient?.code).toMatch(/ECONNRESET|connection_closed/);
  });

  test.each([0, 1, 150_000, 299_999])(
    'that is shorter than announced by all but %d bytes is transient',
    async (count) => {
      await using server = await startFaultServer({ '/a': cutAfter(BYTES, count) });
      await using http = testHttp();
      const error = await failureOf(readAll(await http.exchange(get(server.url('/a')))));
      expect(error).toMatchObject({ reason: 'RegistryUnavailable' });
      expect(error.transient?.code).toMatch(/connection_closed|content_length_mismatch/);
    },
  );

  test('that stalls for ever is transient after the idle timeout', async () => {
    await using server = await startFaultServer({ '/a': stallAfter(BYTES, 1000) });
    await using http = testHttp({ limits: { bodyIdleTimeoutMs: 200 } });
    const error = await failureOf(readAll(await http.exchange(get(server.url('/a')))));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: 'body_idle_timeout' } });
  });

  test('that drips never gets past the floor of speed', async () => {
    // Each look at this clock is ten seconds later, so twenty bytes are a minute and a half.
    const clock = instantClock();
    const slow = { ...clock, monotonic: () => (clock.advance(10_000), clock.monotonic()) };
    await using server = await startFaultServer({ '/a': drip(BYTES, 5) });
    await using http = testHttp({ clock: slow });
    const error = await failureOf(readAll(await http.exchange(get(server.url('/a')))));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', transient: { code: 'body_too_slow' } });
  });

  test('without a length is read to its end', async () => {
    await using server = await startFaultServer({ '/a': serveChunked(BYTES) });
    await using http = testHttp();
    expect((await readAll(await http.exchange(get(server.url('/a'))))).equals(BYTES)).toBe(true);
  });

  test.each([
    ['announced', serve(BYTES)],
    ['not announced', serveChunked(BYTES)],
  ])('that is too large throws the reader’s error, size %s', async (_how, behaviour) => {
    await using server = await startFaultServer({ '/a': behaviour });
    await using http = testHttp();
    const response = await http.exchange(get(server.url('/a')));
    expect((await failureOf(response.bytes(299_999, tooLarge))).reason).toBe('ManifestInvalid');
  });

  test('of exactly the limit passes', async () => {
    await using server = await startFaultServer({ '/a': serve(BYTES) });
    await using http = testHttp();
    expect(await (await http.exchange(get(server.url('/a')))).bytes(BYTES.length, tooLarge)).toHaveLength(BYTES.length);
  });

  test('that is aborted while it is read throws the reason of the signal', async () => {
    await using server = await startFaultServer({ '/a': stallAfter(BYTES, 1000) });
    await using http = testHttp();
    const controller = new AbortController();
    const stop = new InstallError('Terminated', 'stop');
    const response = await http.exchange(get(server.url('/a'), { signal: controller.signal }));
    const reading = readAll(response);
    controller.abort(stop);
    await expect(reading).rejects.toBe(stop);
  });

  test('that stalls can be discarded without waiting for its end', async () => {
    await using server = await startFaultServer({ '/a': stallAfter(BYTES, 10) });
    await using http = testHttp({ limits: { concurrencyPerHost: 1 } });
    await (await http.exchange(get(server.url('/a')))).discard();
    const next = await http.exchange(get(server.url('/absent')));
    expect(next.status).toBe(404);
    await next.discard();
  });
});

describe('requests to one host', () => {
  test('are never more at once than the setting says, bodies included', async () => {
    await using server = await startFaultServer({
      '/a': (_request, response) => void setTimeout(() => response.end(BYTES), 20),
    });
    await using http = testHttp({ limits: { concurrencyPerHost: 2 } });
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        await readAll(await http.exchange(get(server.url('/a'))));
      }),
    );
    expect(server.seen).toHaveLength(8);
    expect(server.load.peak).toBe(2);
  });

  test.each([
    ['a status that is thrown', status(503)],
    ['a reset', resetAtOnce()],
    ['a broken body', resetAfter(BYTES, 100)],
    ['a redirect loop', redirect('/fault')],
  ])('get their turn after %s', async (_what, fault) => {
    await using server = await startFaultServer({ '/fault': fault, '/good': serve(BYTES) });
    await using http = testHttp({ limits: { concurrencyPerHost: 1 } });
    await http
      .exchange(get(server.url('/fault')))
      .then(readAll)
      .catch(() => undefined);
    expect((await readAll(await http.exchange(get(server.url('/good'))))).equals(BYTES)).toBe(true);
  });
});

describe('with retries', () => {
  test('a server that fails once is asked again', async () => {
    await using server = await startFaultServer({ '/a': [status(503, { 'retry-after': '2' }), serve(BYTES)] });
    const clock = instantClock(() => 0);
    await using http = testHttp({ clock });
    const ctx = testContext({ clock });
    const body = await http.retry(async () => readAll(await http.exchange(get(server.url('/a')))), ctx);
    expect(body.equals(BYTES)).toBe(true);
    expect(clock.sleeps).toEqual([2000]);
    expect(ctx.events).toMatchObject([{ event: 'plugin_retry', code: '503', attempt: 1, waitMs: 2000 }]);
  });

  test('a server that always fails is asked five times', async () => {
    await using server = await startFaultServer({ '/a': status(502) });
    await using http = testHttp();
    const error = await failureOf(http.retry(async () => http.exchange(get(server.url('/a'))), testContext()));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', details: { attempts: DEFAULT_LIMITS.attempts } });
    expect(server.seen).toHaveLength(DEFAULT_LIMITS.attempts);
  });

  test('a server that asks for a wait beyond the deadline is not asked again', async () => {
    await using server = await startFaultServer({ '/a': status(429, { 'retry-after': '3600' }) });
    await using http = testHttp();
    const ctx = testContext({ deadline: 600_000 });
    const error = await failureOf(http.retry(async () => http.exchange(get(server.url('/a'))), ctx));
    expect(error.reason).toBe('RateLimited');
    expect(server.seen).toHaveLength(1);
  });

  test.each([400, 401, 403, 404, 410])('status %d is not asked again', async (code) => {
    await using server = await startFaultServer({ '/a': status(code) });
    await using http = testHttp();
    const response = await http.retry(async () => http.exchange(get(server.url('/a'))), testContext());
    await response.discard();
    expect(server.seen).toHaveLength(1);
  });
});

test('more redirects than the limit are RedirectRefused', async () => {
  await using server = await startFaultServer({ '/loop': redirect('/loop') });
  await using http = testHttp();
  const error = await failureOf(http.exchange(get(server.url('/loop'))));
  expect(error).toMatchObject({ reason: 'RedirectRefused', details: { from: server.origin } });
  expect(server.seen).toHaveLength(DEFAULT_LIMITS.redirects + 1);
});

test('a redirect that the caller does not admit is never requested', async () => {
  await using server = await startFaultServer({ '/a': redirect('/b'), '/b': serve(BYTES) });
  await using http = testHttp();
  const refusal = new InstallError('SourceNotAllowed', 'no');
  const admitRedirect = (target: URL): void => {
    expect(target.href).toBe(`${server.origin}/b`);
    throw refusal;
  };
  expect(await failureOf(http.exchange(get(server.url('/a'), { admitRedirect })))).toBe(refusal);
  expect(server.seen).toHaveLength(1);
});
