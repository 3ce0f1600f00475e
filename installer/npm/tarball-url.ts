/** Where the tarball of a version is (docs/sources.md, "npm", step 5). Pure. */
import { isIP } from 'node:net';
import { InstallError } from '../core/errors.ts';
import { PUBLIC_NPM_REGISTRY } from '../core/origin.ts';
import { redactUrl } from '../core/redact.ts';

export interface TarballQuestion {
  /** `dist.tarball` as the registry wrote it, possibly relative. */
  readonly tarball: string | undefined;
  /** Address the packument came from; relative tarballs are relative to it. */
  readonly packumentUrl: URL;
  /** Base URL of the registry, with trailing slash. */
  readonly registry: URL;
  /** Whose tarball addresses are rewritten to the registry: `npmjs`, `never`, `always`, or one host name (npm config, `replace-registry-host`). */
  readonly replaceHost: string;
  isInsecureHost(host: string): boolean;
}

/**
 * Address to download from: `dist.tarball`, never built from the name. Rewritten to the registry's base path where it points to the
 * public registry and the registry is another; lifted to https where it differs from the registry by scheme only. Throws RedirectRefused
 * for other plain http, userinfo, further schemes and foreign IP addresses, UnexpectedContent when there is no address.
 */
export function tarballUrl(question: TarballQuestion): URL {
  const url = parse(question);
  if (url.username !== '' || url.password !== '') throw refused(question, url, 'it holds credentials');
  const rebuilt = isReplaced(url, question) ? rebuild(url, question.registry) : lift(url, question.registry);
  // A record that names 169.254.169.254 or a pod by its address wants something from inside; storage has names.
  const isAddress = isIP(rebuilt.hostname.replace(/^\[|\]$/g, '')) !== 0;
  if (isAddress && rebuilt.host !== question.registry.host && !question.isInsecureHost(rebuilt.host)) {
    throw refused(question, url, "it is on a bare address that is not the registry's own");
  }
  if (rebuilt.protocol === 'https:') return rebuilt;
  if (rebuilt.protocol !== 'http:') throw refused(question, url, 'it is neither https nor http');
  if (question.isInsecureHost(rebuilt.host)) return rebuilt;
  throw refused(question, url, `plain http is refused and ${rebuilt.host} is not listed as insecure`);
}

function parse({ tarball, packumentUrl, registry }: TarballQuestion): URL {
  if (tarball !== undefined && tarball !== '' && URL.canParse(tarball, packumentUrl.href))
    return new URL(tarball, packumentUrl);
  const found = tarball === undefined ? 'no dist.tarball' : 'a dist.tarball that is no address';
  throw new InstallError('UnexpectedContent', `${registry.host} lists the version with ${found}`, {
    details: { url: redactUrl(packumentUrl), fix: 'publish the version again: its record in the registry is broken' },
  });
}

function isReplaced(url: URL, { registry, replaceHost }: TarballQuestion): boolean {
  if (url.host === registry.host || replaceHost === 'never') return false;
  if (replaceHost === 'always') return true;
  // Mirrors of the public registry often pass its tarball addresses on unchanged.
  return url.hostname === (replaceHost === 'npmjs' ? new URL(PUBLIC_NPM_REGISTRY).hostname : replaceHost.toLowerCase());
}

/** Keeps the registry's base path, which npm itself lost (npm/cli issue 8319: every tarball behind Artifactory was a 404). */
function rebuild(url: URL, registry: URL): URL {
  const base = registry.pathname.endsWith('/') ? registry.pathname : `${registry.pathname}/`;
  const path = url.pathname.startsWith(base) ? url.pathname.slice(base.length) : url.pathname.slice(1);
  const rebuilt = new URL(registry);
  rebuilt.pathname = `${base}${path}`;
  rebuilt.search = url.search;
  return rebuilt;
}

/** Registries behind a TLS proxy write http, or http with port 443, into their records. */
function lift(url: URL, registry: URL): URL {
  if (url.protocol !== 'http:' || registry.protocol !== 'https:' || url.hostname !== registry.hostname) return url;
  const isSamePort = url.port === registry.port || (url.port === '443' && registry.port === '');
  if (!isSamePort) return url;
  const lifted = new URL(registry);
  lifted.pathname = url.pathname;
  lifted.search = url.search;
  return lifted;
}

function refused({ packumentUrl }: TarballQuestion, url: URL, why: string): InstallError {
  const shown = redactUrl(url);
  return new InstallError('RedirectRefused', `the registry says the tarball is at ${shown}: ${why}`, {
    details: {
      url: shown,
      from: redactUrl(packumentUrl),
      fix:
        url.protocol === 'http:'
          ? `make the registry write https addresses, or list ${url.host} in PORTAL_PLUGINS_INSECURE_HOSTS`
          : 'correct the public address that the registry is configured with',
    },
  });
}
