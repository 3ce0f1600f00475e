import { BlockList, isIP } from 'node:net';
import { addRange, hostPortOf, isInRange, parseHostPort } from './host-list.ts';

type Rule = (host: string, port: number) => boolean;

/**
 * Compiles `NO_PROXY` into a test for "this URL is reached directly". Entries are separated by commas or white space; each is `*`, a host
 * name (itself and everything below it), `.suffix` or `*.suffix` (only what is below it), an IP address, a CIDR range, and any of them but
 * the ranges may carry `:port`. Entries that do not parse are ignored. Names are never resolved, so ranges apply to IP literals only; the
 * semantics are those of Go's httpproxy, which the other programs of a cluster follow, but loopback is not direct unless it is listed.
 */
export function parseNoProxy(text: string): (url: URL) => boolean {
  const ranges = new BlockList();
  const rules: Rule[] = [];
  for (const entry of text.split(/[\s,]+/).filter((part) => part !== '')) {
    if (entry === '*') return () => true;
    const rule = addRange(ranges, entry) ? undefined : ruleOf(entry);
    if (rule !== undefined) rules.push(rule);
  }
  return (url) => {
    const { host, port } = hostPortOf(url);
    return isInRange(ranges, host) || rules.some((matches) => matches(host, port));
  };
}

function ruleOf(entry: string): Rule | undefined {
  const isSuffix = /^\*?\./.test(entry);
  const wanted = parseHostPort(entry.replace(/^\*?\./, ''));
  if (wanted === undefined) return undefined;
  const below = `.${wanted.host}`;
  const isName = isIP(wanted.host) === 0;
  return (host, port) =>
    (wanted.port === undefined || wanted.port === port) &&
    ((host === wanted.host && !isSuffix) || (isName && host.endsWith(below)));
}
