import type { Clock, CredentialProvider, Http } from '../core/context.ts';
import type { Limits } from '../core/limits.ts';

/** What the client of one run is made of; a `Context` of any entry of that run provides all of it. */
export interface OciSettings {
  readonly http: Pick<Http, 'exchange'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly credentials: Pick<CredentialProvider, 'oci'>;
  readonly limits: Pick<Limits, 'manifestBytes' | 'tokenBytes' | 'errorBodyBytes'>;
  readonly options: OciPolicy;
}

export interface OciPolicy {
  /** One anonymous try after every credential was refused. */
  readonly anonymousFallback: boolean;
  /** Hosts (`host` or `host:port`) that may be spoken to over plain http. */
  readonly isInsecureHost: (host: string) => boolean;
  /** Hosts that a token service must not have unless it is listed or the registry's own. */
  readonly isPrivateHost: (url: URL) => boolean;
  /** Token realms: `registry=realm-host` or `realm-host` (docs/sources.md, "Token services"). */
  readonly authRealms: readonly string[];
}
