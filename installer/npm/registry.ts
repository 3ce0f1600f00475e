/** One request to an npm registry: the packument of a package. */
import type { Context, HttpResponse, UrlCredential } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { PUBLIC_NPM_REGISTRY } from '../core/origin.ts';
import { escapeText, redactUrl } from '../core/redact.ts';
import { readPackument, type Packument } from './packument.ts';

export interface FetchedPackument {
  readonly packument: Packument;
  /** Address it came from after redirects; relative tarball addresses are relative to it. */
  readonly url: URL;
}

/** Abbreviated packuments are a tenth of the full ones. npm registry API, "Package Metadata". */
const ABBREVIATED = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*';

/** An answer that is no success, in words. */
interface Refusal {
  readonly name: string;
  readonly url: URL;
  readonly status: number;
  readonly credential: UrlCredential | undefined;
  /** What the server wrote, printable, at most 200 characters. */
  readonly said: string;
}

/**
 * Fetches and checks the packument of `name` from `registry` (base URL with trailing slash), with retries; abbreviated, in full where the
 * registry has no abbreviated one. Throws PackageNotFound, AuthRefused, RegistryUnavailable, SizeBudgetExceeded over
 * `limits.packumentBytes`, UnexpectedContent for what is no packument, PackageMismatch for that of another package.
 */
export async function fetchPackument(name: string, registry: URL, ctx: Context): Promise<FetchedPackument> {
  const url = packumentUrl(name, registry);
  const credential = ctx.credentials.npm(url, registry);
  const { body, from } = await ctx.http.retry(async () => {
    const response = await request(url, credential, ctx);
    if (response.status !== 200) throw await failure({ name, url, credential }, response, ctx);
    const body = await response.bytes(ctx.limits.packumentBytes, () => tooLarge(name, url, ctx));
    return { body, from: response.url };
  }, ctx);
  return { packument: parsePackument(body, name, url), url: from };
}

/** `<registry><name>`, the slash of a scope as `%2f`: some registries route on whole segments. */
export function packumentUrl(name: string, registry: URL): URL {
  const url = new URL(registry);
  url.pathname = `${registry.pathname.replace(/\/$/, '')}/${name.replace('/', '%2f')}`;
  return url;
}

async function request(url: URL, credential: UrlCredential | undefined, ctx: Context): Promise<HttpResponse> {
  const ask = (accept: string): Promise<HttpResponse> =>
    ctx.http.exchange({
      method: 'GET',
      url,
      headers: { accept },
      ...(credential?.authorization === undefined ? {} : { authorization: credential.authorization }),
      ...(credential?.tls === undefined ? {} : { tls: credential.tls }),
      redirects: 'follow',
      signal: ctx.signal,
    });
  const response = await ask(ABBREVIATED);
  if (response.status !== 404 && response.status !== 406) return response;
  await response.discard();
  return ask('application/json');
}

function parsePackument(body: Buffer, name: string, url: URL): Packument {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw notAPackument(url, body, cause);
  }
  const packument = readPackument(value);
  if (packument === undefined) throw notAPackument(url, body);
  if (packument.name === name) return packument;
  const found = escapeText(packument.name.slice(0, 214));
  throw new InstallError('PackageMismatch', `${redactUrl(url)} describes ${found}, asked for ${name}`, {
    details: { url: redactUrl(url), expected: name, found, fix: 'check the registry: it answers for another package' },
  });
}

function notAPackument(url: URL, body: Buffer, cause?: unknown): InstallError {
  const start = printable(body);
  const isPage = /^<(?:!doctype|html|\?xml)/i.test(start);
  const what = isPage ? 'a page, probably a login or an error' : 'something that is no package record';
  return new InstallError('UnexpectedContent', `${redactUrl(url)} answered 200 with ${what}`, {
    details: { url: redactUrl(url), start: start.slice(0, 80), bytes: body.length },
    ...(cause === undefined ? {} : { cause }),
  });
}

function tooLarge(name: string, url: URL, ctx: Context): InstallError {
  const limit = ctx.limits.packumentBytes;
  return new InstallError('SizeBudgetExceeded', `the packument of ${name} is larger than ${limit} bytes`, {
    details: { url: redactUrl(url), limit, setting: 'PORTAL_PLUGINS_MAX_PACKUMENT_BYTES' },
  });
}

async function failure(
  asked: Pick<Refusal, 'name' | 'url' | 'credential'>,
  response: HttpResponse,
  ctx: Context,
): Promise<InstallError> {
  const { status } = response;
  const body = await response
    .bytes(ctx.limits.errorBodyBytes, () => tooLarge(asked.name, asked.url, ctx))
    .catch(() => Buffer.alloc(0)); // the status counts, the words are a courtesy
  const said = repeats(body, asked.credential) ? '' : printable(body);
  await response.discard();
  const refusal: Refusal = { ...asked, status, said };
  if (status === 401 || status === 403) return authRefused(refusal);
  if (status === 404 || status === 410) return packageNotFound(refusal);
  return new InstallError('RegistryUnavailable', `${redactUrl(asked.url)} answered ${status}${quote(said)}`, {
    details: { url: redactUrl(asked.url), status },
  });
}

/** Some servers answer with the request they refused. */
function repeats(body: Buffer, credential: UrlCredential | undefined): boolean {
  const secret = credential?.authorization?.split(' ')[1];
  return secret !== undefined && body.includes(secret);
}

function authRefused({ name, url, status, credential, said }: Refusal): InstallError {
  const used =
    credential?.authorization === undefined ? 'no credential matched' : `with the credential of ${credential.label}`;
  return new InstallError('AuthRefused', `${url.host} refused access to ${name} (${status}, ${used})${quote(said)}`, {
    details: { url: redactUrl(url), name, status, ...labelOf(credential), fix: authFix(url, credential) },
  });
}

function authFix(url: URL, credential: UrlCredential | undefined): string {
  const hint =
    url.hostname === 'npm.pkg.github.com'
      ? '; GitHub Packages needs a token with read:packages even for public packages'
      : '';
  if (credential?.authorization !== undefined)
    return `renew the credential of ${credential.label} or give it read access${hint}`;
  return `add //${url.host}/:_authToken=\${TOKEN} to .npmrc${hint}`;
}

function packageNotFound({ name, url, status, credential, said }: Refusal): InstallError {
  return new InstallError('PackageNotFound', `${url.host} has no package ${name} (${status})${quote(said)}`, {
    details: { url: redactUrl(url), name, status, ...labelOf(credential), fix: notFoundFix(name, url, credential) },
  });
}

function notFoundFix(name: string, url: URL, credential: UrlCredential | undefined): string {
  const scope = /^@[^/]+/.exec(name)?.[0];
  if (url.host === new URL(PUBLIC_NPM_REGISTRY).host && scope !== undefined) {
    return `check the spelling; if ${scope} lives in another registry, add ${scope}:registry=https://HOST/ to .npmrc; a private package also needs //HOST/:_authToken=\${TOKEN} there`;
  }
  if (credential?.authorization !== undefined) {
    return `check the spelling, and that the credential of ${credential.label} may read the package: registries hide what it may not`;
  }
  return `check the spelling; if the package is private, add //${url.host}/:_authToken=\${TOKEN} to .npmrc`;
}

function labelOf(credential: UrlCredential | undefined): { readonly credential?: string } {
  return credential?.authorization === undefined ? {} : { credential: credential.label };
}

function printable(body: Buffer): string {
  return escapeText(body.subarray(0, 800).toString('utf8').trim().replaceAll(/\s+/g, ' ')).slice(0, 200);
}

function quote(said: string): string {
  return said === '' ? '' : `: ${said}`;
}
