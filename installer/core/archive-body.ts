/** What an answer to a (possibly partial) GET of an archive means; shared by all sources that speak HTTP (docs/sources.md, "Resume"). */
import { parseContentLength, parseContentRange } from './content-range.ts';
import type { HttpResponse } from './context.ts';
import { InstallError } from './errors.ts';
import { escapeText, redactUrl } from './redact.ts';
import type { Body, ResumePoint } from './types.ts';

/** Code of the transient error after which the next attempt must ask from the first byte. */
export const RANGE_REFUSED = 'range_refused';

/** Headers that ask for the rest of an archive; none when `from` is the start. RFC 9110, sections 13.1.5 and 14.2. */
export function rangeHeaders(from: ResumePoint): Readonly<Record<string, string>> {
  if (from.offset === 0) return {};
  const range = { range: `bytes=${from.offset}-` };
  return from.validator === undefined ? range : { ...range, 'if-range': from.validator };
}

/**
 * Turns the answer to a GET with `rangeHeaders(from)` into archive bytes: 200 starts over at offset 0, a 206 that begins exactly at
 * `from.offset` and goes to the end is appended. 416, any other range and a changed ETag throw transient RegistryUnavailable with code
 * RANGE_REFUSED. A `Content-Encoding` other than identity and any other status throw UnexpectedContent: callers map the statuses of their
 * protocol (401, 403, 404) before. After a throw the response is discarded.
 */
export async function archiveBody(response: HttpResponse, from: ResumePoint): Promise<Body> {
  try {
    return acceptedBody(response, from);
  } catch (error) {
    await response.discard();
    throw error;
  }
}

function acceptedBody(response: HttpResponse, from: ResumePoint): Body {
  const { status } = response;
  if (status === 416 && from.offset > 0) throw rangeRefused(response, from, 'status 416');
  if (status !== 200 && status !== 206) throw unexpected(response, `status ${status} instead of an archive`);
  refuseEncoding(response);
  const validator = strongValidator(response);
  const origin = { stream: response.body, from: redactUrl(response.url) };
  if (status === 200) {
    return { ...origin, offset: 0, total: parseContentLength(response.header('content-length')), validator };
  }
  const total = rangeTotal(response, from);
  // If-Range should have prevented this; a server that ignores it would splice two archives.
  const isOther = from.validator !== undefined && validator !== undefined && validator !== from.validator;
  if (isOther) throw rangeRefused(response, from, 'another ETag');
  return { ...origin, offset: from.offset, total, validator: validator ?? from.validator };
}

/** The pinned hash is over the bytes as published; a server that encodes them again, unasked, sends other bytes. */
function refuseEncoding(response: HttpResponse): void {
  const encoding = response.header('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return;
  throw unexpected(
    response,
    `content-encoding ${quoted(encoding)} although identity was asked for`,
    'make the server or the proxy in between send the archive without Content-Encoding',
  );
}

/** Size of the whole archive, if stated; throws unless the range is exactly the rest of it. */
function rangeTotal(response: HttpResponse, from: ResumePoint): number | undefined {
  const header = response.header('content-range') ?? '';
  const range = parseContentRange(header);
  const isRest = range?.start === from.offset && (range.size === undefined || range.end === range.size - 1);
  if (range === undefined || !isRest) throw rangeRefused(response, from, `content-range ${quoted(header)}`);
  return range.size;
}

/** RFC 9110, section 13.1.5: a weak validator must not be used for ranges. */
function strongValidator(response: HttpResponse): string | undefined {
  const tag = response.header('etag');
  const isStrong = tag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(tag);
  return isStrong && response.header('accept-ranges')?.trim().toLowerCase() !== 'none' ? tag : undefined;
}

function rangeRefused(response: HttpResponse, from: ResumePoint, found: string): InstallError {
  const url = redactUrl(response.url);
  return new InstallError('RegistryUnavailable', `${url} did not continue at byte ${from.offset}: ${found}`, {
    details: { url, status: response.status, offset: from.offset },
    transient: { code: RANGE_REFUSED },
  });
}

function unexpected(response: HttpResponse, found: string, fix?: string): InstallError {
  const url = redactUrl(response.url);
  const contentType = response.header('content-type');
  return new InstallError('UnexpectedContent', `${url} answered with ${found}`, {
    details: {
      url,
      status: response.status,
      ...(contentType === undefined ? {} : { contentType: escapeText(contentType.slice(0, 100)) }),
      ...(fix === undefined ? {} : { fix }),
    },
  });
}

/** A header value as foreign text, short enough for a message. */
function quoted(value: string): string {
  return `"${escapeText(value.slice(0, 80))}"`;
}
