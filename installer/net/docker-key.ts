/** Keys of a docker config, parsed: host labels, port and path segments are compared, never strings (docs/sources.md, "Credentials"). */

export interface RegistryKey {
  /** Host labels in lower case; `*` matches any run of characters inside its label. An address in brackets is one label. */
  readonly labels: readonly string[];
  readonly port: number | undefined;
  /** Whole segments; a key with segments never applies to anything else on its host. */
  readonly segments: readonly string[];
  readonly isWildcard: boolean;
}

/** What a credential is looked up for. */
export interface RegistryAddress {
  readonly labels: readonly string[];
  readonly port: number | undefined;
  readonly segments: readonly string[];
}

const HUB_ALIASES: ReadonlySet<string> = new Set(['index.docker.io', 'registry-1.docker.io']);
const HTTPS_PORT = 443;
const LABEL = /^[a-z0-9*_-]+$/;
const MAX_KEY = 1024;

/**
 * Parses a key: scheme and trailing slashes dropped, a path that is exactly `/v1` or `/v2` dropped, host in lower case, `:443` dropped,
 * Docker Hub's aliases made `docker.io`. Undefined when it is none: userinfo, query, `*` outside the host, an empty label.
 */
export function parseRegistryKey(text: string): RegistryKey | undefined {
  const match = /^(?:https?:\/\/)?([^/?#@\s]+)((?:\/[^?#\s]*)?)$/i.exec(text.slice(0, MAX_KEY));
  const host = match?.[1] === undefined ? undefined : parseHost(match[1]);
  if (host === undefined) return undefined;
  const path = (match?.[2] ?? '').replace(/\/+$/, '');
  const segments = path === '' || path === '/v1' || path === '/v2' ? [] : path.slice(1).split('/');
  if (segments.some((segment) => segment === '' || segment.includes('*'))) return undefined;
  return { ...host, segments, isWildcard: host.labels.some((label) => label.includes('*')) };
}

/** The address of a repository; `registry` is `host[:port]`, already parsed once by the reference grammar. */
export function registryAddress(registry: string, repository: string): RegistryAddress | undefined {
  const host = parseHost(registry);
  return host === undefined ? undefined : { ...host, segments: repository.split('/') };
}

/** Port and every host label equal (a wildcard is one label), path segments a prefix of the repository's. */
export function keyApplies(key: RegistryKey, address: RegistryAddress): boolean {
  if (key.port !== address.port || key.labels.length !== address.labels.length) return false;
  if (key.segments.length > address.segments.length) return false;
  const isHost = key.labels.every((label, at) => labelMatches(label, address.labels[at] ?? ''));
  return isHost && key.segments.every((segment, at) => segment === address.segments[at]);
}

/** Order of candidates: an exact host before a wildcard, then more path segments; 0 keeps file order. */
export function compareKeys(a: RegistryKey, b: RegistryKey): number {
  if (a.isWildcard !== b.isWildcard) return a.isWildcard ? 1 : -1;
  return b.segments.length - a.segments.length;
}

function parseHost(text: string): Pick<RegistryKey, 'labels' | 'port'> | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::([0-9]{1,5}))?$/.exec(text.toLowerCase());
  const [, name, portText] = match ?? [];
  if (name === undefined) return undefined;
  const port = portText === undefined || Number(portText) === HTTPS_PORT ? undefined : Number(portText);
  if (name.startsWith('[')) {
    const url = `http://${name}/`;
    return URL.canParse(url) ? { labels: [new URL(url).hostname], port } : undefined;
  }
  const host = port === undefined && HUB_ALIASES.has(name) ? 'docker.io' : name;
  const labels = host.split('.');
  return labels.every((label) => LABEL.test(label)) ? { labels, port } : undefined;
}

/** Glob with `*` inside one label, in linear time: a regular expression made of a key could be made to backtrack. */
function labelMatches(pattern: string, label: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === label;
  const last = rest.pop() ?? '';
  if (label.length < first.length + last.length || !label.startsWith(first) || !label.endsWith(last)) return false;
  let at = first.length;
  const end = label.length - last.length;
  for (const part of rest) {
    const found = label.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
