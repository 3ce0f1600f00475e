import { describe, expect, test } from 'vitest';
import { isPrivateHost } from '../../../installer/net/private-address.ts';
import { admitRealm } from '../../../installer/oci/realm.ts';
import type { OciPolicy } from '../../../installer/oci/settings.ts';

function admit(realm: string, base = 'https://ghcr.io/', policy: Partial<OciPolicy> = {}): string {
  const url = new URL(base);
  const complete = { anonymousFallback: false, isInsecureHost: () => false, isPrivateHost, authRealms: [], ...policy };
  return admitRealm(realm, url.host, url, complete).href;
}

const refusal = expect.objectContaining({ reason: 'RealmRefused' });

describe('admitted', () => {
  test.each([
    ['the registry itself', 'https://ghcr.io/token', 'https://ghcr.io/'],
    ['another host over https', 'https://auth.docker.io/token', 'https://registry-1.docker.io/'],
    ['a registry on a private address, itself', 'https://10.0.0.7:5000/token', 'https://10.0.0.7:5000/'],
    ['a realm with a query', 'https://auth.example/t?x=1', 'https://registry.example/'],
  ])('%s', (_name, realm, base) => {
    expect(admit(realm, base)).toBe(realm);
  });

  test('plain http on the registry itself, when it is listed as insecure', () => {
    expect(admit('http://r.local/token', 'http://r.local/', { isInsecureHost: (host) => host === 'r.local' })).toBe(
      'http://r.local/token',
    );
  });

  test.each([['10.0.0.7'], ['10.0.0.7:8443'], ['r.example=10.0.0.7:8443'], ['R.example=10.0.0.7:8443']])(
    'a private address listed as %s',
    (entry) => {
      const realm = entry.includes('8443') ? 'https://10.0.0.7:8443/t' : 'https://10.0.0.7/t';
      expect(admit(realm, 'https://r.example/', { authRealms: [entry] })).toBe(realm);
    },
  );
});

describe('refused', () => {
  test.each([
    ['', 'https://r.example/'],
    ['/token', 'https://r.example/'],
    ['token', 'https://r.example/'],
    ['//auth.example/token', 'https://r.example/'],
    ['ftp://auth.example/token', 'https://r.example/'],
    ['file:///etc/passwd', 'https://r.example/'],
    ['javascript:alert(1)', 'https://r.example/'],
    ['http://r.example/token', 'https://r.example/'],
    ['http://r.example:443/token', 'https://r.example/'],
    ['https://user:pw@auth.example/token', 'https://r.example/'],
    ['https://127.0.0.1/token', 'https://r.example/'],
    ['https://2130706433/token', 'https://r.example/'],
    ['https://localhost/token', 'https://r.example/'],
    ['https://metadata.localhost/token', 'https://r.example/'],
    ['https://169.254.169.254/token', 'https://r.example/'],
    ['https://10.1.2.3/token', 'https://r.example/'],
    ['https://172.16.0.1/token', 'https://r.example/'],
    ['https://192.168.1.1/token', 'https://r.example/'],
    ['https://100.64.0.1/token', 'https://r.example/'],
    ['https://0.0.0.0/token', 'https://r.example/'],
    ['https://224.0.0.1/token', 'https://r.example/'],
    ['https://[::1]/token', 'https://r.example/'],
    ['https://[::]/token', 'https://r.example/'],
    ['https://[fe80::1]/token', 'https://r.example/'],
    ['https://[fd00::1]/token', 'https://r.example/'],
    ['https://[::ffff:10.0.0.1]/token', 'https://r.example/'],
    ['https://[64:ff9b::10.0.0.1]/token', 'https://r.example/'],
    ['https://10.0.0.7:5001/token', 'https://10.0.0.7:5000/'],
  ])('%s named by %s', (realm, base) => {
    expect(() => admit(realm, base)).toThrow(refusal);
  });

  test('plain http on a host that is not listed, although the registry is', () => {
    const policy = { isInsecureHost: (host: string) => host === 'r.local' };
    expect(() => admit('http://auth.local/token', 'http://r.local/', policy)).toThrow(refusal);
  });

  test('another host than the ones listed for this registry', () => {
    const policy = { authRealms: ['r.example=auth.example'] };
    expect(admit('https://auth.example/t', 'https://r.example/', policy)).toBe('https://auth.example/t');
    expect(() => admit('https://evil.example/t', 'https://r.example/', policy)).toThrow(refusal);
    expect(admit('https://evil.example/t', 'https://other.example/', policy)).toBe('https://evil.example/t');
  });

  test('a listed host on another port', () => {
    expect(() => admit('https://10.0.0.7:8443/t', 'https://r.example/', { authRealms: ['10.0.0.7'] })).toThrow(refusal);
  });

  test('the failure names the https fault of a registry behind a TLS proxy, and no path or query', () => {
    try {
      admit('http://nexus.example:443/v2/token?secret=1', 'https://nexus.example/');
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        details: { realm: 'http://nexus.example:443', fix: expect.stringContaining('https realm') },
      });
    }
  });
});
