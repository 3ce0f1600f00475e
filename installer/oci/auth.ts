/** Requests to one registry with the right credential: the first request is the one we need, and its challenge is answered. */
import type { HttpResponse } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { redactOrigin } from '../core/redact.ts';
import { readWords } from './answer.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import { admitRealm } from './realm.ts';
import { apiHost, type OciTarget } from './reference.ts';
import { authRefused, type Candidate, type Refusal } from './refusal.ts';
import type { OciSettings } from './settings.ts';
import { basicAuthorization, pullScopes, TokenService, type TokenChallenge } from './token.ts';

export interface RegistryRequest {
  /** Absolute path on the registry: `/v2/…`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** How the registry wants to be asked, learnt from its last challenge. */
type Scheme = { readonly kind: 'none' } | { readonly kind: 'basic' } | ({ readonly kind: 'bearer' } & TokenChallenge);

/** What is known about one repository during a run. */
interface Repository {
  readonly target: OciTarget;
  readonly base: URL;
  readonly candidates: readonly Candidate[];
  scheme: Scheme;
  /** The candidate that was admitted last; tried first. */
  admitted: Candidate;
}

type Attempt = { readonly response: HttpResponse } | Omit<Refusal, 'candidate'>;

/** Sends GETs to repositories; remembers for the run which candidate and scheme each of them takes. */
export class Authorizer {
  readonly #settings: OciSettings;
  readonly #tokens: TokenService;
  readonly #repositories = new Map<string, Promise<Repository>>();

  constructor(settings: OciSettings) {
    this.#settings = settings;
    this.#tokens = new TokenService(settings);
  }

  /**
   * The answer to a GET, whatever its status but 401 and 403. Candidates are tried in order, the next one only after a 401 or 403 to
   * this one. Throws AuthRefused when all are refused or when a redirect target asks for credentials, RealmRefused, CredentialsInvalid
   * and what `Http.exchange` throws; nothing is retried. After a throw no body is left open.
   */
  async get(target: OciTarget, request: RegistryRequest): Promise<HttpResponse> {
    const repository = await this.#repository(target);
    const refusals: Refusal[] = [];
    for (const candidate of inOrder(repository)) {
      const attempt = await this.#attempt(repository, candidate, request);
      if ('response' in attempt) {
        repository.admitted = candidate;
        return attempt.response;
      }
      refusals.push({ candidate, ...attempt });
    }
    throw authRefused(target, refusals);
  }

  async #repository(target: OciTarget): Promise<Repository> {
    const key = `${target.registry}/${target.repository}`;
    const known = this.#repositories.get(key);
    if (known !== undefined) return known;
    const repository = this.#describe(target);
    this.#repositories.set(key, repository);
    return repository;
  }

  async #describe(target: OciTarget): Promise<Repository> {
    const { credentials, options } = this.#settings;
    const host = apiHost(target.registry);
    const base = new URL(`${options.isInsecureHost(host) ? 'http' : 'https'}://${host}/`);
    const found: readonly Candidate[] = await credentials.oci(target.registry, target.repository);
    // A refused credential does not silently become an anonymous request: that would hide an expired Secret.
    const candidates = found.length === 0 || options.anonymousFallback ? [...found, undefined] : found;
    return { target, base, candidates, scheme: { kind: 'none' }, admitted: candidates[0] };
  }

  /**
   * One candidate: at first as the registry wants to be asked, then as each challenge demands. Bearer is tried twice, so that a stale
   * token is renewed once; Basic and a request without credentials once each.
   */
  async #attempt(repository: Repository, candidate: Candidate, request: RegistryRequest): Promise<Attempt> {
    const left = { none: 1, bearer: 2, basic: 1 };
    let { scheme } = repository;
    for (;;) {
      left[scheme.kind] -= 1;
      const authorization = await this.#authorization(scheme, candidate, request.signal);
      if ('refused' in authorization) return { status: 401, said: authorization.refused };
      const response = await this.#send(repository, request, authorization.value);
      if (response.status !== 401 && response.status !== 403) {
        repository.scheme = scheme;
        return { response };
      }
      const challenges = parseChallenges(response.headers('www-authenticate'));
      const { text } = await readWords(response, this.#settings.limits.errorBodyBytes);
      if (!response.isSameOrigin) throw redirectRefused(repository, response, text);
      if (scheme.kind === 'bearer') this.#forget(scheme, candidate, authorization.value);
      const next = isAnswered(response.status, scheme, candidate)
        ? undefined
        : this.#choose(challenges, repository, left);
      if (next === undefined) return { status: response.status, said: unsent(scheme, candidate, text) };
      // What the probe without credentials brought holds for the other candidates too; a later switch only for this one.
      if (scheme.kind === 'none') repository.scheme = next;
      scheme = next;
    }
  }

  async #send(
    repository: Repository,
    request: RegistryRequest,
    authorization: string | undefined,
  ): Promise<HttpResponse> {
    return this.#settings.http.exchange({
      method: 'GET',
      url: new URL(request.path, repository.base),
      headers: request.headers,
      ...(authorization === undefined ? {} : { authorization }),
      redirects: 'follow',
      signal: request.signal,
    });
  }

  async #authorization(
    scheme: Scheme,
    candidate: Candidate,
    signal: AbortSignal,
  ): Promise<{ readonly value: string | undefined } | { readonly refused: string }> {
    if (candidate?.kind === 'registry-token') return { value: `Bearer ${candidate.token}` };
    if (scheme.kind === 'none') return { value: undefined };
    if (scheme.kind === 'bearer') {
      const result = await this.#tokens.token(scheme, candidate, signal);
      return 'refused' in result ? result : { value: `Bearer ${result.token}` };
    }
    if (candidate === undefined) return { refused: 'the registry wants a user and a password' };
    if (candidate.kind === 'identity-token') {
      return { refused: 'the registry has no token service for an identity token' };
    }
    return { value: basicAuthorization(candidate) };
  }

  #forget(scheme: TokenChallenge, candidate: Candidate, authorization: string | undefined): void {
    if (authorization === undefined || candidate?.kind === 'registry-token') return;
    this.#tokens.forget(scheme, candidate, authorization.slice('Bearer '.length));
  }

  /** Bearer with a realm that is admitted, else Basic, among what was not used up; undefined when nothing is left. */
  #choose(
    challenges: readonly Challenge[],
    repository: Repository,
    left: Readonly<Record<Scheme['kind'], number>>,
  ): Scheme | undefined {
    const bearer = left.bearer > 0 ? challenges.find(({ scheme }) => scheme === 'bearer') : undefined;
    // Harbor answers a second challenge with Basic; the credential matched this very host, so it may have it.
    const hasBasic = left.basic > 0 && challenges.some(({ scheme }) => scheme === 'basic');
    if (bearer !== undefined) {
      try {
        return this.#bearer(bearer, repository);
      } catch (error) {
        if (!hasBasic) throw error;
      }
    }
    return hasBasic ? { kind: 'basic' } : undefined;
  }

  #bearer({ params }: Challenge, { target, base }: Repository): Scheme {
    const realm = admitRealm(params.get('realm') ?? '', target.registry, base, this.#settings.options);
    const scopes = pullScopes(params.get('scope'), target.repository);
    return { kind: 'bearer', realm, service: params.get('service'), scopes };
  }
}

/** A 403 is the last word on a credential that was sent; a 401 to a registry token, which there is no way to renew, likewise. */
function isAnswered(status: number, scheme: Scheme, candidate: Candidate): boolean {
  if (candidate?.kind === 'registry-token') return true;
  return status === 403 && scheme.kind !== 'none';
}

/** A registry that refuses without a challenge never saw the credential: the message must not blame it. */
function unsent(scheme: Scheme, candidate: Candidate, said: string | undefined): string | undefined {
  const isUnsent = scheme.kind === 'none' && candidate !== undefined && candidate.kind !== 'registry-token';
  return isUnsent
    ? `not sent, the registry gave no challenge this program can answer${said === undefined ? '' : `: ${said}`}`
    : said;
}

function inOrder({ candidates, admitted }: Repository): readonly Candidate[] {
  return [admitted, ...candidates.filter((candidate) => candidate !== admitted)];
}

/** A storage host behind a redirect holds no accounts of ours: its 401 or 403 is an error, never a reason to send a credential there. */
function redirectRefused({ target }: Repository, response: HttpResponse, text: string | undefined): InstallError {
  const storage = redactOrigin(response.url);
  const words = text === undefined ? '' : ` (${text})`;
  return new InstallError(
    'AuthRefused',
    `${storage}, where ${target.registry} redirected to for ${target.repository}, answered ${response.status}${words}`,
    {
      details: {
        registry: target.registry,
        repository: target.repository,
        status: response.status,
        storage,
        fix: 'check the storage back end of the registry: its signed address was not accepted (expired, clock skew, or blocked)',
      },
    },
  );
}
