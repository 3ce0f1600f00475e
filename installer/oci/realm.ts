/** Whether a token service named by a registry may be asked, and so may see the registry's credential. */
import { InstallError } from '../core/errors.ts';
import { escapeText, redactOrigin } from '../core/redact.ts';
import type { OciPolicy } from './settings.ts';

/**
 * Parses the `realm` of a Bearer challenge given by `registry` (`host[:port]`) at `base`. Throws RealmRefused unless it is an absolute URL
 * that is https (http only among hosts listed as insecure), not an address of a private network other than the registry's own, and in the
 * list for this registry where there is one. Another host is normal: Docker Hub and GitLab have theirs elsewhere.
 */
export function admitRealm(realm: string, registry: string, base: URL, policy: OciPolicy): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || url.host === '')
    throw refused(registry, escapeText(realm).slice(0, 100), 'is not an absolute URL');
  const shown = redactOrigin(url);
  if (url.username !== '' || url.password !== '') throw refused(registry, shown, 'carries credentials');
  refuseScheme(url, registry, base, policy);
  if (url.origin === base.origin) return url;
  const listed = listedRealms(policy.authRealms, registry);
  if (listed.any.some((entry) => isHost(url, entry))) return url;
  // A list for this registry is binding, not one more permission.
  if (listed.ofRegistry.length > 0) {
    if (listed.ofRegistry.some((entry) => isHost(url, entry))) return url;
    throw refused(registry, shown, `is not one of those listed for ${registry}`);
  }
  if (policy.isPrivateHost(url)) throw refused(registry, shown, 'is in a loopback, link-local or private network');
  return url;
}

function refuseScheme(url: URL, registry: string, base: URL, policy: OciPolicy): void {
  if (url.protocol === 'https:') return;
  const shown = redactOrigin(url);
  if (url.protocol !== 'http:') throw refused(registry, shown, 'is neither https nor http');
  if (base.protocol === 'https:') {
    const fix =
      'let the registry announce an https realm; behind a TLS proxy it needs its public base URL or X-Forwarded-Proto';
    throw refused(registry, shown, 'is plain http although the registry is https', fix);
  }
  if (url.host === base.host || policy.isInsecureHost(url.host)) return;
  const fix = `add ${url.host} to PORTAL_PLUGINS_INSECURE_HOSTS if plain http is meant`;
  throw refused(registry, shown, 'is plain http on a host that is not listed as insecure', fix);
}

interface ListedRealms {
  readonly any: readonly string[];
  readonly ofRegistry: readonly string[];
}

function listedRealms(entries: readonly string[], registry: string): ListedRealms {
  const any: string[] = [];
  const ofRegistry: string[] = [];
  for (const entry of entries) {
    const [left = '', right] = entry.trim().toLowerCase().split('=', 2);
    if (right === undefined) any.push(left);
    else if (left === registry) ofRegistry.push(right);
  }
  return { any, ofRegistry };
}

function isHost(url: URL, entry: string): boolean {
  return entry === url.host || (url.port === '' && entry === url.hostname);
}

function refused(registry: string, realm: string, cause: string, fix?: string): InstallError {
  const listIt = `list it as ${registry}=<realm host> in PORTAL_PLUGINS_AUTH_REALMS if it is genuine`;
  return new InstallError('RealmRefused', `the token service ${realm} named by ${registry} ${cause}`, {
    details: { registry, realm, cause, fix: fix ?? listIt },
  });
}
