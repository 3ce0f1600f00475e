/** The token service of a registry: Docker Registry v2 authentication, GET with Basic and POST with a refresh token. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { startServer, type Answer, type RecordedRequest, type TestServer } from './http-server.ts';

export interface TokenGrant {
  /** Undefined: anonymous. */
  readonly user: string | undefined;
  readonly service: string;
  /** `repository:NAME:ACTIONS`, as granted. */
  readonly scopes: readonly string[];
}

export interface TokenServerOptions {
  readonly users?: Readonly<Record<string, string>>;
  /** Identity tokens that are accepted as refresh tokens, and their users. */
  readonly identityTokens?: Readonly<Record<string, string>>;
  /** Whether nobody may pull; pushing always needs a user. */
  readonly anonymousPull?: boolean;
  /** Seconds; null leaves `expires_in` out. Default 300. */
  readonly expiresIn?: number | null;
  /** Whether POST is known; Harbor answers 405. */
  readonly acceptsPost?: boolean;
  /** Makes the token; default: random. */
  readonly mint?: (grant: TokenGrant) => string;
}

export interface TokenServer extends TestServer {
  readonly realm: string;
  readonly service: string;
  /** What a token grants, or undefined when it was not issued here. */
  grantOf(token: string): TokenGrant | undefined;
  /** Makes the registry refuse every token issued so far. */
  revokeAll(): void;
}

const SERVICE = 'test-registry';

export async function startTokenServer(options: TokenServerOptions = {}): Promise<TokenServer> {
  const issued = new Map<string, TokenGrant>();
  const issue = (grant: TokenGrant): Answer => {
    const token = (options.mint ?? opaque)(grant);
    issued.set(token, grant);
    const { expiresIn = 300 } = options;
    return json(200, { token, ...(expiresIn === null ? {} : { expires_in: expiresIn }) });
  };
  const server = await startServer({
    answer: (request) => {
      const ask = request.method === 'POST' ? askOfPost(request, options) : askOfGet(request, options);
      if ('status' in ask) return ask;
      const scopes = ask.scopes.flatMap((scope) => allowed(scope, ask.user, options));
      return issue({ user: ask.user, service: SERVICE, scopes });
    },
  });
  return {
    ...server,
    realm: `${server.origin}/token`,
    service: SERVICE,
    grantOf: (token) => issued.get(token),
    revokeAll: () => issued.clear(),
  };
}

/** User of a Basic header: undefined without a header, false when user or password are wrong. */
export function basicUser(
  header: string | undefined,
  users: Readonly<Record<string, string>>,
): string | undefined | false {
  if (header === undefined) return undefined;
  const text = Buffer.from(/^Basic (.*)$/.exec(header)?.[1] ?? '', 'base64').toString('utf8');
  const user = text.slice(0, text.indexOf(':'));
  const expected = Buffer.from(users[user] ?? '');
  const given = Buffer.from(text.slice(user.length + 1));
  const isRight = Object.hasOwn(users, user) && given.length === expected.length && timingSafeEqual(given, expected);
  return isRight ? user : false;
}

type Ask = Answer | { readonly user: string | undefined; readonly scopes: readonly string[] };

function askOfGet(request: RecordedRequest, options: TokenServerOptions): Ask {
  const tokens = Object.fromEntries(Object.keys(options.identityTokens ?? {}).map((token) => ['<token>', token]));
  const user = basicUser(request.headers.authorization, { ...options.users, ...tokens });
  if (user === false) return json(401, { errors: [{ code: 'UNAUTHORIZED', message: 'wrong user or password' }] });
  return { user, scopes: request.query.getAll('scope') };
}

function askOfPost(request: RecordedRequest, options: TokenServerOptions): Ask {
  if (options.acceptsPost === false) return json(405, {});
  const form = new URLSearchParams(request.body.toString('utf8'));
  const user = options.identityTokens?.[form.get('refresh_token') ?? ''];
  if (form.get('grant_type') !== 'refresh_token' || user === undefined) return json(400, { error: 'invalid_grant' });
  return { user, scopes: (form.get('scope') ?? '').split(' ') };
}

function allowed(scope: string, user: string | undefined, options: TokenServerOptions): readonly string[] {
  if (user !== undefined) return [scope];
  if (options.anonymousPull !== true) return [];
  return [scope.replace(/:[^:]*$/, ':pull')];
}

function opaque(): string {
  return randomBytes(24).toString('base64url');
}

function json(status: number, value: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}
