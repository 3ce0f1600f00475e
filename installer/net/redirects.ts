/** Redirects hop by hop: what the next request is, or why there is none (docs/sources.md, "Redirects"). Pure. */
import type { ClientTls, HttpRequest } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { redactOrigin } from '../core/redact.ts';
import { hostPortOf } from './host-list.ts';
import type { HostList } from './host-list.ts';
import { isPrivateHost } from './private-address.ts';

const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** RFC 9110, sections 15.4.8 and 15.4.9: the method stays. */
const KEEPING_METHOD: ReadonlySet<number> = new Set([307, 308]);
/** Harmless to strangers, needed for a download; every other header stays with its origin. */
const TRAVELLING: readonly string[] = ['accept', 'range', 'if-range'];

/** One request on the way. */
export interface Hop {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly authorization: string | undefined;
  readonly tls: ClientTls | undefined;
  /** No hop so far left the origin that was asked. */
  readonly isSameOrigin: boolean;
  /** A name must not resolve to a forbidden address. */
  readonly isGuarded: boolean;
  /** Where this hop was named; undefined for the first. */
  readonly from: URL | undefined;
}

export interface RedirectPolicy {
  readonly insecureHosts: HostList;
  /** PORTAL_PLUGINS_ALLOW_PRIVATE_REDIRECTS. */
  readonly allowedPrivate: HostList;
}

export function firstHop(request: HttpRequest, policy: RedirectPolicy): Hop {
  const { url, headers, authorization, tls, isNamedByServer = false } = request;
  const isGuarded = isNamedByServer && !policy.allowedPrivate.hasUrl(url);
  return { url, headers, authorization, tls, isSameOrigin: true, isGuarded, from: undefined };
}

/** The target a response names, as text; undefined when it is no redirect. RFC 9110, section 10.2.2. */
export function locationOf(status: number, location: string | undefined): string | undefined {
  return STATUSES.has(status) ? location : undefined;
}

/**
 * The hop that follows `hop`. Throws RedirectRefused for: another scheme, userinfo, https to http, plain http to a host that is not listed,
 * another origin where only the same is allowed, a private target, a POST that would become a GET. Credentials, client certificates and
 * own headers do not come back once a hop has left the origin: the stranger in between chose the path.
 */
export function nextHop(
  answer: { readonly hop: Hop; readonly status: number; readonly location: string },
  request: HttpRequest,
  policy: RedirectPolicy,
): Hop {
  const { hop } = answer;
  const target = parseTarget(answer.location, hop);
  refuseTransport(hop, target, policy);
  if (request.method === 'POST' && !KEEPING_METHOD.has(answer.status)) {
    throw refused(hop, target, `a POST was answered with ${answer.status}, which would turn it into a GET`);
  }
  const isSameOrigin = hop.isSameOrigin && target.origin === request.url.origin;
  if (!isSameOrigin && request.redirects === 'same-origin') {
    throw refused(hop, target, 'this request may not leave its origin');
  }
  const isListed = policy.allowedPrivate.hasUrl(target);
  const isOwnHost = sameHostPort(target, request.url);
  if (!isListed && !isOwnHost && isPrivateHost(target))
    throw privateTarget(hop, target, 'the target is a private address');
  const own = isSameOrigin
    ? request
    : { headers: travelling(request.headers), authorization: undefined, tls: undefined };
  return {
    url: target,
    headers: own.headers,
    authorization: own.authorization,
    tls: own.tls,
    isSameOrigin,
    // A host that a server named is no more trusted for leading back to itself.
    isGuarded: !isListed && (!isOwnHost || request.isNamedByServer === true),
    from: hop.url,
  };
}

function parseTarget(location: string, hop: Hop): URL {
  if (!URL.canParse(location, hop.url.href)) throw refused(hop, undefined, 'the Location header is not a URL');
  const target = new URL(location, hop.url);
  if (target.protocol !== 'https:' && target.protocol !== 'http:')
    throw refused(hop, target, 'only http and https are followed');
  if (target.username !== '' || target.password !== '')
    throw refused(hop, target, 'the Location header holds credentials');
  target.hash = '';
  return target;
}

function refuseTransport(hop: Hop, target: URL, policy: RedirectPolicy): void {
  if (target.protocol === 'https:') return;
  if (hop.url.protocol === 'https:') throw refused(hop, target, 'https must not be left for plain http');
  if (policy.insecureHosts.hasUrl(target)) return;
  throw refused(hop, target, 'plain http is allowed only to hosts in PORTAL_PLUGINS_INSECURE_HOSTS');
}

function sameHostPort(one: URL, other: URL): boolean {
  const [left, right] = [hostPortOf(one), hostPortOf(other)];
  return left.host === right.host && left.port === right.port;
}

function travelling(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => TRAVELLING.includes(name)));
}

/** RedirectRefused with the origins of both ends, as far as known; path and query may carry secrets. */
export function refused(hop: Hop, target: URL | undefined, why: string, fix?: string): InstallError {
  const from = redactOrigin(hop.url);
  const to = target === undefined ? undefined : redactOrigin(target);
  const ends = to === undefined ? `from ${from}` : `from ${from} to ${to}`;
  return new InstallError('RedirectRefused', `redirect ${ends} refused: ${why}`, {
    details: { url: from, from, ...(to === undefined ? {} : { to }), ...(fix === undefined ? {} : { fix }) },
  });
}

/** RedirectRefused for a target inside the cluster or the machine. */
export function privateTarget(hop: Hop, target: URL, why: string): InstallError {
  const fix = `if the redirect is genuine, list ${target.host} in PORTAL_PLUGINS_ALLOW_PRIVATE_REDIRECTS`;
  return refused(hop, target, why, fix);
}
