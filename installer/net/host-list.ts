/** Lists of hosts from settings, compared with parsed URLs and addresses; never by substring. */
import { BlockList, isIP } from 'node:net';

/** A host with an optional port, both normalised as `URL` writes them; IPv6 without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number | undefined;
}

export interface HostList {
  /** True when the URL's host, or its host and port, is listed by name or address. */
  hasUrl(url: URL): boolean;
  /** True when an IP address is listed, alone or by a CIDR range. */
  hasAddress(address: string): boolean;
}

/**
 * `host`, `host:port`, IP (`[::1]:5000` with port) or CIDR. An entry that does not parse matches nothing, so a typo never opens anything.
 */
export function parseHostList(entries: readonly string[]): HostList {
  const hosts: HostPort[] = [];
  const ranges = new BlockList();
  for (const entry of entries.map((text) => text.trim())) {
    if (addRange(ranges, entry)) continue;
    const host = parseHostPort(entry);
    if (host !== undefined) hosts.push(host);
  }
  const hasAddress = (address: string): boolean =>
    isInRange(ranges, address) || hosts.some((one) => one.host === address && one.port === undefined);
  return {
    hasAddress,
    hasUrl(url) {
      const { host, port } = hostPortOf(url);
      return isInRange(ranges, host) || hosts.some((one) => one.host === host && (one.port ?? port) === port);
    },
  };
}

/** Host (lower case, no brackets, no trailing dot) and effective port of an http(s) URL. */
export function hostPortOf(url: URL): { readonly host: string; readonly port: number } {
  const port = url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, ''), port };
}

/** Parses `host`, `host:port`, `1.2.3.4:80`, `::1` or `[::1]:80`; undefined when it is none of them. */
export function parseHostPort(text: string): HostPort | undefined {
  if (isIP(text) === 6) return { host: canonicalHost(`[${text}]`) ?? text, port: undefined };
  const match = /^(?<host>\[[^\]]+\]|[^:/?#@[\]\\\s]+?)\.?(?::(?<port>\d{1,5}))?$/.exec(text);
  const host = canonicalHost(match?.groups?.['host'] ?? '');
  if (host === undefined) return undefined;
  const port = match?.groups?.['port'];
  return { host, port: port === undefined ? undefined : Number(port) };
}

/** As `URL` normalises it: lower case, IDNA, short IPv4 and IPv6 spellings; the same on both sides of every comparison. */
function canonicalHost(host: string): string | undefined {
  if (host === '' || !URL.canParse(`https://${host}/`)) return undefined;
  return new URL(`https://${host}/`).hostname.replace(/^\[|\]$/g, '');
}

/** Adds `address/bits`; false when the text is no CIDR range. */
export function addRange(ranges: BlockList, text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bits)) return false;
  const prefix = Number(bits);
  if (prefix > (family === 4 ? 32 : 128)) return false;
  ranges.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return true;
}

/** IPv4-mapped IPv6 addresses are checked against the IPv4 ranges as well (`net.BlockList`). */
export function isInRange(ranges: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && ranges.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
