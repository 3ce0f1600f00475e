import { describe, expect, test } from 'vitest';
import type { NetworkSettings } from '../../installer/core/settings.ts';
import { redirect, serve, startFaultServer, status } from '../support/fault-server.ts';
import { failureOf, get, testHttp } from '../support/http.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestProxy } from '../support/proxy.ts';
import { makeCa, whyNoTls } from '../support/tls.ts';

const skipped = whyNoTls();
const BYTES = Buffer.from('archive');
const tooLarge = (): Error => new Error('too large');

const plainProxy = (proxy: TestProxy, login = ''): Partial<NetworkSettings> => ({
  httpProxy: proxy.origin.replace('//', `//${login}`),
});
const secureProxy = (proxy: TestProxy, login = ''): Partial<NetworkSettings> => ({
  httpsProxy: proxy.origin.replace('//', `//${login}`),
});

describe('plain http through a proxy', () => {
  test('is forwarded in absolute form', async () => {
    await using server = await startFaultServer({ '/a': serve(BYTES) });
    await using proxy = await startProxy();
    await using http = testHttp({ network: plainProxy(proxy) });
    const response = await http.exchange(get(server.url('/a?b=c'), { authorization: 'Bearer t' }));
    expect((await response.bytes(100, tooLarge)).equals(BYTES)).toBe(true);
    expect(proxy.seen).toEqual([`GET ${server.origin}/a?b=c`]);
    expect(server.seen[0]?.headers).toMatchObject({ host: `127.0.0.1:${server.port}`, authorization: 'Bearer t' });
  });

  test('sends the credentials of the proxy to the proxy alone', async () => {
    await using server = await startFaultServer({ '/a': serve(BYTES) });
    await using proxy = await startProxy({ credentials: 'user:p@ss' });
    await using http = testHttp({ network: plainProxy(proxy, 'user:p%40ss@') });
    const response = await http.exchange(get(server.url('/a')));
    expect(response.status).toBe(200);
    await response.discard();
    expect(server.seen[0]?.headers['proxy-authorization']).toBeUndefined();
  });

  test('a 407 is ProxyFailed and names the proxy without its password', async () => {
    await using server = await startFaultServer({ '/a': serve(BYTES) });
    await using proxy = await startProxy({ credentials: 'user:right' });
    await using http = testHttp({ network: plainProxy(proxy, 'user:wrong-secret@') });
    const error = await failureOf(http.exchange(get(server.url('/a'))));
    expect(error).toMatchObject({
      reason: 'ProxyFailed',
      transient: undefined,
      details: { proxy: proxy.origin, status: 407 },
    });
    expect(JSON.stringify([error.message, error.details])).not.toContain('wrong-secret');
    expect(server.seen).toHaveLength(0);
  });

  test('a proxy that is gone is ProxyFailed and transient', async () => {
    const proxy = await startProxy();
    await proxy[Symbol.asyncDispose]();
    await using http = testHttp({ network: plainProxy(proxy) });
    const error = await failureOf(http.exchange(get('http://127.0.0.1:1/a')));
    expect(error).toMatchObject({ reason: 'ProxyFailed', transient: { code: 'proxy_ECONNREFUSED' } });
  });

  test('hosts of NO_PROXY are reached directly', async () => {
    await using server = await startFaultServer({ '/a': serve(BYTES) });
    await using proxy = await startProxy();
    await using http = testHttp({ network: { ...plainProxy(proxy), noProxy: '127.0.0.0/8' } });
    await (await http.exchange(get(server.url('/a')))).discard();
    expect(proxy.seen).toEqual([]);
    expect(server.seen).toHaveLength(1);
  });
});

describe.skipIf(skipped !== undefined)(
  `https through a proxy${skipped === undefined ? '' : ` (skipped: ${skipped})`}`,
  () => {
    const ca = makeCa('Private CA');
    const proxyCa = makeCa('Proxy CA');

    test('is tunnelled, with the private CA inside the tunnel, and the proxy sees host and port only', async () => {
      await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls: ca.server });
      await using proxy = await startProxy();
      await using http = testHttp({ caPem: [ca.ca], network: secureProxy(proxy) });
      const response = await http.exchange(get(server.url('/a?token=secret'), { authorization: 'Bearer t' }));
      expect((await response.bytes(100, tooLarge)).equals(BYTES)).toBe(true);
      expect(proxy.seen).toEqual([`CONNECT 127.0.0.1:${server.port}`]);
      expect(server.seen[0]?.headers['authorization']).toBe('Bearer t');
    });

    test('names that only the proxy can resolve work, with the right server name', async () => {
      await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls: ca.server, host: 'registry.test' });
      await using proxy = await startProxy({ hosts: ['registry.test'] });
      await using http = testHttp({ caPem: [ca.ca], network: secureProxy(proxy) });
      const response = await http.exchange(get(server.url('/a')));
      expect(response.status).toBe(200);
      await response.discard();
      expect(proxy.seen).toEqual([`CONNECT registry.test:${server.port}`]);
    });

    test.each([
      ['an unknown CA', ca.server, [proxyCa.ca], /UNABLE_TO|SELF_SIGNED/],
      ['an expired certificate', ca.expired, [ca.ca], /^CERT_HAS_EXPIRED$/],
      ['a certificate for another name', ca.wrongName, [ca.ca], /^ERR_TLS_CERT_ALTNAME_INVALID$/],
    ])('%s inside the tunnel is TlsFailed of the target, not of the proxy', async (_what, tls, caPem, fault) => {
      await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls });
      await using proxy = await startProxy();
      await using http = testHttp({ caPem, network: secureProxy(proxy) });
      const error = await failureOf(http.exchange(get(server.url('/a'))));
      expect(error).toMatchObject({
        reason: 'TlsFailed',
        transient: undefined,
        details: { url: `${server.origin}/a` },
      });
      expect(error.details['fault']).toMatch(fault);
    });

    test('the credentials of the proxy open the tunnel', async () => {
      await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls: ca.server });
      await using proxy = await startProxy({ credentials: 'user:pass' });
      await using http = testHttp({ caPem: [ca.ca], network: secureProxy(proxy, 'user:pass@') });
      const response = await http.exchange(get(server.url('/a')));
      expect(response.status).toBe(200);
      await response.discard();
      expect(server.seen[0]?.headers['proxy-authorization']).toBeUndefined();
    });

    test.each([
      [407, undefined],
      [403, undefined],
      [502, 'proxy_502'],
      [503, 'proxy_503'],
    ])('a proxy that answers CONNECT with %d is ProxyFailed with the transient code %s', async (code, transient) => {
      await using proxy = await startProxy({ refuseWith: code });
      await using http = testHttp({ network: secureProxy(proxy, 'user:wrong-secret@') });
      const error = await failureOf(http.exchange(get('https://registry.test/a')));
      expect(error).toMatchObject({
        reason: 'ProxyFailed',
        details: { proxy: proxy.origin, status: code, target: 'registry.test:443' },
      });
      expect(error.transient?.code).toBe(transient);
      expect(JSON.stringify([error.message, error.details])).not.toContain('wrong-secret');
    });

    test('a proxy that is gone is ProxyFailed and transient', async () => {
      const proxy = await startProxy();
      await proxy[Symbol.asyncDispose]();
      await using http = testHttp({ network: secureProxy(proxy) });
      const error = await failureOf(http.exchange(get('https://registry.test/a')));
      expect(error).toMatchObject({ reason: 'ProxyFailed', transient: { code: 'proxy_ECONNREFUSED' } });
    });

    test('a proxy that hangs is ProxyFailed after the headers timeout', async () => {
      await using proxy = await startProxy({ isHanging: true });
      await using http = testHttp({ network: secureProxy(proxy), limits: { headersTimeoutMs: 100 } });
      const error = await failureOf(http.exchange(get('https://registry.test/a')));
      expect(error).toMatchObject({ reason: 'ProxyFailed', transient: { code: 'proxy_headers_timeout' } });
      expect(proxy.seen).toHaveLength(1);
    });

    test('a proxy with TLS of its own is verified against the same authorities', async () => {
      await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls: ca.server });
      await using proxy = await startProxy({ tls: proxyCa.server });
      await using trusting = testHttp({ caPem: [ca.ca, proxyCa.ca], network: secureProxy(proxy) });
      const response = await trusting.exchange(get(server.url('/a')));
      expect(response.status).toBe(200);
      await response.discard();
      await using doubting = testHttp({ caPem: [ca.ca], network: secureProxy(proxy) });
      const error = await failureOf(doubting.exchange(get(server.url('/a'))));
      expect(error).toMatchObject({ reason: 'ProxyFailed', transient: undefined, details: { proxy: proxy.origin } });
    });

    test('a redirect to a private literal is refused through a proxy as well', async () => {
      await using server = await startFaultServer(
        { '/a': redirect('https://169.254.169.254/latest') },
        { tls: ca.server },
      );
      await using proxy = await startProxy();
      await using http = testHttp({ caPem: [ca.ca], network: secureProxy(proxy) });
      expect((await failureOf(http.exchange(get(server.url('/a'))))).reason).toBe('RedirectRefused');
      expect(proxy.seen).toHaveLength(1);
    });

    test('an error status of the target is not taken for the proxy’s', async () => {
      await using server = await startFaultServer({ '/a': status(407) }, { tls: ca.server });
      await using proxy = await startProxy();
      await using http = testHttp({ caPem: [ca.ca], network: secureProxy(proxy) });
      const response = await http.exchange(get(server.url('/a')));
      expect(response.status).toBe(407);
      await response.discard();
    });
  },
);
