/** What foreign text may look like in a log line or a message. Allow-lists, applied before a message exists. */

/**
 * A URL fit for logs: scheme, host, port and path. Userinfo and fragment are dropped, a query is replaced by `?…` (signed URLs carry
 * their secret there), each path segment is escaped as foreign text.
 */
export function redactUrl(url: URL | string): string {
  let parsed: URL;
  try {
    parsed = typeof url === 'string' ? new URL(url) : url;
  } catch {
    return '(unparseable URL)';
  }
  const query = parsed.search === '' ? '' : '?…';
  return escapeText(`${parsed.protocol}//${parsed.host}${parsed.pathname}${query}`);
}

/** Origin only (`https://host:port`), for refusals that must not repeat a path. */
export function redactOrigin(url: URL): string {
  return `${url.protocol}//${url.host}`;
}

// C0, DEL, C1, line and paragraph separators, bidirectional and zero-width controls, BOM, interlinear marks, lone surrogates.
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu;

/** Foreign text with every character that could forge a line or drive a terminal written as `\u00xx`. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const USERINFO = /([a-z][a-z0-9+.-]{0,30}:\/\/)[^/?#]*@(?=[^/])/gi;
// A password that holds `/`, `?` or `#` ends the host for every URL parser, and slashes may be missing; what follows the colon is no port.
const BROKEN_USERINFO = /\b(https?:\/{0,2})[^/?#@\s:[]{0,256}:(?!\d{1,5}(?:[/?#]|$))[^@]{0,1024}@/gi;

/** A reference as the operator wrote it, without userinfo (also of a URL within, `name@https://…`, and of one that does not parse) and query. */
export function redactReference(text: string): string {
  const withoutUser = text.replace(USERINFO, '$1').replace(BROKEN_USERINFO, '$1');
  return escapeText(withoutUser.replace(/\?.*$/s, '?…')).slice(0, 1024);
}

/** Words of a server without the credentials of the request, which some gateways repeat in their error pages. */
export function redactAuthorization(text: string): string {
  return text.replace(/\b(basic|bearer)\s+[\w\-.~+/]+=*/gi, '$1 …');
}
