import { describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import { parseHostList } from '../../../installer/net/host-list.ts';
import { guardedLookup, isForbiddenAddress, isPrivateHost } from '../../../installer/net/private-address.ts';

describe('a redirect target named by address', () => {
  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f.0.0.1/',
    'http://0.0.0.0/',
    'http://10.0.0.1/',
    'http://172.16.0.1/',
    'http://172.31.255.255/',
    'http://192.168.1.1/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://100.100.100.200/',
    'http://168.63.129.16/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://[::1]/',
    'http://[::]/',
    'http://[fe80::1]/',
    'http://[fd00:ec2::254]/',
    'http://[fc00::1]/',
    'http://[ff02::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[64:ff9b::169.254.169.254]/',
    'http://[::127.0.0.1]/',
    'http://localhost/',
    'http://LOCALHOST./',
    'http://a.localhost/',
  ])('%s is private', (url) => {
    expect(isPrivateHost(new URL(url))).toBe(true);
  });

  test.each([
    'http://8.8.8.8/',
    'http://172.32.0.1/',
    'http://[2606:4700::1]/',
    'http://example.com/',
    'http://localhost.example.com/',
    'http://10.example.com/',
  ])('%s is not private', (url) => {
    expect(isPrivateHost(new URL(url))).toBe(false);
  });
});

test.each([
  ['127.0.0.53', true],
  ['169.254.169.254', true],
  ['::ffff:127.0.0.1', true],
  ['fe80::1', true],
  ['::1', true],
  // Storage of an on-premises registry has a name that resolves to such an address.
  ['10.0.0.1', false],
  ['192.168.1.1', false],
  ['93.184.216.34', false],
])('a name may not resolve to %s: %s', (address, expected) => {
  expect(isForbiddenAddress(address)).toBe(expected);
});

describe('the guarded lookup', () => {
  test('refuses a loopback address and names it', async () => {
    const error = await lookUp([]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InstallError);
    expect(error).toMatchObject({ reason: 'RedirectRefused', details: { address: '127.0.0.1' } });
  });

  test('lets an address pass that is listed', async () => {
    expect(await lookUp(['127.0.0.0/8'])).toEqual([{ address: '127.0.0.1', family: 4 }]);
  });

  test('answers in the old form when one address is asked for', async () => {
    const answer = await new Promise((resolve) => {
      guardedLookup(parseHostList(['127.0.0.1']))('127.0.0.1', {}, (error, address, family) =>
        resolve([error, address, family]),
      );
    });
    expect(answer).toEqual([null, '127.0.0.1', 4]);
  });
});

async function lookUp(allowed: readonly string[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guardedLookup(parseHostList(allowed))('127.0.0.1', { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });
}
