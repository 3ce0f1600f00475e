/** https must never be left for plain http: whoever sits on the path could replace the bytes and read what travels. */
import { describe, expect, test } from 'vitest';
import { redirect, serve, startFaultServer } from '../support/fault-server.ts';
import { failureOf, get, testHttp } from '../support/http.ts';
import { makeCa, whyNoTls } from '../support/tls.ts';

const skipped = whyNoTls();
const BYTES = Buffer.from('archive');

describe.skipIf(skipped !== undefined)(
  `a redirect from https${skipped === undefined ? '' : ` (skipped: ${skipped})`}`,
  () => {
    const ca = makeCa('Private CA');
    const lenient = { insecureHosts: ['127.0.0.1'], allowPrivateRedirects: ['127.0.0.1'] };

    test.each([301, 302, 303, 307, 308])(
      'to http with status %d is refused, even to a host listed as insecure',
      async (code) => {
        await using plain = await startFaultServer({ '/x': serve(BYTES) });
        await using registry = await startFaultServer(
          { '/a': redirect(plain.url('/x').href, code) },
          { tls: ca.server },
        );
        await using http = testHttp({ caPem: [ca.ca], network: lenient });
        const error = await failureOf(http.exchange(get(registry.url('/a'))));
        expect(error).toMatchObject({
          reason: 'RedirectRefused',
          transient: undefined,
          details: { from: registry.origin, to: plain.origin },
        });
        expect(plain.seen).toHaveLength(0);
      },
    );

    test('by way of another https host is refused as well', async () => {
      await using plain = await startFaultServer({ '/x': serve(BYTES) });
      await using cdn = await startFaultServer({ '/y': redirect(plain.url('/x').href) }, { tls: ca.server });
      await using registry = await startFaultServer({ '/a': redirect(cdn.url('/y').href) }, { tls: ca.server });
      await using http = testHttp({ caPem: [ca.ca], network: lenient });
      const error = await failureOf(http.exchange(get(registry.url('/a'))));
      expect(error).toMatchObject({ reason: 'RedirectRefused', details: { from: cdn.origin, to: plain.origin } });
      expect(plain.seen).toHaveLength(0);
    });

    test('to https is followed', async () => {
      await using cdn = await startFaultServer({ '/y': serve(BYTES) }, { tls: ca.server });
      await using registry = await startFaultServer({ '/a': redirect(cdn.url('/y').href) }, { tls: ca.server });
      await using http = testHttp({ caPem: [ca.ca], network: lenient });
      const response = await http.exchange(get(registry.url('/a')));
      expect(response.status).toBe(200);
      await response.discard();
    });
  },
);

test('plain http to a host that is not listed is refused as a first request', async () => {
  await using plain = await startFaultServer({ '/x': serve(BYTES) });
  await using http = testHttp({ network: { insecureHosts: ['127.0.0.1:1'] } });
  const error = await failureOf(http.exchange(get(plain.url('/x'))));
  expect(error.reason).toBe('ReferenceInvalid');
  expect(plain.seen).toHaveLength(0);
});

test('plain http to a host that is not listed is refused as a redirect target', async () => {
  await using other = await startFaultServer({ '/x': serve(BYTES) });
  await using plain = await startFaultServer({ '/a': redirect(other.url('/x').href) });
  const network = { insecureHosts: [`127.0.0.1:${plain.port}`], allowPrivateRedirects: ['127.0.0.1'] };
  await using http = testHttp({ network });
  expect((await failureOf(http.exchange(get(plain.url('/a'))))).reason).toBe('RedirectRefused');
  expect(other.seen).toHaveLength(0);
});
