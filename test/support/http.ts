/** The production HTTP client with settings for tests, and requests in one line. */
import type { Clock, Http, HttpRequest } from '../../installer/core/context.ts';
import { InstallError } from '../../installer/core/errors.ts';
import { DEFAULT_LIMITS } from '../../installer/core/limits.ts';
import type { Limits } from '../../installer/core/limits.ts';
import type { NetworkSettings } from '../../installer/core/settings.ts';
import { createHttp } from '../../installer/net/http.ts';
import { instantClock } from './clock.ts';

export interface TestHttpOptions {
  readonly network?: Partial<NetworkSettings>;
  readonly limits?: Partial<Limits>;
  readonly clock?: Clock;
  readonly caPem?: readonly string[];
}

export const NO_NETWORK_SETTINGS: NetworkSettings = {
  httpProxy: undefined,
  httpsProxy: undefined,
  noProxy: '',
  caFile: undefined,
  insecureHosts: [],
  allowPrivateRedirects: [],
  userAgent: 'portal-plugin-installer/test',
};

/** Plain http is allowed to loopback unless `insecureHosts` says otherwise; waits are instant. */
export function testHttp(options: TestHttpOptions = {}): Http & AsyncDisposable {
  const http = createHttp({
    network: { ...NO_NETWORK_SETTINGS, insecureHosts: ['127.0.0.1'], ...options.network },
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    clock: options.clock ?? instantClock(),
    ...(options.caPem === undefined ? {} : { caPem: options.caPem }),
  });
  return { ...http, [Symbol.asyncDispose]: async () => http.close() };
}

/** A GET that follows redirects. */
export function get(url: URL | string, more: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: 'GET',
    url: new URL(url),
    headers: {},
    redirects: 'follow',
    signal: new AbortController().signal,
    ...more,
  };
}

/** The InstallError a promise rejects with; anything else fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<InstallError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof InstallError) return error;
    throw error;
  }
  throw new Error('this should have failed');
}
