/** Who may use the registry of this process, and the challenge that everybody else gets. */
import type { RecordedRequest } from './http-server.ts';
import { basicUser, type TokenServer } from './token-server.ts';

export type RegistryAuth =
  | { readonly kind: 'basic'; readonly users: Readonly<Record<string, string>> }
  | { readonly kind: 'token'; readonly tokens: TokenServer }
  /** As Harbor at times: hands out tokens, then wants Basic although a valid token came. */
  | { readonly kind: 'harbor'; readonly tokens: TokenServer; readonly users: Readonly<Record<string, string>> };

/** Value of WWW-Authenticate for a request without the right credential, or undefined when it may pass. */
export function challengeOf(
  request: RecordedRequest,
  repository: string | undefined,
  auth: RegistryAuth | undefined,
): string | undefined {
  if (auth === undefined) return undefined;
  const header = request.headers.authorization;
  if (auth.kind === 'basic') return isUser(header, auth.users) ? undefined : 'Basic realm="test"';
  if (auth.kind === 'harbor' && header !== undefined) {
    return isUser(header, auth.users) ? undefined : 'Basic realm="harbor"';
  }
  return bearerChallenge(request, repository, auth.tokens);
}

function isUser(header: string | undefined, users: Readonly<Record<string, string>>): boolean {
  return typeof basicUser(header, users) === 'string';
}

function bearerChallenge(
  request: RecordedRequest,
  repository: string | undefined,
  tokens: TokenServer,
): string | undefined {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const grant = tokens.grantOf(/^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? '');
  const challenge = `Bearer realm="${tokens.realm}",service="${tokens.service}"`;
  if (repository === undefined) return grant === undefined ? challenge : undefined;
  const wanted = isRead ? 'pull' : 'push';
  const isGranted = grant?.scopes.some((scope) => covers(scope, `repository:${repository}:`, wanted)) === true;
  return isGranted ? undefined : `${challenge},scope="repository:${repository}:${isRead ? 'pull' : 'pull,push'}"`;
}

function covers(granted: string, resource: string, action: string): boolean {
  return granted.startsWith(resource) && granted.slice(resource.length).split(',').includes(action);
}
