import type { RunEvent } from './events.ts';
import type { Limits } from './limits.ts';
import type { Origin } from './origin.ts';
import type { AbsPath } from './types.ts';

/** Time and randomness, injected so that tests are deterministic. */
export interface Clock {
  /** Monotonic milliseconds. */
  monotonic(): number;
  /** Wall clock. */
  now(): Date;
  /** Resolves after `ms`, rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** In [0, 1). */
  random(): number;
}

/** TLS material of one host, PEM. */
export interface ClientTls {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  /** Only for hosts listed as insecure: the certificate is not verified (`strict-ssl=false`). */
  readonly allowUnverified?: true;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  /** Sent on every hop of the same origin; on other origins only `accept`, `range`, `if-range` travel. Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Value of `Authorization`; leaves only to the exact scheme, host and port of `url`. */
  readonly authorization?: string;
  /** Form body of a token POST. */
  readonly body?: string;
  /** `follow`: up to `limits.redirects` hops by the rules of docs/sources.md; `same-origin`: other origins are refused. */
  readonly redirects: 'follow' | 'same-origin';
  /** Asked for each redirect target before it is requested; throws to refuse (`SourceNotAllowed` for https entries). */
  readonly admitRedirect?: (target: URL) => void;
  readonly tls?: ClientTls;
  /** `url` was named by another server (`dist.tarball`), so its name must not resolve to an address a redirect may not reach. */
  readonly isNamedByServer?: boolean;
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** Joined value of a header, or undefined; name in lower case. */
  header(name: string): string | undefined;
  /** All values of a header in order (several WWW-Authenticate). */
  headers(name: string): readonly string[];
  /** URL of the last hop. */
  readonly url: URL;
  /** True when the answer comes from the origin that was asked, not from a redirect target. */
  readonly isSameOrigin: boolean;
  /** Must be read to its end or discarded. Throws transient errors on reset, stall (`bodyIdleTimeoutMs`, 1 KiB/s floor) and short body. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Drains up to `limits.errorBodyBytes`, then destroys. Never throws. */
  discard(): Promise<void>;
  /** Whole body as bytes; throws `tooLarge()` beyond `maxBytes`. */
  bytes(maxBytes: number, tooLarge: () => Error): Promise<Buffer>;
}

export interface Http {
  /**
   * One logical attempt: redirects are followed, nothing is retried. Resolves for every status below 500 except 408, 425 and 429.
   * Those, 5xx and connection faults throw InstallError (`RegistryUnavailable`, `RateLimited`, `DnsFailed`, `TlsFailed`, `ProxyFailed`,
   * `RedirectRefused`) with `transient` set where another attempt may help. Aborts reject with the signal's reason.
   */
  exchange(request: HttpRequest): Promise<HttpResponse>;
  /**
   * Runs `attempt` with the only retry of the program: full jitter, Retry-After, `limits.attempts`, `plugin_retry` events; a wait that
   * does not fit before `deadline` fails at once with the last error.
   */
  retry<T>(attempt: (attemptNumber: number) => Promise<T>, ctx: RetryContext): Promise<T>;
  close(): Promise<void>;
}

/** Identifies whose attempts are retried, for events and the deadline. */
export interface RetryContext {
  readonly signal: AbortSignal;
  /** Monotonic milliseconds; no wait may end after it. */
  readonly deadline: number;
  readonly emit: (event: RunEvent) => void;
  readonly subject: { readonly package: string; readonly index: number };
  /** Bytes gained so far by all attempts; 1 MiB more than at the last failure starts the count of attempts again. */
  readonly progress?: () => number;
}

/** A credential of a docker config, with the place it came from. */
export type OciCredential = { readonly label: string } & (
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string }
  | { readonly kind: 'registry-token'; readonly token: string }
);

/** What `.npmrc` says for a URL. */
export interface UrlCredential {
  /** Where it came from: file and key, never the value. */
  readonly label: string;
  readonly authorization?: string;
  readonly tls?: ClientTls;
}

export interface CredentialProvider {
  /** Candidates in the order they are tried (docs/sources.md, "Credentials"); empty: anonymous. `registry` is `host[:port]`. */
  oci(registry: string, repository: string): Promise<readonly OciCredential[]>;
  /** npm's nerf-dart walk for `url`, then for `registry` when both have one origin. */
  npm(url: URL, registry: URL): UrlCredential | undefined;
  /** Credential for an https entry: exact origin and path prefix. */
  https(url: URL): UrlCredential | undefined;
}

/** All that a step may touch besides its input. `emit` is the only way to be heard. */
export interface Context {
  readonly signal: AbortSignal;
  /** Monotonic milliseconds after which this plugin fails with DeadlineExceeded. */
  readonly deadline: number;
  readonly clock: Clock;
  readonly http: Http;
  readonly credentials: CredentialProvider;
  readonly limits: Limits;
  readonly options: StepOptions;
  /** `allowedSources` of the list. */
  readonly admits: (origin: Origin) => boolean;
  /** Private directory of this line, exists, removed at the end of the run. */
  readonly scratch: AbsPath;
  readonly emit: (event: RunEvent) => void;
  readonly subject: { readonly package: string; readonly index: number };
}

/** Settings that steps read; resolved once in `config/`. */
export interface StepOptions {
  readonly requireIntegrity: boolean;
  readonly backstageFrontend: 'any' | 'module-federation' | 'scalprum';
  /** Backstage version of the portal, for a warning only; undefined: not configured. */
  readonly backstageVersion: string | undefined;
  /** Node version of the portal, for engines warnings of npm; undefined: not configured. */
  readonly portalNodeVersion: string | undefined;
  readonly anonymousFallback: boolean;
  /** Hosts (`host` or `host:port`) that may be spoken to over plain http. */
  readonly isInsecureHost: (host: string) => boolean;
  /** `localhost` and IP literals of loopback, link-local, private, unspecified and multicast space. */
  readonly isPrivateHost: (url: URL) => boolean;
  /** Token realms listed by PORTAL_PLUGINS_AUTH_REALMS, `host=realm-host` or `realm-host`. */
  readonly authRealms: readonly string[];
}
