/** What the entries of one run share about OCI registries: the client with its tokens, and every manifest that was looked up. */
import type { Context, Http, HttpResponse } from '../core/context.ts';
import {
  OciClient,
  registryWarnings,
  type BlobRequest,
  type FetchedManifest,
  type ManifestSelector,
} from '../oci/client.ts';
import type { OciTarget } from '../oci/reference.ts';
import { SingleFlight } from '../core/single-flight.ts';

export class OciSession {
  readonly #client: OciClient;
  readonly #flights = new SingleFlight<FetchedManifest>();
  readonly #manifests = new Map<string, FetchedManifest>();
  readonly #warned = new Set<string>();

  constructor(ctx: Context) {
    this.#client = new OciClient(ctx);
  }

  /**
   * A manifest, looked up once per run: a tag that moves during the run means the same image for all its entries. Retries belong to
   * `ctx`; failures are not remembered. Throws as `OciClient.manifest`.
   */
  async manifest(target: OciTarget, selector: ManifestSelector, ctx: Context): Promise<FetchedManifest> {
    const key = JSON.stringify([target.registry, target.repository, selector]);
    const known = this.#manifests.get(key);
    if (known !== undefined) return known;
    return this.#flights.run(key, ctx.signal, async () => {
      const fetched = await ctx.http.retry(async () => this.#client.manifest(target, selector, ctx.signal), ctx);
      this.#manifests.set(key, fetched);
      this.#passOn(fetched.warnings, target, ctx);
      return fetched;
    });
  }

  /** One attempt at a blob. Throws as `OciClient.blob`. */
  async blob(target: OciTarget, request: BlobRequest, ctx: Context): Promise<HttpResponse> {
    const response = await this.#client.blob(target, request);
    this.#passOn(registryWarnings(response), target, ctx);
    return response;
  }

  /** Registries repeat a warning with every answer; people need each text once. */
  #passOn(warnings: readonly string[], { registry }: OciTarget, ctx: Context): void {
    for (const warning of warnings) {
      const text = `${registry}: ${warning}`;
      if (this.#warned.has(text)) continue;
      this.#warned.add(text);
      ctx.emit({ event: 'note', level: 'warn', text, subject: ctx.subject });
    }
  }
}

// Keyed by the run's Http: no module state outlives a run, and two runs in one process share nothing.
const sessions = new WeakMap<Http, OciSession>();

/** The session of the run that `ctx` belongs to. */
export function ociSession(ctx: Context): OciSession {
  const known = sessions.get(ctx.http);
  if (known !== undefined) return known;
  const session = new OciSession(ctx);
  sessions.set(ctx.http, session);
  return session;
}
