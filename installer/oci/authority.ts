/** The host part of a registry reference: DNS labels, IPv4 or [IPv6], and a port. */
import { isIPv4, isIPv6 } from 'node:net';

export interface Authority {
  /** Lower case, no trailing dot; IPv6 in brackets and canonical. */
  readonly host: string;
  /** Undefined: the default, 443; `:443` is normalised to it. */
  readonly port: number | undefined;
}

const HTTPS_PORT = 443;
const MAX_HOST = 253; // RFC 1035 section 2.3.4, without the root label
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Parses `HOST[:PORT]`. Returns what is wrong as a string when it does not parse; RFC 3986 section 3.2.2, narrowed to what resolves. */
export function parseAuthority(text: string): Authority | string {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(text);
  if (match?.[1] === undefined) return 'the host is not a DNS name, an IPv4 address or an [IPv6] address';
  const port = match[2] === undefined ? undefined : parsePort(match[2]);
  if (port === 'invalid') return 'the port is not a number from 1 to 65535';
  const host = match[1].startsWith('[') ? parseIPv6(match[1]) : parseName(match[1].toLowerCase());
  if (host === undefined) return 'the host is not a DNS name, an IPv4 address or an [IPv6] address';
  return { host, port: port === HTTPS_PORT ? undefined : port };
}

/** `host` or `host:port`, the spelling that credentials and messages use. */
export function formatAuthority(authority: Authority): string {
  return authority.port === undefined ? authority.host : `${authority.host}:${authority.port}`;
}

function parsePort(text: string): number | 'invalid' {
  if (!/^[0-9]{1,5}$/.test(text)) return 'invalid';
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : 'invalid';
}

function parseIPv6(text: string): string | undefined {
  const address = text.slice(1, -1);
  // A zone (`%eth0`) means nothing to a registry and would reach the URL parser.
  if (!isIPv6(address) || address.includes('%')) return undefined;
  return new URL(`http://[${address}]/`).hostname;
}

function parseName(host: string): string | undefined {
  if (host.length > MAX_HOST) return undefined;
  const labels = host.split('.');
  if (!labels.every((label) => LABEL.test(label))) return undefined;
  // WHATWG URL reads a host that ends in a number as IPv4 (`1.2.3` is 1.2.0.3): only the plain spelling may pass.
  const endsInNumber = /^(?:[0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '');
  if (endsInNumber && !isIPv4(host)) return undefined;
  return host;
}
