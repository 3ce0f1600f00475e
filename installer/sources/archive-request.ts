/** One GET of an archive over http(s); what npm tarballs and https entries have in common. */
import { createHash } from 'node:crypto';
import { archiveBody, rangeHeaders } from '../core/archive-body.ts';
import type { Context, HttpResponse, UrlCredential } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';
import type { Body, ResumePoint } from '../core/types.ts';

export interface ArchiveRequest {
  readonly url: URL;
  readonly credential: UrlCredential | undefined;
  /** Throws to refuse a redirect target. */
  readonly admitRedirect?: (target: URL) => void;
  /** Another server named the address. */
  readonly isNamedByServer: boolean;
  /** Resume only where the server says `Accept-Ranges: bytes`. */
  readonly needsAcceptRanges: boolean;
  /** What 404 and 410 mean: the source's own words. */
  notFound(status: number): InstallError;
  /** Completes the fix of a 401 or 403. */
  readonly authHint: string;
}

/**
 * What two pins that share one download have in common: the address. A query may hold a signature, so it takes part as a hash, and the key
 * may be shown.
 */
export function downloadKey(url: URL): string {
  const query = url.search === '' ? '' : `?${createHash('sha256').update(url.search).digest('hex')}`;
  return `${url.origin}${url.pathname}${query}`;
}

const START: ResumePoint = { offset: 0, validator: undefined };

/**
 * One attempt at the archive, from `from` where a strong validator allows it, else from the start. Throws AuthRefused, what `notFound`
 * makes, RegistryUnavailable, UnexpectedContent, and what `Http.exchange` throws.
 */
export async function requestArchive(request: ArchiveRequest, ctx: Context, from: ResumePoint): Promise<Body> {
  // Without If-Range a server may splice another version to what is on disk; a part of a URL has no digest that would notice early.
  const point = from.validator === undefined ? START : from;
  const { url, credential, admitRedirect } = request;
  const response = await ctx.http.exchange({
    method: 'GET',
    url,
    headers: { accept: '*/*', ...rangeHeaders(point) },
    redirects: 'follow',
    signal: ctx.signal,
    isNamedByServer: request.isNamedByServer,
    ...(credential?.authorization === undefined ? {} : { authorization: credential.authorization }),
    ...(credential?.tls === undefined ? {} : { tls: credential.tls }),
    ...(admitRedirect === undefined ? {} : { admitRedirect }),
  });
  const refusal = refusalOf(response, request);
  if (refusal !== undefined) {
    await response.discard();
    throw refusal;
  }
  const body = await archiveBody(response, point);
  const announcesRanges = response.header('accept-ranges')?.trim().toLowerCase() === 'bytes';
  const canResume = !request.needsAcceptRanges || announcesRanges || body.offset > 0;
  return canResume ? body : { ...body, validator: undefined };
}

function refusalOf(response: HttpResponse, request: ArchiveRequest): InstallError | undefined {
  const { status } = response;
  if (status === 401 || status === 403) return authRefused(response, request);
  if (status === 404 || status === 410) return request.notFound(status);
  if (status < 400 || status === 416) return undefined;
  const shown = redactUrl(response.url);
  return new InstallError('RegistryUnavailable', `${shown} answered ${status}`, { details: { url: shown, status } });
}

function authRefused(response: HttpResponse, { url, credential, authHint }: ArchiveRequest): InstallError {
  const { status } = response;
  const isSent = credential?.authorization !== undefined && response.isSameOrigin;
  const used = isSent ? `with the credential of ${credential.label}` : 'no credential was sent';
  const fix = isSent ? `renew the credential of ${credential.label} or give it read access${authHint}` : authHint;
  return new InstallError('AuthRefused', `${response.url.host} refused access to the archive (${status}, ${used})`, {
    details: {
      url: redactUrl(url),
      from: redactUrl(response.url),
      status,
      ...(isSent ? { credential: credential.label } : {}),
      fix,
    },
  });
}
