/** A registry must not make the installer call services that only this pod or node can reach (server-side request forgery). */
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { isIP } from 'node:net';
import { describe, expect, test } from 'vitest';
import { redirect, serve, startFaultServer } from '../support/fault-server.ts';
import { failureOf, get, testHttp } from '../support/http.ts';

const NAME = 'cdn.example';

/** Until disposed, the resolver knows NAME by these addresses; other names go to the real one. */
function nameResolvesTo(addresses: readonly string[]): { readonly asked: () => number } & Disposable {
  const real = dns.lookup;
  let asked = 0;
  const fake = (...args: readonly unknown[]): unknown => {
    const [name, , callback] = args;
    if (name !== NAME || typeof callback !== 'function') return Reflect.apply(real, dns, args);
    asked += 1;
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    return setImmediate(() => Reflect.apply(callback, undefined, [null, found]));
  };
  dns.lookup = fake as unknown as typeof dns.lookup;
  syncBuiltinESMExports();
  return {
    asked: () => asked,
    [Symbol.dispose]: () => {
      dns.lookup = real;
      syncBuiltinESMExports();
    },
  };
}

const BYTES = Buffer.from('secret of the node');

describe('a redirect to a private address', () => {
  test.each([
    'http://127.0.0.1:1/x',
    'http://localhost:1/x',
    'http://[::1]:1/x',
    'http://0.0.0.0:1/x',
    'http://2130706433:1/x',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::ffff:169.254.169.254]/latest/meta-data/',
    'http://[fd00:ec2::254]/latest/meta-data/',
    'http://10.0.0.1/x',
    'http://192.168.0.1/x',
    'http://172.16.0.1/x',
  ])('%s is refused before any connection', async (target) => {
    await using registry = await startFaultServer({ '/a': redirect(target) });
    const insecureHosts = ['127.0.0.1', new URL(target).host];
    await using http = testHttp({ network: { insecureHosts } });
    const error = await failureOf(http.exchange(get(registry.url('/a'))));
    expect(error).toMatchObject({
      reason: 'RedirectRefused',
      transient: undefined,
      details: { from: registry.origin },
    });
    expect(error.fix).toContain('PORTAL_PLUGINS_ALLOW_PRIVATE_REDIRECTS');
  });

  test.each(['127.0.0.1', '::1', '169.254.169.254', '0.0.0.0', '::ffff:127.0.0.1'])(
    'by a name that resolves to %s is refused while connecting',
    async (address) => {
      using _resolver = nameResolvesTo(['93.184.216.34', address]);
      await using inside = await startFaultServer({ '/x': serve(BYTES) });
      await using registry = await startFaultServer({ '/a': redirect(`http://${NAME}:${inside.port}/x`) });
      await using http = testHttp({ network: { insecureHosts: ['127.0.0.1', NAME] } });
      const error = await failureOf(http.exchange(get(registry.url('/a'))));
      expect(error).toMatchObject({
        reason: 'RedirectRefused',
        details: { from: registry.origin, to: `http://${NAME}:${inside.port}` },
      });
      expect(inside.seen).toHaveLength(0);
    },
  );

  test('is refused as well when a packument names it, before any connection', async () => {
    using _resolver = nameResolvesTo(['169.254.169.254']);
    await using http = testHttp({ network: { insecureHosts: [NAME] } });
    const request = { ...get(new URL(`http://${NAME}/tarball.tgz`)), isNamedByServer: true };
    const error = await failureOf(http.exchange(request));
    expect(error.reason).toBe('RedirectRefused');
    expect(error.fix).toContain(`${NAME} in PORTAL_PLUGINS_ALLOW_PRIVATE_REDIRECTS`);
  });

  test('is followed when a packument names a host that is listed by name, as the fix says', async () => {
    using _resolver = nameResolvesTo(['127.0.0.1']);
    await using inside = await startFaultServer({ '/x': serve(BYTES) });
    await using http = testHttp({ network: { insecureHosts: [NAME], allowPrivateRedirects: [NAME] } });
    const request = { ...get(new URL(`http://${NAME}:${inside.port}/x`)), isNamedByServer: true };
    const response = await http.exchange(request);
    expect(response.status).toBe(200);
    await response.discard();
  });

  test('by a name is followed when the address is listed, and the name is resolved once', async () => {
    using resolver = nameResolvesTo(['127.0.0.1']);
    await using inside = await startFaultServer({ '/x': serve(BYTES) });
    await using registry = await startFaultServer({ '/a': redirect(`http://${NAME}:${inside.port}/x`) });
    const network = { insecureHosts: ['127.0.0.1', NAME], allowPrivateRedirects: ['127.0.0.0/8'] };
    await using http = testHttp({ network });
    const response = await http.exchange(get(registry.url('/a')));
    expect(response.status).toBe(200);
    await response.discard();
    expect(resolver.asked()).toBe(1);
  });

  test.each([['127.0.0.1'], ['127.0.0.0/8']])('is followed when %s is listed', async (listed) => {
    await using inside = await startFaultServer({ '/x': serve(BYTES) });
    await using registry = await startFaultServer({ '/a': redirect(inside.url('/x').href) });
    await using http = testHttp({ network: { allowPrivateRedirects: [listed] } });
    const response = await http.exchange(get(registry.url('/a')));
    expect(response.status).toBe(200);
    await response.discard();
  });

  test('is refused when only another port of it is listed', async () => {
    await using inside = await startFaultServer({ '/x': serve(BYTES) });
    await using registry = await startFaultServer({ '/a': redirect(inside.url('/x').href) });
    await using http = testHttp({ network: { allowPrivateRedirects: ['127.0.0.1:1'] } });
    expect((await failureOf(http.exchange(get(registry.url('/a'))))).reason).toBe('RedirectRefused');
    expect(inside.seen).toHaveLength(0);
  });
});

test('a private registry may be asked directly and redirect to itself', async () => {
  await using registry = await startFaultServer({ '/a': redirect('/b'), '/b': serve(BYTES) });
  await using http = testHttp();
  const response = await http.exchange(get(registry.url('/a')));
  expect(response.status).toBe(200);
  await response.discard();
});
