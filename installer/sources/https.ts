/** `https://HOST/PATH`: the body is the archive (docs/sources.md, "https"). */
import type { Context } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { hostOrigin, urlOrigin } from '../core/origin.ts';
import { redactOrigin, redactReference, redactUrl } from '../core/redact.ts';
import type { Body, ParseContext, Pinned, Reference, ResumePoint, Source } from '../core/types.ts';
import { downloadKey, requestArchive } from './archive-request.ts';

export const httpsSource: Source = {
  kind: 'https',
  parse(text, ctx) {
    return /^https?:/i.test(text) ? parseHttps(text, ctx) : undefined;
  },
};

/** Throws ReferenceInvalid; the query is kept for the request and hidden everywhere else. */
function parseHttps(text: string, ctx: ParseContext): Reference {
  const url = parseUrl(text);
  if (url.protocol === 'http:' && !ctx.isInsecureHost(url.host)) {
    throw invalid(text, `plain http is refused and ${url.host} is not listed as insecure`, {
      fix: `write https://, or list ${url.host} in PORTAL_PLUGINS_INSECURE_HOSTS`,
    });
  }
  const origin = urlOrigin(url);
  if (origin === undefined || hasDotSegments(text)) {
    throw invalid(text, 'empty, . and .. segments, %2f, %5c and %00 are refused in its path', {
      fix: 'write the plain path; hosts that encode a slash usually offer a numeric id instead',
    });
  }
  const shown = redactUrl(url);
  return {
    kind: 'https',
    text: shown,
    origin,
    isLocal: false,
    digest: undefined,
    // What is downloaded may depend on the query alone (`/download?plugin=a`).
    identity: downloadKey(url),
    warnings: [],
    resolve: () => Promise.resolve(pin(url, shown)),
  };
}

function parseUrl(text: string): URL {
  if (!/^https?:\/\/[^/]/.test(text)) throw invalid(text, 'it must start with https://HOST, in lower case');
  if (/[\s\\\p{Cc}]/u.test(text)) throw invalid(text, 'white space, control characters and backslashes are refused');
  const url = URL.parse(text);
  if (url === null) throw invalid(text, 'it does not parse');
  if (url.username !== '' || url.password !== '' || /^https?:\/\/[^/?#]*@/.test(text)) {
    throw invalid(text, 'credentials have no place in a reference', {
      fix: `move them to .npmrc: //${url.host}${url.pathname.replace(/[^/]*$/, '')}:_authToken=\${TOKEN}`,
    });
  }
  if (text.includes('#')) throw invalid(text, 'a fragment means nothing here', { fix: 'remove what follows #' });
  return url;
}

/** The URL parser has already resolved them, so only the text shows what was meant. */
function hasDotSegments(text: string): boolean {
  const path = text.replace(/[?#].*$/s, '').replace(/^https?:\/\/[^/]*/, '');
  return /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i.test(path);
}

function pin(url: URL, shown: string): Pinned {
  const part = { claims: {}, label: shown, open: (ctx: Context, from: ResumePoint) => openBody(url, ctx, from) };
  return {
    key: downloadKey(url),
    text: shown,
    layout: 'package',
    within: undefined,
    parts: [part],
    warnings: [],
  };
}

function openBody(url: URL, ctx: Context, from: ResumePoint): Promise<Body> {
  const shown = redactUrl(url);
  // Over plain http everyone on the path would read it.
  const credential = url.protocol === 'https:' ? ctx.credentials.https(url) : undefined;
  return requestArchive(
    {
      url,
      credential,
      isNamedByServer: false,
      needsAcceptRanges: true,
      admitRedirect: (target) => admit(target, url, ctx),
      authHint: `add //${url.host}/:_authToken=\${TOKEN} to .npmrc if the archive is private`,
      notFound: (status) =>
        new InstallError('PackageNotFound', `${shown} does not exist (${status})`, {
          details: { url: shown, status, fix: 'check the address' },
        }),
    },
    ctx,
    from,
  );
}

/** `allowedSources` was asked about the reference; what it redirects to is another source. */
function admit(target: URL, url: URL, ctx: Context): void {
  if (ctx.admits(urlOrigin(target) ?? hostOrigin(target))) return;
  throw notAdmitted(target, `${redactUrl(url)} redirects to`);
}

/** SourceNotAllowed for a host that an allowed source leads to, with the pattern that would admit it. */
export function notAdmitted(target: URL, what: string): InstallError {
  const pattern = redactOrigin(target);
  return new InstallError('SourceNotAllowed', `${what} ${pattern}, which matches no pattern of allowedSources`, {
    details: { source: pattern, pattern, fix: `add ${pattern} to allowedSources if that host is meant to serve it` },
  });
}

function invalid(text: string, why: string, details: { readonly fix?: string } = {}): InstallError {
  const shown = redactReference(text);
  return new InstallError('ReferenceInvalid', `${shown} is not an https reference: ${why}`, {
    details: { reference: shown, ...details },
  });
}
