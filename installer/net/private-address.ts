/** Which addresses a redirect must not reach: a registry must not make the installer call services only this pod can see. */
import { lookup as resolveName } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { InstallError } from '../core/errors.ts';
import { addRange, hostPortOf, isInRange } from './host-list.ts';
import type { HostList } from './host-list.ts';

/** Never the address of a registry or its storage, whatever name points there. */
const SPECIAL_V4: readonly string[] = [
  '0.0.0.0/8', // unspecified; Linux connects to itself
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, cloud metadata
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '100.100.100.200/32', // metadata services outside the link-local range
  '168.63.129.16/32',
  '192.0.0.192/32',
];
const SPECIAL_V6: readonly string[] = [
  '::/96', // unspecified, loopback, deprecated IPv4-compatible
  'fe80::/10', // link-local
  'ff00::/8', // multicast
  'fd00:ec2::254/128', // metadata services
  'fd20:ce::254/128',
];

/** Private networks: refused as literals only, because storage of an on-premises registry has a name that resolves there. */
const PRIVATE_V4: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
];
const PRIVATE_V6: readonly string[] = ['fc00::/7', 'fec0::/10'];

const special = rangesWhenAsked(SPECIAL_V4, SPECIAL_V6);
const privateNetworks = rangesWhenAsked(PRIVATE_V4, PRIVATE_V6);

/**
 * True for a host that a redirect may not name: `localhost` and IP literals in loopback, link-local, private, unspecified or multicast
 * space, in IPv4, IPv6, mapped and NAT64 spelling. Names are judged by `guardedLookup`.
 */
export function isPrivateHost(url: URL): boolean {
  const { host } = hostPortOf(url);
  if (isIP(host) === 0) return host === 'localhost' || host.endsWith('.localhost');
  return isInRange(special(), host) || isInRange(privateNetworks(), host);
}

/** True for an address that no name in a redirect may resolve to. */
export function isForbiddenAddress(address: string): boolean {
  return isInRange(special(), address);
}

/**
 * A `lookup` for `net.connect` that fails with RedirectRefused when a name resolves to loopback, link-local, unspecified or multicast
 * space and the address is not `allowed`. It is the connection's own lookup, so the address that was checked is the one connected to.
 */
export function guardedLookup(allowed: HostList): LookupFunction {
  return (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const forbidden = addresses.find(({ address }) => isForbiddenAddress(address) && !allowed.hasAddress(address));
      if (forbidden !== undefined) return callback(refused(hostname, forbidden.address), '', 0);
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}

function refused(hostname: string, address: string): InstallError {
  return new InstallError('RedirectRefused', `${hostname} resolves to ${address}, which is not a public address`, {
    details: { address, fix: `if that is meant, list ${hostname} in PORTAL_PLUGINS_ALLOW_PRIVATE_REDIRECTS` },
  });
}

/** A warm start asks for none of them, and making them takes milliseconds. */
function rangesWhenAsked(v4: readonly string[], v6: readonly string[]): () => BlockList {
  let ranges: BlockList | undefined;
  return () => (ranges ??= rangesOf(v4, v6));
}

function rangesOf(v4: readonly string[], v6: readonly string[]): BlockList {
  const ranges = new BlockList();
  for (const range of [...v4, ...v4.map(throughNat64), ...v6]) addRange(ranges, range);
  return ranges;
}

/** RFC 6052: the well-known prefix embeds an IPv4 address in the last 32 bits. */
function throughNat64(range: string): string {
  const [address = '', bits = ''] = range.split('/');
  return `64:ff9b::${address}/${96 + Number(bits)}`;
}
