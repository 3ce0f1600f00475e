import { describe, expect, test } from 'vitest';
import { parseHostList } from '../../../installer/net/host-list.ts';

describe('a list of hosts', () => {
  test.each([
    [['registry.local'], 'http://registry.local/', true],
    [['registry.local'], 'http://registry.local:5000/', true],
    [['registry.local:5000'], 'http://registry.local:5000/', true],
    [['registry.local:5000'], 'http://registry.local/', false],
    [['registry.local:80'], 'http://registry.local/', true],
    [['Registry.LOCAL'], 'http://registry.local/', true],
    [['registry.local'], 'http://x.registry.local/', false],
    [['registry.local'], 'http://registry.local.evil.org/', false],
    [['registry.local'], 'http://evilregistry.local/', false],
    [['127.0.0.1:5000'], 'http://127.0.0.1:5000/', true],
    [['127.0.0.1'], 'http://127.1/', true],
    [['[::1]:5000'], 'http://[::1]:5000/', true],
    [['::1'], 'http://[::1]:5000/', true],
    [['10.0.0.0/8'], 'http://10.1.2.3:5000/', true],
    [['10.0.0.0/8'], 'http://11.1.2.3:5000/', false],
    [['*'], 'http://registry.local/', false],
    [[''], 'http://registry.local/', false],
    [['http://registry.local'], 'http://registry.local/', false],
    [['registry.local/path'], 'http://registry.local/', false],
    [['user@registry.local'], 'http://registry.local/', false],
  ])('%j has %s: %s', (entries, url, expected) => {
    expect(parseHostList(entries).hasUrl(new URL(url))).toBe(expected);
  });

  test.each([
    [['10.0.0.0/8'], '10.1.2.3', true],
    [['10.1.2.3'], '10.1.2.3', true],
    [['10.1.2.3:443'], '10.1.2.3', false],
    [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
    [['fd00::/8'], 'fd12::1', true],
    [['fd00::/8'], '10.1.2.3', false],
    [['storage.local'], '10.1.2.3', false],
    [['10.0.0.0/8'], 'not an address', false],
  ])('%j has the address %s: %s', (entries, address, expected) => {
    expect(parseHostList(entries).hasAddress(address)).toBe(expected);
  });
});
