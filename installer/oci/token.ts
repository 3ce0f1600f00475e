/** Bearer tokens of a registry's token service: Docker Registry v2 authentication, "Token Authentication" and "OAuth2". */
import type { HttpResponse, OciCredential } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { escapeText, redactUrl } from '../core/redact.ts';
import { readWords } from './answer.ts';
import type { OciSettings } from './settings.ts';
import { SingleFlight } from '../core/single-flight.ts';

/** What a Bearer challenge asks for; the realm was admitted. */
export interface TokenChallenge {
  readonly realm: URL;
  readonly service: string | undefined;
  /** `repository:NAME:pull`, sorted. */
  readonly scopes: readonly string[];
}

/** Undefined: anonymous. A registry token needs no token service. */
export type TokenCredential = Exclude<OciCredential, { readonly kind: 'registry-token' }> | undefined;

export type TokenResult =
  | { readonly token: string }
  /** The token service turned this credential down; `why` is fit for a message. */
  | { readonly refused: string };

const CLIENT_ID = 'portal-plugin-installer';
const DEFAULT_LIFETIME_S = 60; // what the specification says when `expires_in` is absent
const SAFETY_MARGIN_MS = 10_000; // a token that expires on the way costs a round trip

/** Tokens of one run, shared by all entries; lives as long as the client it belongs to. */
export class TokenService {
  readonly #settings: OciSettings;
  readonly #flights = new SingleFlight<TokenResult>();
  readonly #tokens = new Map<string, { readonly token: string; readonly expiresAt: number }>();

  constructor(settings: OciSettings) {
    this.#settings = settings;
  }

  /**
   * A token for the challenge: from the cache, from a request under way, or new. Throws what `Http.exchange` throws (transient when the
   * service is down); a refusal of the credential is a result.
   */
  async token(challenge: TokenChallenge, credential: TokenCredential, signal: AbortSignal): Promise<TokenResult> {
    const key = cacheKey(challenge, credential);
    const cached = this.#tokens.get(key);
    if (cached !== undefined && cached.expiresAt > this.#settings.clock.monotonic()) return { token: cached.token };
    return this.#flights.run(key, signal, () => this.#fetch(key, { challenge, credential, signal }));
  }

  /** Forgets a token the registry did not take, so that the next call asks for a new one; a newer token than `token` stays. */
  forget(challenge: TokenChallenge, credential: TokenCredential, token: string): void {
    const key = cacheKey(challenge, credential);
    if (this.#tokens.get(key)?.token === token) this.#tokens.delete(key);
  }

  async #fetch(key: string, ask: TokenAsk): Promise<TokenResult> {
    const askedAt = this.#settings.clock.monotonic();
    const response = await this.#request(ask);
    if (response.status !== 200) return { refused: await this.#refusal(response) };
    const answer = await this.#read(response);
    if ('refused' in answer) return answer;
    const expiresAt = askedAt + answer.lifetimeS * 1000 - SAFETY_MARGIN_MS;
    this.#tokens.set(key, { token: answer.token, expiresAt });
    return { token: answer.token };
  }

  async #request(ask: TokenAsk): Promise<HttpResponse> {
    if (ask.credential?.kind !== 'identity-token') return this.#get(ask);
    const response = await this.#post(ask, ask.credential.token);
    // Harbor and older services know no POST: there the identity token is the password of the user `<token>`.
    if (response.status !== 404 && response.status !== 405) return response;
    await response.discard();
    return this.#get(ask);
  }

  async #get({ challenge, credential, signal }: TokenAsk): Promise<HttpResponse> {
    const url = new URL(challenge.realm);
    if (challenge.service !== undefined) url.searchParams.set('service', challenge.service);
    for (const scope of challenge.scopes) url.searchParams.append('scope', scope);
    if (credential?.kind === 'basic') url.searchParams.set('account', credential.username);
    const authorization = credential === undefined ? undefined : basicAuthorization(credential);
    return this.#settings.http.exchange({
      method: 'GET',
      url,
      headers: { accept: 'application/json' },
      ...(authorization === undefined ? {} : { authorization }),
      redirects: 'same-origin',
      signal,
    });
  }

  async #post({ challenge, signal }: TokenAsk, refreshToken: string): Promise<HttpResponse> {
    const form = new URLSearchParams({ grant_type: 'refresh_token' });
    if (challenge.service !== undefined) form.set('service', challenge.service);
    form.set('client_id', CLIENT_ID);
    form.set('scope', challenge.scopes.join(' '));
    form.set('refresh_token', refreshToken);
    return this.#settings.http.exchange({
      method: 'POST',
      url: challenge.realm,
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
      redirects: 'same-origin',
      signal,
    });
  }

  async #refusal(response: HttpResponse): Promise<string> {
    const { text } = await readWords(response, this.#settings.limits.errorBodyBytes);
    const where = `the token service ${redactUrl(response.url)} answered ${response.status}`;
    return text === undefined ? where : `${where} (${text})`;
  }

  async #read(
    response: HttpResponse,
  ): Promise<{ readonly token: string; readonly lifetimeS: number } | { readonly refused: string }> {
    const { tokenBytes } = this.#settings.limits;
    const where = `the token service ${redactUrl(response.url)}`;
    const bytes = await response.bytes(
      tokenBytes,
      () => new InstallError('AuthRefused', `${where} sent more than ${tokenBytes} bytes`),
    );
    const body = parseObject(bytes.toString('utf8'));
    const token = body?.['access_token'] ?? body?.['token'];
    if (typeof token !== 'string' || token === '') {
      const contentType = escapeText(response.header('content-type') ?? 'no content type').slice(0, 60);
      return { refused: `${where} sent no token (${contentType})` };
    }
    // Anything but visible ASCII would end or split the header it is put into.
    if (!/^[\x21-\x7e]+$/.test(token)) return { refused: `${where} sent a token with forbidden characters` };
    const expiresIn = body?.['expires_in'];
    const isUsable = typeof expiresIn === 'number' && Number.isFinite(expiresIn) && expiresIn > 0;
    return { token, lifetimeS: isUsable ? expiresIn : DEFAULT_LIFETIME_S };
  }
}

interface TokenAsk {
  readonly challenge: TokenChallenge;
  readonly credential: TokenCredential;
  readonly signal: AbortSignal;
}

/** Value of `Authorization` for user and password (RFC 7617), or for an identity token in the place of a password. */
export function basicAuthorization(credential: Exclude<TokenCredential, undefined>): string {
  const [user, password] =
    credential.kind === 'basic' ? [credential.username, credential.password] : ['<token>', credential.token];
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** Scopes to ask for: those of the challenge with every action but `pull` dropped, else pull on `repository`; sorted, no duplicates. */
export function pullScopes(challenged: string | undefined, repository: string): readonly string[] {
  const scopes = (challenged ?? '').split(/\s+/).flatMap((scope) => {
    // The name may hold a port, so the actions are what follows the last colon.
    const [, resource, actions = ''] = /^(repository(?:\([a-z0-9]+\))?:.+):([^:]*)$/.exec(scope) ?? [];
    const isPull = actions.split(',').some((action) => action === 'pull' || action === '*');
    return resource !== undefined && isPull ? [`${resource}:pull`] : [];
  });
  return scopes.length === 0 ? [`repository:${repository}:pull`] : [...new Set(scopes)].sort();
}

function cacheKey(challenge: TokenChallenge, credential: TokenCredential): string {
  const who = credential === undefined ? null : [credential.kind, credential.label];
  return JSON.stringify([challenge.realm.href, challenge.service ?? null, challenge.scopes, who]);
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined; // just checked
  } catch {
    return undefined;
  }
}
