/** One undici agent per way to reach a server; connections are shared below it and closed together at the end. */
import { Agent, buildConnector, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { ClientTls } from '../core/context.ts';
import type { Limits } from '../core/limits.ts';
import type { HostList } from './host-list.ts';
import { guardedLookup } from './private-address.ts';
import type { Proxy, ProxyFor } from './proxy.ts';
import { secureContext } from './trust.ts';
import { tunnelConnector } from './tunnel.ts';

/** Per origin; more than a run ever has in flight, so that a waiting body never blocks a token request. */
const CONNECTIONS = 8;

export interface DispatcherOptions {
  readonly limits: Limits;
  readonly proxyFor: ProxyFor;
  /** PEM, besides the default authorities. */
  readonly authorities: readonly string[];
  readonly allowedPrivate: HostList;
  readonly insecureHosts: HostList;
}

/** How one hop is sent. */
export interface Route {
  readonly dispatcher: Dispatcher;
  /** Set when the request goes to this proxy as a plain forward request. */
  readonly forwardedBy: Proxy | undefined;
}

export interface RouteRequest {
  readonly url: URL;
  readonly tls: ClientTls | undefined;
  /** Redirect target: names that resolve to forbidden addresses are refused while connecting. */
  readonly isGuarded: boolean;
}

interface SecureOptions {
  readonly tls: ClientTls | undefined;
  readonly isUnverified: boolean;
  readonly isGuarded: boolean;
}

export class Dispatchers {
  readonly #options: DispatcherOptions;
  readonly #agents = new Map<string, Agent>();
  readonly #pools = new Map<string, Pool>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Throws CredentialsInvalid when the TLS material cannot be used. */
  routeTo({ url, tls, isGuarded }: RouteRequest): Route {
    const proxy = this.#options.proxyFor(url);
    if (proxy !== undefined && url.protocol === 'http:') {
      return { dispatcher: this.#proxyPool(proxy), forwardedBy: proxy };
    }
    const isUnverified = tls?.allowUnverified === true && this.#options.insecureHosts.hasUrl(url);
    const secure = { tls, isUnverified, isGuarded: isGuarded && proxy === undefined };
    const key = JSON.stringify([proxy?.origin, isUnverified, secure.isGuarded, tls?.ca, tls?.cert, tls?.key]);
    const known = this.#agents.get(key);
    if (known !== undefined) return { dispatcher: known, forwardedBy: undefined };
    const agent = this.#agent(proxy, secure);
    this.#agents.set(key, agent);
    return { dispatcher: agent, forwardedBy: undefined };
  }

  /** Ends all connections, also those with a body nobody reads. */
  async close(): Promise<void> {
    const all = [...this.#agents.values(), ...this.#pools.values()];
    this.#agents.clear();
    this.#pools.clear();
    await Promise.all(all.map(async (one) => one.destroy()));
  }

  #agent(proxy: Proxy | undefined, how: SecureOptions): Agent {
    const secure = this.#connector(how);
    const connect = proxy === undefined ? secure : tunnelConnector({ proxy, pool: this.#proxyPool(proxy), secure });
    return new Agent({ connect, connections: CONNECTIONS, allowH2: false });
  }

  #proxyPool(proxy: Proxy): Pool {
    const known = this.#pools.get(proxy.origin);
    if (known !== undefined) return known;
    // Authorities apply to a TLS proxy as well; `connect.ca` of an agent would not reach into a tunnel.
    const secure = this.#connector({ tls: undefined, isUnverified: false, isGuarded: false });
    // An IP address is no valid TLS server name; undici derives the right one from the host when none is given.
    const connect: buildConnector.connector = (options, callback) => secure({ ...options, servername: '' }, callback);
    const { headersTimeoutMs } = this.#options.limits;
    const pool = new Pool(proxy.origin, { connect, allowH2: false, headersTimeout: headersTimeoutMs });
    this.#pools.set(proxy.origin, pool);
    return pool;
  }

  #connector(how: SecureOptions): buildConnector.connector {
    const { limits, authorities, allowedPrivate } = this.#options;
    const context = secureContext(authorities, how.tls);
    return buildConnector({
      allowH2: false,
      timeout: limits.connectTimeoutMs,
      // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED decides nothing here.
      rejectUnauthorized: !how.isUnverified,
      ...(context === undefined ? {} : { secureContext: context }),
      ...(how.isGuarded ? { lookup: guardedLookup(allowedPrivate) } : {}),
    });
  }
}
