import { describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import { proxySettings } from '../../../installer/net/proxy.ts';
import { proxyRefused, proxyUnreachable } from '../../../installer/net/tunnel.ts';
import { NO_NETWORK_SETTINGS } from '../../support/http.ts';

const HTTPS = new URL('https://r.example/');
const HTTP = new URL('http://r.example/');

test('each scheme has its own proxy and the other one is never used', () => {
  const proxyFor = proxySettings({ ...NO_NETWORK_SETTINGS, httpProxy: 'http://plain:3128' });
  expect(proxyFor(HTTP)?.origin).toBe('http://plain:3128');
  expect(proxyFor(HTTPS)).toBeUndefined();
});

test('NO_PROXY leads around it', () => {
  const proxyFor = proxySettings({ ...NO_NETWORK_SETTINGS, httpsProxy: 'http://proxy:3128', noProxy: 'r.example' });
  expect(proxyFor(HTTPS)).toBeUndefined();
  expect(proxyFor(new URL('https://other.example/'))?.origin).toBe('http://proxy:3128');
});

test.each([
  ['proxy:3128', 'http://proxy:3128', undefined],
  [' http://proxy:3128/ ', 'http://proxy:3128', undefined],
  ['https://proxy', 'https://proxy', undefined],
  ['http://user:pass@proxy:3128', 'http://proxy:3128', 'user:pass'],
  ['http://user:p%40ss@proxy:3128', 'http://proxy:3128', 'user:p@ss'],
  ['http://user:100%25@proxy:3128', 'http://proxy:3128', 'user:100%'],
  ['http://user:100%@proxy:3128', 'http://proxy:3128', 'user:100%'],
  ['user:pass@proxy:3128', 'http://proxy:3128', 'user:pass'],
  ['http://user@proxy:3128', 'http://proxy:3128', 'user:'],
])('%s is the proxy %s with the credentials %s', (setting, origin, credentials) => {
  const proxy = proxySettings({ ...NO_NETWORK_SETTINGS, httpsProxy: setting })(HTTPS);
  const authorization = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
  expect(proxy).toMatchObject({ origin, authorization });
});

test.each(['', '   ', undefined])('%j means no proxy', (setting) => {
  expect(proxySettings({ ...NO_NETWORK_SETTINGS, httpsProxy: setting })(HTTPS)).toBeUndefined();
});

test.each(['socks5://user:secret@proxy:1080', 'http://:secret@', 'http://secret host'])(
  'a proxy address that cannot be used is UsageInvalid and not repeated: %s',
  (setting) => {
    const act = (): unknown => proxySettings({ ...NO_NETWORK_SETTINGS, httpsProxy: setting });
    expect(act).toThrow(InstallError);
    try {
      act();
    } catch (error) {
      expect(error).toMatchObject({ reason: 'UsageInvalid', details: { setting: 'HTTPS_PROXY' } });
      expect(String(error)).not.toContain('secret');
    }
  },
);

describe('a failing proxy', () => {
  const proxy = { origin: 'http://proxy:3128', hostname: 'proxy', authorization: 'Basic secret' };

  test.each([
    [407, undefined],
    [403, undefined],
    [502, 'proxy_502'],
    [503, 'proxy_503'],
  ])('that answers %d is ProxyFailed, names the proxy, and its transient code is %s', (status, code) => {
    const error = proxyRefused(proxy, status, 'r.example:443');
    expect(error).toMatchObject({ reason: 'ProxyFailed', details: { proxy: 'http://proxy:3128', status } });
    expect(error.transient?.code).toBe(code);
    expect(JSON.stringify([error.message, error.details])).not.toContain('secret');
  });

  test.each([
    ['ECONNREFUSED', 'proxy_ECONNREFUSED'],
    ['UND_ERR_SOCKET', 'proxy_connection_closed'],
    ['ENOTFOUND', undefined],
    ['CERT_HAS_EXPIRED', undefined],
  ])('that fails with %s is ProxyFailed with the transient code %s', (code, transient) => {
    const error = proxyUnreachable(proxy, Object.assign(new Error('x'), { code }));
    expect(error.reason).toBe('ProxyFailed');
    expect(error.transient?.code).toBe(transient);
  });
});
