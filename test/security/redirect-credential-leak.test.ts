/** A redirect must not carry credentials to another origin: CVE-2022-31151 (undici), moby #50065, OPA #6580. */
import { describe, expect, test } from 'vitest';
import { redirect, serve, startFaultServer, status } from '../support/fault-server.ts';
import type { FaultServer } from '../support/fault-server.ts';
import { failureOf, get, testHttp } from '../support/http.ts';

const BYTES = Buffer.from('archive');
const SECRET = {
  headers: {
    accept: 'application/json',
    range: 'bytes=0-',
    cookie: 'secret',
    'x-token': 'secret',
    'private-token': 'secret',
  },
  authorization: 'Bearer secret',
};

function namesOf(server: FaultServer): readonly string[] {
  return server.seen.flatMap(({ headers }) => Object.keys(headers));
}

describe('a redirect to another origin', () => {
  test.each([301, 302, 303, 307, 308])('with status %d gets no secret', async (code) => {
    await using cdn = await startFaultServer({ '/blob': serve(BYTES) });
    await using registry = await startFaultServer({ '/a': redirect(cdn.url('/blob?signature=1').href, code) });
    await using http = testHttp({ network: { allowPrivateRedirects: ['127.0.0.1'] } });
    const response = await http.exchange(get(registry.url('/a'), SECRET));
    expect(response).toMatchObject({ status: 206, isSameOrigin: false });
    await response.discard();
    expect(registry.seen[0]?.headers['authorization']).toBe('Bearer secret');
    expect(JSON.stringify(cdn.seen)).not.toContain('secret');
    expect(namesOf(cdn)).toEqual(expect.arrayContaining(['accept', 'range']));
    expect(namesOf(cdn)).not.toEqual(expect.arrayContaining(['authorization']));
  });

  test('on the same host but another port gets no secret', async () => {
    await using other = await startFaultServer({ '/blob': serve(BYTES) });
    await using registry = await startFaultServer({ '/a': redirect(`http://127.0.0.1:${other.port}/blob`) });
    await using http = testHttp({ network: { allowPrivateRedirects: ['127.0.0.1'] } });
    await (await http.exchange(get(registry.url('/a'), SECRET))).discard();
    expect(JSON.stringify(other.seen)).not.toContain('secret');
  });

  test('and back again does not bring the secret back: the stranger chose the path', async () => {
    const back: { location: string } = { location: '' };
    await using stranger = await startFaultServer({
      '/x': (_request, response) => response.writeHead(302, back).end(),
    });
    await using registry = await startFaultServer({ '/a': redirect(stranger.url('/x').href), '/admin': serve(BYTES) });
    back.location = registry.url('/admin').href;
    await using http = testHttp({ network: { allowPrivateRedirects: ['127.0.0.1'] } });
    const response = await http.exchange(get(registry.url('/a'), SECRET));
    await response.discard();
    expect(response.isSameOrigin).toBe(false);
    expect(registry.seen[1]?.path).toBe('/admin');
    expect(registry.seen[1]?.headers['authorization']).toBeUndefined();
    expect(registry.seen[1]?.headers['x-token']).toBeUndefined();
  });

  test('answering 401 is marked as not the registry’s own, so that nobody answers its challenge', async () => {
    const challenge = { 'www-authenticate': 'Bearer realm="https://evil.example/token"' };
    await using stranger = await startFaultServer({ '/x': status(401, challenge) });
    await using registry = await startFaultServer({ '/a': redirect(stranger.url('/x').href) });
    await using http = testHttp({ network: { allowPrivateRedirects: ['127.0.0.1'] } });
    const response = await http.exchange(get(registry.url('/a'), SECRET));
    await response.discard();
    expect(response).toMatchObject({ status: 401, isSameOrigin: false });
  });

  test('of a token request is refused: its body is a secret', async () => {
    await using stranger = await startFaultServer({ '/x': serve(BYTES) });
    await using registry = await startFaultServer({ '/token': redirect(stranger.url('/x').href, 307) });
    await using http = testHttp({ network: { allowPrivateRedirects: ['127.0.0.1'] } });
    const request = get(registry.url('/token'), {
      method: 'POST',
      body: 'refresh_token=secret',
      redirects: 'same-origin',
    });
    expect((await failureOf(http.exchange(request))).reason).toBe('RedirectRefused');
    expect(stranger.seen).toHaveLength(0);
  });
});

test('a redirect within the origin keeps the credentials', async () => {
  await using registry = await startFaultServer({ '/a': redirect('/b'), '/b': serve(BYTES) });
  await using http = testHttp();
  const response = await http.exchange(get(registry.url('/a'), SECRET));
  await response.discard();
  expect(response.isSameOrigin).toBe(true);
  expect(registry.seen[1]?.headers['authorization']).toBe('Bearer secret');
});
