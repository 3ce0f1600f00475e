/** `.npmrc`: registries, credentials and TLS of npm, narrower than npm itself (docs/sources.md, "npm credentials"). */
import type { UrlCredential } from '../core/context.ts';
import { errorCode, InstallError } from '../core/errors.ts';
import { PUBLIC_NPM_REGISTRY } from '../core/origin.ts';
import { escapeText } from '../core/redact.ts';
import { readBoundedText } from './bounded-file.ts';
import { credentialReader } from './npmrc-credentials.ts';
import { attributeOf, hostLevels, isSecretLike } from './npmrc-hosts.ts';
import { npmrcInvalid, parseNpmrc, type NpmrcLine, type NpmrcPlace } from './npmrc-lines.ts';

export interface NpmrcConfig {
  /** Registry of a package: its scope's, else the default; with trailing slash. Throws CredentialsInvalid for plain http to a host not listed. */
  registryFor(packageName: string): URL;
  /** Credential and TLS for a request of npm: the walk for `url`, then for `registry` when both have one origin. */
  npm(url: URL, registry: URL): UrlCredential | undefined;
  /** Credential of a host key that covers an https URL; never over plain http. */
  https(url: URL): UrlCredential | undefined;
  /** `npmjs` (default), `never`, `always` or a host name. */
  readonly replaceRegistryHost: string;
  /** As written; may hold a password, which is among `secrets`. */
  readonly proxy: string | undefined;
  readonly httpsProxy: string | undefined;
  /** Comma-separated. */
  readonly noProxy: string | undefined;
  /** Remarks for the operator, with line numbers and without values. */
  readonly warnings: readonly string[];
  /** Every secret value of the file and of the files it names. */
  readonly secrets: readonly string[];
}

/** The settings of a file by key, the last line of a key first to count. */
interface Npmrc {
  readonly file: string;
  readonly lines: readonly NpmrcLine[];
}

const MAX_FILE = 1024 * 1024; // what a Secret can hold
const SCOPED_REGISTRY = /^(@[^:/\s]+):registry$/;
const PLAIN_KEYS = new Set([
  'registry',
  'ca',
  'cafile',
  'strict-ssl',
  'proxy',
  'https-proxy',
  'noproxy',
  'replace-registry-host',
]);

/**
 * Reads the file at `path` and the certificate files it names; without a path everything is npm's default. Only `variables` are expanded.
 * Throws CredentialsInvalid with file, line, key and the corrected line, never with a value.
 */
export async function readNpmrc(
  path: string | undefined,
  variables: Readonly<Record<string, string>>,
  isInsecureHost: (host: string) => boolean,
): Promise<NpmrcConfig> {
  const text = path === undefined ? '' : await readBounded(path);
  const file = path ?? '.npmrc';
  const { lines, section } = parseNpmrc(text, variables);
  const npmrc: Npmrc = { file, lines };
  refuseUnclear(npmrc);
  const registries = readRegistries(npmrc);
  const levels = hostLevels(file, lines, registries.default.url);
  const credentials = await credentialReader({ file, lines, levels, isStrict: isStrict(npmrc), isInsecureHost });
  const proxy = proxyOf(npmrc, 'proxy');
  const httpsProxy = proxyOf(npmrc, 'https-proxy');
  return {
    registryFor: (name) => registryFor(name, { file, registries, isInsecureHost }),
    npm: (url, registry) => credentials.npm(url, registry),
    https: (url) => credentials.https(url),
    replaceRegistryHost: valueOf(npmrc, 'replace-registry-host') ?? 'npmjs',
    proxy,
    httpsProxy,
    noProxy: valueOf(npmrc, 'noproxy'),
    warnings: warningsOf(npmrc, section),
    secrets: [...credentials.secrets, ...[proxy, httpsProxy].flatMap(proxySecrets)],
  };
}

async function readBounded(path: string): Promise<string> {
  const shown = escapeText(path);
  const refuse = (fault: string, cause?: unknown): InstallError =>
    new InstallError('CredentialsInvalid', `${shown} ${fault}`, {
      details: {
        file: shown,
        fix: 'mount a readable .npmrc there, or unset PORTAL_PLUGINS_NPMRC and NPM_CONFIG_USERCONFIG',
      },
      ...(cause === undefined ? {} : { cause }),
    });
  try {
    const text = await readBoundedText(path, MAX_FILE);
    if (text === undefined) throw refuse(`is larger than ${MAX_FILE} bytes`);
    return text;
  } catch (error) {
    if (error instanceof InstallError) throw error;
    throw refuse(`cannot be read (${errorCode(error) ?? 'unknown error'})`, error);
  }
}

/** A key that looks like a credential but is none, and a variable that is not there, would both end as a silent 401. */
function refuseUnclear({ file, lines }: Npmrc): void {
  for (const line of lines) {
    const attribute = attributeOf(line.key);
    if (attribute === undefined && isSecretLike(line.key)) {
      // The key itself may hold the secret: `_authToken abc` without `=` is one long key.
      throw npmrcInvalid({ file, line: line.line, key: 'the key' }, 'is a credential that is not understood', {
        fix: 'write //HOST/:_authToken=…, //HOST/:_auth=… or //HOST/:username=… with //HOST/:_password=…',
      });
    }
    const word = /^([\w-]+)[\s:]/.exec(line.key)?.[1];
    // npm skips `registry: URL` without a word, and would ask the public registry for every private name.
    if (word !== undefined && PLAIN_KEYS.has(word))
      throw npmrcInvalid({ file, line: line.line, key: word }, 'is not followed by =', {
        fix: `write ${word}=VALUE on one line`,
      });
    const isRead = attribute !== undefined || PLAIN_KEYS.has(line.key) || line.key.endsWith(':registry');
    if (!isRead) continue;
    // ini reads such a line as the value "true", which would be sent as a token.
    if (!line.hasValue)
      throw npmrcInvalid({ file, line: line.line, key: line.key }, 'has no value', {
        fix: 'write KEY=VALUE on one line',
      });
    if (line.unset.length === 0) continue;
    const names = line.unset.map((name) => escapeText(name.slice(0, 100))).join(', ');
    throw npmrcInvalid(
      { file, line: line.line, key: line.key },
      `needs ${names}, which is not set or may not be read`,
      {
        fix: `set ${names} in the init container and list it in PORTAL_PLUGINS_NPMRC_VARIABLES`,
      },
    );
  }
}

interface Registry {
  readonly url: URL;
  readonly place: NpmrcPlace;
}

interface Registries {
  readonly default: Registry;
  readonly scoped: ReadonlyMap<string, Registry>;
}

function readRegistries({ file, lines }: Npmrc): Registries {
  let fallback: Registry = { url: new URL(PUBLIC_NPM_REGISTRY), place: { file, line: 0, key: 'registry' } };
  const scoped = new Map<string, Registry>();
  for (const { line, key, value } of lines) {
    const scope = SCOPED_REGISTRY.exec(key)?.[1];
    if (scope === undefined && key !== 'registry') continue;
    const registry = parseRegistry(value, { file, line, key });
    if (scope === undefined) fallback = registry;
    else scoped.set(scope, registry);
  }
  return { default: fallback, scoped };
}

function parseRegistry(value: string, place: NpmrcPlace): Registry {
  const url = URL.parse(value.trim());
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw npmrcInvalid(place, 'is not the URL of a registry', { fix: `write ${place.key}=https://HOST/PATH/` });
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw npmrcInvalid(place, 'holds credentials, a query or a fragment', {
      fix: `write ${place.key}=${url.origin}${url.pathname} and //${url.host}${url.pathname.replace(/\/*$/, '/')}:_authToken=…`,
    });
  }
  url.pathname = url.pathname.replace(/\/*$/, '/');
  return { url, place };
}

interface RegistryQuestion {
  readonly file: string;
  readonly registries: Registries;
  readonly isInsecureHost: (host: string) => boolean;
}

function registryFor(name: string, { registries, isInsecureHost }: RegistryQuestion): URL {
  const scope = name.startsWith('@') ? name.slice(0, name.indexOf('/')) : undefined;
  const { url, place } = (scope === undefined ? undefined : registries.scoped.get(scope)) ?? registries.default;
  if (url.protocol === 'https:' || isInsecureHost(url.host)) return new URL(url);
  // Not at reading: a registry no plugin comes from may stay as it is.
  throw npmrcInvalid(place, `is plain http and ${url.host} is not listed as insecure`, {
    fix: `write ${place.key}=https://${url.host}${url.pathname}, or list ${url.host} in PORTAL_PLUGINS_INSECURE_HOSTS`,
  });
}

/** The last line of a key counts; empty is as good as absent. */
function valueOf({ lines }: Npmrc, key: string): string | undefined {
  const value = lines.findLast((line) => line.key === key)?.value.trim();
  return value === undefined || value === '' || value === 'null' ? undefined : value;
}

/** `false` is how npm is told to use no proxy. */
function proxyOf(npmrc: Npmrc, key: 'proxy' | 'https-proxy'): string | undefined {
  const value = valueOf(npmrc, key);
  return value === 'false' ? undefined : value;
}

function isStrict(npmrc: Npmrc): boolean {
  return valueOf(npmrc, 'strict-ssl') !== 'false';
}

function warningsOf(npmrc: Npmrc, section: number | undefined): readonly string[] {
  const { file, lines } = npmrc;
  const shown = escapeText(file);
  const warnings: string[] = [];
  if (section !== undefined) {
    warnings.push(`${shown} line ${section} starts a section: npm ignores it and everything after it`);
  }
  const always = lines.find(({ key }) => key === 'always-auth' || key.endsWith(':always-auth'));
  if (always !== undefined) {
    warnings.push(`${shown} line ${always.line}: always-auth has no effect, credentials go to the host they are for`);
  }
  if (!isStrict(npmrc)) {
    warnings.push(`${shown}: strict-ssl=false counts only for hosts listed in PORTAL_PLUGINS_INSECURE_HOSTS`);
  }
  for (const { key, value, line } of lines) {
    if (attributeOf(key) !== undefined && value === '')
      warnings.push(`${shown} line ${line}: ${escapeText(key)} is empty`);
    // Not shown: with a colon for the equals sign, the secret is part of the key.
    if (isUnknown(key))
      warnings.push(`${shown} line ${line}: this key of a scope or host is not known and has no effect`);
  }
  return warnings;
}

/** Keys of one scope or host are meant for us: `@acme:regsitry` would send the scope to the default registry without a word. */
function isUnknown(key: string): boolean {
  if (!/^(?:@|\/\/).*:/.test(key) || attributeOf(key) !== undefined || SCOPED_REGISTRY.test(key)) return false;
  return !/:(?:always-auth|email)$/.test(key);
}

function proxySecrets(proxy: string | undefined): readonly string[] {
  const url = proxy === undefined ? null : URL.parse(proxy);
  if (url === null || url.password === '') return [];
  try {
    return [url.password, decodeURIComponent(url.password)];
  } catch (error) {
    if (error instanceof URIError) return [url.password]; // a stray % is sent as it is
    throw error;
  }
}
