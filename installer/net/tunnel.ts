/**
 * TLS through a proxy by CONNECT. undici's ProxyAgent tells the proxy's status only in a message text and decides retries by error codes
 * of its own, so this connector takes its place and answers with a reason.
 */
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { callbackify } from 'node:util';
import type { buildConnector, Pool } from 'undici';
import { errorCode, InstallError } from '../core/errors.ts';
import { faultOf } from './faults.ts';
import type { Proxy } from './proxy.ts';

/** Statuses of a proxy that could not reach the target just now. */
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

export interface Tunnel {
  readonly proxy: Proxy;
  /** Connections to the proxy itself. */
  readonly pool: Pool;
  /** Speaks TLS to the target over the tunnel; the same authorities as without a proxy. */
  readonly secure: buildConnector.connector;
}

/** Connector for https origins behind `proxy`. Its own errors are ProxyFailed; those of the TLS handshake are in the `cause`. */
export function tunnelConnector(tunnel: Tunnel): buildConnector.connector {
  const connect = callbackify(async (options: buildConnector.Options) => connectThrough(tunnel, options));
  return (options, callback) => {
    connect(options, (error, socket) => {
      if (error === null) callback(null, socket);
      else callback(error, null);
    });
  };
}

async function connectThrough(tunnel: Tunnel, options: buildConnector.Options): Promise<Socket> {
  const host = options.host ?? options.hostname;
  const target = options.port === '' ? `${host}:443` : host;
  const socket = await openTunnel(tunnel, target);
  return new Promise((resolve, reject) => {
    tunnel.secure({ ...options, httpSocket: socket }, (error, secured) => {
      if (error === null) return resolve(secured);
      socket.destroy();
      // undici treats codes it knows as its own and may keep the request queued for ever, so they are hidden in the cause.
      return reject(new Error(`TLS to ${target} through ${tunnel.proxy.origin}`, { cause: error }));
    });
  });
}

async function openTunnel({ proxy, pool }: Tunnel, target: string): Promise<Socket> {
  const authorization = proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization };
  let answer: { readonly statusCode: number; readonly socket: Duplex };
  try {
    answer = await pool.connect({ ...proxyOptions(proxy), path: target, headers: { host: target, ...authorization } });
  } catch (cause) {
    throw proxyUnreachable(proxy, cause);
  }
  if (answer.statusCode === 200) return answer.socket as Socket; // over TCP or TLS it is never another Duplex
  answer.socket.on('error', () => undefined).destroy();
  throw proxyRefused(proxy, answer.statusCode, target);
}

/** Options of every request to the proxy itself: without `servername` undici would compare its certificate with the target's name. */
export function proxyOptions(proxy: Proxy): { readonly servername: string } {
  return { servername: proxy.hostname };
}

/** The proxy answered, but not with what was asked. `target` is a host or a redacted URL. */
export function proxyRefused(proxy: Proxy, status: number, target: string): InstallError {
  const isAuth = status === 407;
  const what = isAuth ? 'demands credentials it was not given' : 'refused to connect';
  return new InstallError('ProxyFailed', `the proxy ${proxy.origin} ${what} for ${target} (status ${status})`, {
    details: {
      proxy: proxy.origin,
      target,
      status,
      fix: isAuth
        ? 'put the credentials into the proxy variable as http://USER:PASSWORD@HOST:PORT, or add the host to NO_PROXY'
        : 'let the proxy reach this host, or add the host to NO_PROXY',
    },
    ...(TRANSIENT_STATUSES.has(status) ? { transient: { code: `proxy_${status}` } } : {}),
  });
}

/** The proxy itself could not be reached. */
export function proxyUnreachable(proxy: Proxy, cause: unknown): InstallError {
  const fault = faultOf(cause);
  return new InstallError('ProxyFailed', `the proxy ${proxy.origin} could not be reached: ${fault.text}`, {
    details: { proxy: proxy.origin, fault: fault.code ?? errorCode(cause) },
    cause,
    ...(fault.isTransient ? { transient: { code: `proxy_${fault.code ?? 'failed'}` } } : {}),
  });
}
