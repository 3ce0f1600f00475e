import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { ClientTls } from '../../installer/core/context.ts';
import { redirect, serve, startFaultServer } from '../support/fault-server.ts';
import { failureOf, get, testHttp } from '../support/http.ts';
import { makeCa, whyNoTls } from '../support/tls.ts';

const skipped = whyNoTls();
const BYTES = Buffer.from('archive');
const tooLarge = (): Error => new Error('too large');

describe.skipIf(skipped !== undefined)(`over TLS${skipped === undefined ? '' : ` (skipped: ${skipped})`}`, () => {
  const ca = makeCa('Private CA');
  const other = makeCa('Other CA');
  const dir = mkdtempSync(join(tmpdir(), 'net-tls-'));
  const caFile = join(dir, 'ca.pem');
  writeFileSync(caFile, `${other.ca}\n${ca.ca}`);
  afterAll(() => rmSync(dir, { recursive: true }));

  test.each([
    ['the CA file', { network: { caFile } }, undefined],
    ['given certificates', { caPem: [ca.ca] }, undefined],
    ['the certificates of this host', {}, { ca: [ca.ca] }],
  ])('a private CA is trusted through %s', async (_how, options, tls: ClientTls | undefined) => {
    await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls: ca.server });
    await using http = testHttp(options);
    const response = await http.exchange(get(server.url('/a'), tls === undefined ? {} : { tls }));
    expect((await response.bytes(100, tooLarge)).equals(BYTES)).toBe(true);
  });

  test.each([
    ['an unknown CA', ca.server, [other.ca], /UNABLE_TO|SELF_SIGNED/, 'PORTAL_PLUGINS_CA_FILE'],
    ['an expired certificate', ca.expired, [ca.ca], /^CERT_HAS_EXPIRED$/, 'renew'],
    ['a certificate for another name', ca.wrongName, [ca.ca], /^ERR_TLS_CERT_ALTNAME_INVALID$/, 'name'],
  ])('%s is TlsFailed, final, says which check failed and what to do', async (_what, tls, caPem, fault, fix) => {
    await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls });
    await using http = testHttp({ caPem });
    const error = await failureOf(http.exchange(get(server.url('/a?token=secret'))));
    expect(error).toMatchObject({
      reason: 'TlsFailed',
      transient: undefined,
      details: { url: `${server.origin}/a?…` },
    });
    expect(error.details['fault']).toMatch(fault);
    expect(error.fix).toContain(fix);
    expect(server.seen).toHaveLength(0);
  });

  test('a host that speaks no TLS is TlsFailed and the fix says so', async () => {
    await using server = await startFaultServer({ '/a': serve(BYTES) });
    await using http = testHttp();
    const error = await failureOf(http.exchange(get(`https://127.0.0.1:${server.port}/a`)));
    expect(error.reason).toBe('TlsFailed');
    expect(error.fix).toContain('does not speak TLS');
  });

  test('the environment cannot switch verification off', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls: ca.server });
      await using http = testHttp();
      expect((await failureOf(http.exchange(get(server.url('/a'))))).reason).toBe('TlsFailed');
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    }
  });

  test('unverified certificates are accepted only from hosts listed as insecure', async () => {
    await using server = await startFaultServer({ '/a': serve(BYTES) }, { tls: ca.server });
    const request = get(server.url('/a'), { tls: { allowUnverified: true } });
    await using listed = testHttp({ network: { insecureHosts: [`127.0.0.1:${server.port}`] } });
    expect((await listed.exchange(request)).status).toBe(200);
    await using unlisted = testHttp({ network: { insecureHosts: [] } });
    expect((await failureOf(unlisted.exchange(request))).reason).toBe('TlsFailed');
  });

  describe('with client certificates', () => {
    const tls = { cert: ca.client.cert, key: ca.client.key, ca: [ca.ca] };

    /** Answers with the name in the client certificate, or redirects. */
    async function startAsking(location?: string): Promise<{ origin: string } & AsyncDisposable> {
      const options = { ...ca.server, ca: ca.ca, requestCert: true, rejectUnauthorized: false };
      const server = createServer(options, (request, response) => {
        if (location !== undefined) return response.writeHead(302, { location }).end();
        const { subject } = (request.socket as TLSSocket).getPeerCertificate();
        return response.end(String(subject?.CN ?? 'nobody'));
      });
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
      return {
        origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
        async [Symbol.asyncDispose]() {
          server.closeAllConnections();
          await new Promise((resolve) => {
            server.close(resolve);
          });
        },
      };
    }

    test('the host they are for sees them', async () => {
      await using server = await startAsking();
      await using http = testHttp();
      const response = await http.exchange(get(server.origin, { tls }));
      expect((await response.bytes(100, tooLarge)).toString()).toBe('client');
    });

    test('a redirect target does not see them', async () => {
      await using cdn = await startAsking();
      await using server = await startAsking(cdn.origin);
      await using http = testHttp({ caPem: [ca.ca], network: { allowPrivateRedirects: ['127.0.0.1'] } });
      const response = await http.exchange(get(server.origin, { tls }));
      expect((await response.bytes(100, tooLarge)).toString()).toBe('nobody');
    });

    test('the authorities of one host do not vouch for a redirect target', async () => {
      await using cdn = await startAsking();
      await using server = await startFaultServer({ '/': redirect(cdn.origin) }, { tls: ca.server });
      await using http = testHttp({ network: { allowPrivateRedirects: ['127.0.0.1'] } });
      const error = await failureOf(http.exchange(get(server.origin, { tls })));
      expect(error).toMatchObject({ reason: 'TlsFailed', details: { url: `${cdn.origin}/` } });
    });
  });
});
