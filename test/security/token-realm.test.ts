/** A registry names the address its clients send credentials to. It must not be able to name any address it likes. */
import { expect, test } from 'vitest';
import { failureOf } from '../support/http.ts';
import { startServer, type TestServer } from '../support/http-server.ts';
import { basicCredential, ociContext, resolveOci, type OciContext } from '../support/oci-context.ts';
import { startOciRegistry } from '../support/oci-registry.ts';

const credentials = [basicCredential('alice', 's3cret')];

/** A registry that names `realm`, and a service that notes whoever comes. */
async function withRealm(
  realmOf: (thief: TestServer) => string,
  then: (thief: TestServer, resolve: (ctx: OciContext) => Promise<unknown>, registryHost: string) => Promise<void>,
): Promise<void> {
  await using thief = await startServer({ answer: () => ({ status: 200, body: '{"token":"x"}' }) });
  await using registry = await startOciRegistry();
  const realm = realmOf(thief);
  registry.interceptWith(() => ({
    fault: 'answer',
    status: 401,
    headers: { 'www-authenticate': `Bearer realm="${realm}",service="s"` },
  }));
  await then(thief, async (ctx) => resolveOci(`oci://${registry.host}/acme/todo:1`, ctx), registry.host);
}

test('a realm on another port of loopback that is not listed is refused, and nobody goes there', async () => {
  await withRealm(
    (thief) => `${thief.origin}/token`,
    async (thief, resolve, registryHost) => {
      const options = { authRealms: [] };
      await using ctx = ociContext({ hosts: [registryHost, thief.host], credentials, options });
      const failure = await failureOf(resolve(ctx));
      expect(failure).toMatchObject({
        reason: 'RealmRefused',
        details: { registry: registryHost, realm: thief.origin },
      });
      expect(failure.fix).toContain('PORTAL_PLUGINS_AUTH_REALMS');
      expect(thief.requests).toHaveLength(0);
    },
  );
});

test('a plain http realm on a host that is not listed as insecure is refused, and nobody goes there', async () => {
  await withRealm(
    (thief) => `${thief.origin}/token`,
    async (thief, resolve, registryHost) => {
      const options = { authRealms: [thief.host] };
      await using ctx = ociContext({ hosts: [registryHost], credentials, options });
      expect((await failureOf(resolve(ctx))).reason).toBe('RealmRefused');
      expect(thief.requests).toHaveLength(0);
    },
  );
});

test('a realm that is listed for this registry is asked; for another registry it is not', async () => {
  await withRealm(
    (thief) => `${thief.origin}/token`,
    async (thief, resolve, registryHost) => {
      const contextFor = (registry: string): OciContext =>
        ociContext({
          hosts: [registryHost, thief.host],
          credentials,
          options: { authRealms: [`${registry}=${thief.host}`] },
        });
      await using wrong = contextFor('other.example');
      expect((await failureOf(resolve(wrong))).reason).toBe('RealmRefused');
      expect(thief.requests).toHaveLength(0);
      await using right = contextFor(registryHost);
      expect((await failureOf(resolve(right))).reason).toBe('AuthRefused');
      expect(thief.requests.length).toBeGreaterThan(0);
    },
  );
});

test('a token service that redirects elsewhere is not followed, and the credential stays', async () => {
  await using elsewhere = await startServer({ answer: () => ({ status: 200, body: '{"token":"x"}' }) });
  await withRealm(
    (thief) => `${thief.origin}/token`,
    async (thief, resolve, registryHost) => {
      thief.interceptWith(() => ({ fault: 'answer', status: 307, headers: { location: `${elsewhere.origin}/token` } }));
      const hosts = [registryHost, thief.host, elsewhere.host];
      await using ctx = ociContext({ hosts, redirectHosts: [elsewhere.host], credentials });
      expect((await failureOf(resolve(ctx))).reason).toBe('RedirectRefused');
      expect(elsewhere.requests).toHaveLength(0);
    },
  );
});

test.each([
  ['userinfo', 'http://alice:pw@127.0.0.1/token'],
  ['another scheme', 'file:///var/run/secrets/token'],
  ['a relative address', '/token'],
  ['nothing', ''],
])('a realm with %s is refused', async (_name, realm) => {
  await withRealm(
    () => realm,
    async (_thief, resolve, registryHost) => {
      await using ctx = ociContext({ hosts: [registryHost, '127.0.0.1'], credentials });
      expect((await failureOf(resolve(ctx))).reason).toBe('RealmRefused');
    },
  );
});
