/** Which proxy, if any, stands between us and a URL. */
import { InstallError } from '../core/errors.ts';
import type { NetworkSettings } from '../core/settings.ts';
import { parseNoProxy } from './no-proxy.ts';

export interface Proxy {
  /** Scheme, host and port; without userinfo, so fit for messages. */
  readonly origin: string;
  readonly hostname: string;
  /** Value of `Proxy-Authorization`. */
  readonly authorization: string | undefined;
}

export type ProxyFor = (url: URL) => Proxy | undefined;

/**
 * Compiles the proxy settings. `http_proxy` serves http URLs only and `https_proxy` https URLs only, as in Go and curl. Throws
 * UsageInvalid when a proxy address is not an http(s) URL; the address is not repeated, it may hold a password.
 */
export function proxySettings(network: NetworkSettings): ProxyFor {
  const plain = parseProxy(network.httpProxy, 'HTTP_PROXY');
  const secure = parseProxy(network.httpsProxy, 'HTTPS_PROXY');
  const isDirect = parseNoProxy(network.noProxy);
  return (url) => {
    const proxy = url.protocol === 'https:' ? secure : plain;
    return proxy === undefined || isDirect(url) ? undefined : proxy;
  };
}

function parseProxy(text: string | undefined, variable: string): Proxy | undefined {
  const address = text?.trim() ?? '';
  if (address === '') return undefined;
  // `proxy:3128` without a scheme is common, and `URL` would read `proxy:` as one.
  const spelled = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`;
  if (!URL.canParse(spelled) || !/^https?:$/.test(new URL(spelled).protocol)) {
    throw new InstallError('UsageInvalid', `${variable} is not the URL of an http or https proxy`, {
      details: { setting: variable, fix: `write ${variable}=http://HOST:PORT` },
    });
  }
  const url = new URL(spelled);
  return { origin: url.origin, hostname: url.hostname.replace(/^\[|\]$/g, ''), authorization: basicOf(url) };
}

function basicOf(url: URL): string | undefined {
  if (url.username === '' && url.password === '') return undefined;
  return `Basic ${Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`).toString('base64')}`;
}

/** A literal `%` in a password is often written unescaped. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
