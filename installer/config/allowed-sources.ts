/** `allowedSources`: patterns parsed at start-up, compared with parsed origins; never raw strings (docs/sources.md, "Allowed sources"). Pure. */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { type Origin, urlOrigin } from '../core/origin.ts';
import { parseAuthority } from '../oci/authority.ts';

/** One pattern, parsed. */
export type Pattern =
  | {
      readonly scheme: 'oci' | 'https' | 'http';
      /** Without the leading `*.` when `isWildcard`. */
      readonly host: string;
      /** One arbitrary label stands in front of `host`; only for oci. */
      readonly isWildcard: boolean;
      readonly port: number;
      readonly segments: readonly string[];
    }
  | { readonly scheme: 'npm'; readonly names: NpmNames; readonly registry: string | undefined };

type NpmNames =
  | { readonly kind: 'all' }
  | { readonly kind: 'scope'; readonly scope: string }
  | { readonly kind: 'name'; readonly name: string };

/** Why a text is no pattern; completes "…: ". */
export interface PatternFault {
  readonly fault: string;
  readonly fix: string;
}

/** Parses one element of `allowedSources`. A trailing `/`, `/*` or `/**` means the same as none. */
export function parsePattern(text: string): Pattern | PatternFault {
  if (text === '*') return fault('* alone admits everything', 'leave allowedSources empty to admit every source');
  if (text.startsWith('npm:')) return parseNpmPattern(text.slice(4));
  const match = /^(oci|https?):\/\/([^/]*)(.*)$/s.exec(text);
  if (match !== null) return parseHostPattern(match);
  if (/^(?:file:|[./])/.test(text))
    return fault('local sources are part of the image and always admitted', 'remove it');
  return fault('it has no scheme', `write oci://${suggestion(text)}, npm:@scope or https://HOST/PATH`);
}

/** Whether a pattern admits an origin: scheme, host and port equal, path segments a prefix. */
function matches(pattern: Pattern, origin: Origin): boolean {
  if (pattern.scheme === 'npm') return origin.scheme === 'npm' && matchesNpm(pattern, origin);
  if (origin.scheme === 'npm' || origin.scheme === 'file' || origin.scheme !== pattern.scheme) return false;
  return (
    origin.port === pattern.port &&
    matchesHost(pattern, origin.host) &&
    pattern.segments.length <= origin.segments.length &&
    pattern.segments.every((segment, index) => segment === origin.segments[index])
  );
}

/** The question all of a run asks. No patterns: permissive. Local sources are part of the image and always admitted. */
export function admitter(patterns: readonly Pattern[]): (origin: Origin) => boolean {
  return (origin) =>
    patterns.length === 0 || origin.scheme === 'file' || patterns.some((pattern) => matches(pattern, origin));
}

/** The narrowest pattern that admits an origin in all its versions: the repository, the package, the directory of the file. */
export function patternFor(origin: Origin): string {
  if (origin.scheme === 'npm') return `npm:${origin.name}`;
  if (origin.scheme === 'file') return 'file:';
  const port = origin.port === defaultPort(origin.scheme) ? '' : `:${origin.port}`;
  const segments = origin.scheme === 'oci' ? origin.segments : origin.segments.slice(0, -1);
  return [`${origin.scheme}://${origin.host}${port}`, ...segments].join('/');
}

const HUB_ALIASES: ReadonlySet<string> = new Set(['index.docker.io', 'registry-1.docker.io']);
// distribution-spec v1.1, "Pulling manifests", <name>
const OCI_SEGMENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const NPM_PART = /^[a-zA-Z0-9~_-][a-zA-Z0-9._~-]*$/;

function fault(text: string, fix: string): PatternFault {
  return { fault: text, fix };
}

function suggestion(text: string): string {
  return /^[\w.-]+(?::\d+)?(?:\/[\w./-]*)?$/.test(text) ? text : 'HOST/REPOSITORY';
}

function defaultPort(scheme: 'oci' | 'https' | 'http'): number {
  return scheme === 'http' ? 80 : 443;
}

function parseHostPattern(match: RegExpExecArray): Pattern | PatternFault {
  const [, scheme = '', authorityText = '', rest = ''] = match;
  return scheme === 'oci' ? parseOciPattern(authorityText, rest) : parseUrlPattern(scheme, authorityText, rest);
}

function parseOciPattern(authorityText: string, rest: string): Pattern | PatternFault {
  const isWildcard = authorityText.startsWith('*.');
  const authority = parsePatternHost(isWildcard ? authorityText.slice(2) : authorityText, 443);
  if ('fault' in authority) return authority;
  if (isWildcard && isIP(authority.host.replace(/^\[|\]$/g, '')) !== 0)
    return fault('an address has no subdomains', 'name the host');
  const segments = ociSegments(withoutTail(rest));
  if ('fault' in segments) return segments;
  const host = HUB_ALIASES.has(authority.host) ? 'docker.io' : authority.host;
  return { scheme: 'oci', host, isWildcard, port: authority.port, segments };
}

function parseUrlPattern(name: string, authorityText: string, rest: string): Pattern | PatternFault {
  const scheme = name === 'https' ? 'https' : 'http';
  if (authorityText.startsWith('*')) return fault('a wildcard host is for oci:// only', 'name the host');
  const authority = parsePatternHost(authorityText, defaultPort(scheme));
  if ('fault' in authority) return authority;
  const segments = urlSegments(withoutTail(rest));
  return 'fault' in segments ? segments : { scheme, ...authority, isWildcard: false, segments };
}

function parsePatternHost(
  text: string,
  fallbackPort: number,
): { readonly host: string; readonly port: number } | PatternFault {
  if (text.includes('@')) return fault('it holds credentials', 'remove what stands before @');
  const authority = parseAuthority(toAscii(text));
  if (typeof authority === 'string')
    return fault(authority, 'write HOST or HOST:PORT; one *. may lead the host of oci://');
  // parseAuthority drops :443, which is not the default of http.
  const port = authority.port ?? (/:0*443$/.test(text) ? 443 : fallbackPort);
  return { host: authority.host, port };
}

/** A trailing `/`, `/*` or `/**` says what every pattern says: everything below. */
function withoutTail(path: string): string {
  return path.replace(/\/\*{0,2}$/, '');
}

/** IDNA for a host that is not ASCII; the port is kept. */
function toAscii(authority: string): string {
  const match = /^([^:[\]]*)(:.*)?$/s.exec(authority);
  if (match?.[1] === undefined || /^[\u0020-\u007e]*$/.test(match[1])) return authority;
  return domainToASCII(match[1]) + (match[2] ?? '');
}

function ociSegments(path: string): readonly string[] | PatternFault {
  if (path === '') return [];
  const segments = path.slice(1).split('/');
  const wrong = segments.find((segment) => !OCI_SEGMENT.test(segment));
  if (wrong === undefined) return segments;
  if (/[:@!]/.test(wrong)) return fault('a pattern has no tag, digest or plugin path', 'end it at the repository');
  if (wrong.includes('*'))
    return fault('* stands for nothing inside a path: patterns match whole segments', 'end the pattern before it');
  return fault(
    `${JSON.stringify(wrong)} is not part of a repository name`,
    'write whole lower-case segments, as in oci://HOST/ORG',
  );
}

function urlSegments(path: string): readonly string[] | PatternFault {
  if (path === '') return [];
  if (/[?#]/.test(path)) return fault('a pattern has no query and no fragment', 'end it before ? or #');
  if (path.includes('*')) {
    return fault('* stands for nothing inside a path: patterns match whole segments', 'end the pattern before it');
  }
  // The URL parser resolves dot segments, so they are looked for in the text.
  const isPlain = !/\\|[\s\p{Cc}]|\/(?:\.|%2e){1,2}(?:\/|$)/iu.test(path);
  const url = isPlain ? URL.parse(`https://host${path}`) : null;
  const origin = url === null ? undefined : urlOrigin(url);
  if (origin !== undefined && origin.scheme === 'https') return origin.segments;
  const what = 'empty, . and .. segments, %2f, %5c, %00, backslashes and white space are not allowed';
  return fault(what, 'write a plain path');
}

function parseNpmPattern(text: string): Pattern | PatternFault {
  const at = text.indexOf('@registry=');
  const registry = at === -1 ? undefined : parseRegistry(text.slice(at + '@registry='.length));
  if (registry !== undefined && typeof registry !== 'string') return registry;
  const names = npmNames(at === -1 ? text : text.slice(0, at));
  return 'fault' in names ? names : { scheme: 'npm', names, registry };
}

function npmNames(text: string): NpmNames | PatternFault {
  if (text === '*') return { kind: 'all' };
  const scoped = /^(@[^/@]+)(?:\/([^/@]*|\*\*))?$/.exec(text);
  const [, scope, name = ''] = scoped ?? [];
  if (scope !== undefined && NPM_PART.test(scope.slice(1))) {
    if (name === '' || name === '*' || name === '**') return { kind: 'scope', scope };
    if (NPM_PART.test(name)) return { kind: 'name', name: `${scope}/${name}` };
  }
  if (NPM_PART.test(text)) return { kind: 'name', name: text };
  if (/.@/.test(text)) return fault('a pattern has no version', 'end it at the package name');
  return fault('it is neither *, nor @scope, nor a package name', 'write npm:@scope, npm:NAME or npm:*');
}

function parseRegistry(text: string): string | PatternFault {
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  if (!isPlain || url.search !== '' || url.hash !== '') {
    return fault('what follows @registry= is not a plain http(s) URL', 'write @registry=https://HOST/PATH/');
  }
  return normaliseRegistry(url);
}

function normaliseRegistry(url: URL): string {
  return `${url.origin}${url.pathname.replace(/\/*$/, '/')}`;
}

function matchesNpm(pattern: Extract<Pattern, { scheme: 'npm' }>, origin: Extract<Origin, { scheme: 'npm' }>): boolean {
  const registry = URL.parse(origin.registry);
  if (pattern.registry !== undefined && (registry === null || normaliseRegistry(registry) !== pattern.registry))
    return false;
  const { names } = pattern;
  if (names.kind === 'all') return true;
  if (names.kind === 'name') return origin.name === names.name;
  return origin.name.startsWith(`${names.scope}/`);
}

function matchesHost(pattern: { readonly host: string; readonly isWildcard: boolean }, host: string): boolean {
  if (!pattern.isWildcard) return host === pattern.host;
  const dot = host.indexOf('.');
  // One label exactly: neither the bare suffix nor a.b.suffix.
  return dot > 0 && host.slice(dot + 1) === pattern.host;
}
