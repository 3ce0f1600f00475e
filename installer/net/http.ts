/** The only HTTP client of the program, on undici without interceptors: docs/sources.md, "Requests". */
import type { Dispatcher } from 'undici';
import type { Clock, Http, HttpRequest, HttpResponse } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import { redactUrl } from '../core/redact.ts';
import type { NetworkSettings } from '../core/settings.ts';
import { untilAborted } from '../core/single-flight.ts';
import { Dispatchers } from './dispatchers.ts';
import type { Route } from './dispatchers.ts';
import { parseHostList } from './host-list.ts';
import { HostSlots } from './host-slots.ts';
import type { Release } from './host-slots.ts';
import { isThrownStatus, requestError, statusError } from './http-errors.ts';
import { Answer } from './http-response.ts';
import { proxySettings } from './proxy.ts';
import { firstHop, locationOf, nextHop, privateTarget, refused } from './redirects.ts';
import type { Hop, RedirectPolicy } from './redirects.ts';
import { parseRetryAfter } from './retry-after.ts';
import { retry } from './retry.ts';
import { readCaFile } from './trust.ts';
import { proxyOptions, proxyRefused, proxyUnreachable } from './tunnel.ts';

export interface HttpOptions {
  readonly network: NetworkSettings;
  readonly limits: Limits;
  readonly clock: Clock;
  /** PEM certificates trusted besides Node's default ones and those of `network.caFile`. */
  readonly caPem?: readonly string[];
}

interface Client extends HttpOptions {
  readonly dispatchers: Dispatchers;
  readonly policy: RedirectPolicy;
  readonly slots: HostSlots;
}

interface Sent {
  readonly hop: Hop;
  /** Undefined when no route could be made. */
  readonly route: Route | undefined;
  readonly release: Release;
  readonly signal: AbortSignal;
}

/**
 * Makes the client of a run; close it at the end. Reads `network.caFile` at once. Throws UsageInvalid when that file or a proxy address
 * cannot be used.
 */
export function createHttp(options: HttpOptions): Http {
  const { network, limits } = options;
  const policy = {
    insecureHosts: parseHostList(network.insecureHosts),
    allowedPrivate: parseHostList(network.allowPrivateRedirects),
  };
  const authorities = [...(network.caFile === undefined ? [] : readCaFile(network.caFile)), ...(options.caPem ?? [])];
  const dispatchers = new Dispatchers({ limits, proxyFor: proxySettings(network), authorities, ...policy });
  const client: Client = { ...options, dispatchers, policy, slots: new HostSlots(limits.concurrencyPerHost) };
  return {
    exchange: async (request) => exchange(request, client),
    retry: async (attempt, ctx) => retry(attempt, ctx, options),
    close: async () => dispatchers.close(),
  };
}

async function exchange(request: HttpRequest, client: Client): Promise<HttpResponse> {
  refusePlainHttp(request.url, client);
  let hop = firstHop(request, client.policy);
  for (let redirects = 0; ; redirects += 1) {
    const answer = await send(hop, request, client);
    const location = locationOf(answer.status, answer.header('location'));
    if (location === undefined) return finish(answer, client);
    await answer.discard();
    if (redirects >= client.limits.redirects) {
      throw refused(hop, undefined, `more than ${client.limits.redirects} redirects in a row`);
    }
    hop = nextHop({ hop, status: answer.status, location }, request, client.policy);
    request.admitRedirect?.(hop.url);
  }
}

/** References over plain http are refused while the list is read; this is the last gate, for addresses that registries and files name. */
function refusePlainHttp(url: URL, client: Client): void {
  if (url.protocol === 'https:' || (url.protocol === 'http:' && client.policy.insecureHosts.hasUrl(url))) return;
  throw new InstallError(
    'ReferenceInvalid',
    `${redactUrl(url)} is not https and ${url.host} is not listed as insecure`,
    {
      details: { url: redactUrl(url), fix: `write https://, or list ${url.host} in PORTAL_PLUGINS_INSECURE_HOSTS` },
    },
  );
}

/** One request and its headers; the host's slot is held until the body has ended. */
async function send(hop: Hop, request: HttpRequest, client: Client): Promise<Answer> {
  const release = await client.slots.acquire(hop.url.host, request.signal);
  let route: Route | undefined;
  try {
    route = client.dispatchers.routeTo(hop);
    // undici hears of an abort only once there is a connection; a dead host or proxy would delay the end of the run until then.
    const asking = route.dispatcher.request(requestOptions(hop, request, { client, route }));
    const data = await untilAborted(asking, request.signal);
    const answer = new Answer(data, { hop, release, signal: request.signal, ...client });
    if (data.statusCode !== 407 || route.forwardedBy === undefined) return answer;
    await answer.discard();
    throw proxyRefused(route.forwardedBy, data.statusCode, redactUrl(hop.url));
  } catch (error) {
    throw failed(error, { hop, route, release, signal: request.signal });
  }
}

/** What a failed request is thrown as; gives its slot back. */
function failed(error: unknown, sent: Sent): unknown {
  const { hop, route } = sent;
  sent.release();
  if (sent.signal.aborted) return sent.signal.reason;
  if (error instanceof InstallError) {
    const isGuard = error.reason === 'RedirectRefused' && hop.from !== undefined;
    return isGuard ? privateTarget({ ...hop, url: hop.from }, hop.url, error.message) : error;
  }
  return route?.forwardedBy === undefined ? requestError(error, hop.url) : proxyUnreachable(route.forwardedBy, error);
}

function requestOptions(
  hop: Hop,
  request: HttpRequest,
  { client, route }: { readonly client: Client; readonly route: Route },
): Dispatcher.RequestOptions {
  const { url } = hop;
  const path = `${url.pathname}${url.search}`;
  const proxy = route.forwardedBy;
  return {
    method: request.method,
    // RFC 9112, section 3.2.2: a proxy gets the absolute form.
    ...(proxy === undefined
      ? { origin: url.origin, path }
      : { origin: proxy.origin, path: url.origin + path, ...proxyOptions(proxy) }),
    headers: {
      ...hop.headers,
      ...(hop.authorization === undefined ? {} : { authorization: hop.authorization }),
      ...(proxy?.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }),
      host: url.host,
      'user-agent': client.network.userAgent,
      // Encoded bodies have other hashes; inflating them is the archive reader's business alone.
      'accept-encoding': 'identity',
    },
    body: request.body ?? null,
    signal: request.signal,
    headersTimeout: client.limits.headersTimeoutMs,
    bodyTimeout: client.limits.bodyIdleTimeoutMs,
  };
}

async function finish(answer: Answer, client: Client): Promise<HttpResponse> {
  const { status, url } = answer;
  if (!isThrownStatus(status)) return answer;
  // Retry-After means a wait only with these two. RFC 9110, section 10.2.3; RFC 6585, section 4.
  const mayWait = status === 429 || status === 503;
  const retryAfterMs = mayWait ? parseRetryAfter(answer.header('retry-after'), client.clock.now()) : undefined;
  throw statusError({ url, status, retryAfterMs, body: await answer.beginning(client.limits.errorBodyBytes) });
}
