/** Where npm packages come from unless `.npmrc` says otherwise. */
export const PUBLIC_NPM_REGISTRY = 'https://registry.npmjs.org/';

/** The logical source of a reference, parsed; `allowedSources` and redirects compare these and never raw strings. */
export type Origin =
  | { readonly scheme: 'oci'; readonly host: string; readonly port: number; readonly segments: readonly string[] }
  | { readonly scheme: 'npm'; readonly name: string; readonly registry: string }
  | {
      readonly scheme: 'https' | 'http';
      readonly host: string;
      readonly port: number;
      readonly segments: readonly string[];
    }
  | { readonly scheme: 'file'; readonly path: string };

/**
 * Origin of an http(s) URL, or undefined when its path cannot be compared segment by segment: `%2f`, `%5c`, `%00`, empty segments. Host as
 * `URL` spells it, effective port, unreserved characters decoded once, other escapes in upper case (RFC 3986 section 6.2.2).
 */
export function urlOrigin(url: URL): Origin | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined;
  const segments = url.pathname === '/' ? [] : url.pathname.slice(1).split('/').map(decodeUnreserved);
  const isAmbiguous = /%(?:2f|5c|00)/i.test(url.pathname) || segments.some((one) => ['', '.', '..'].includes(one));
  return isAmbiguous ? undefined : { ...hostOrigin(url), segments };
}

/** Scheme, host and port alone: matches only patterns that admit the whole host. */
export function hostOrigin(url: URL): Extract<Origin, { scheme: 'https' | 'http' }> {
  const scheme = url.protocol === 'http:' ? 'http' : 'https';
  const port = url.port === '' ? (scheme === 'http' ? 80 : 443) : Number(url.port);
  return { scheme, host: url.hostname, port, segments: [] };
}

function decodeUnreserved(segment: string): string {
  return segment.replace(/%([0-9a-f]{2})/gi, (written, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : written.toUpperCase();
  });
}
