/** From host keys of an `.npmrc` to the Authorization and TLS material of a request. */
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ClientTls, UrlCredential } from '../core/context.ts';
import { errorCode, InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import { levelsFor, type HostAttribute, type HostLevel, type HostSetting } from './npmrc-hosts.ts';
import { npmrcInvalid, type NpmrcLine, type NpmrcPlace } from './npmrc-lines.ts';

export interface NpmrcCredentials {
  npm(url: URL, registry: URL): UrlCredential | undefined;
  https(url: URL): UrlCredential | undefined;
  readonly secrets: readonly string[];
}

export interface CredentialSource {
  readonly file: string;
  readonly lines: readonly NpmrcLine[];
  readonly levels: readonly HostLevel[];
  /** False: `strict-ssl=false`. */
  readonly isStrict: boolean;
  readonly isInsecureHost: (host: string) => boolean;
}

/** What one level gives: made once, when the file is read, so that every fault shows at start. */
interface LevelCredential {
  readonly label: string;
  readonly authorization: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly ca: readonly string[];
  readonly secrets: readonly string[];
}

const MAX_PEM = 1024 * 1024; // bundles of all public CAs are a fifth of it

/**
 * Decodes and checks every credential and reads every certificate file now; relative paths are relative to the `.npmrc`. Throws
 * CredentialsInvalid.
 */
export async function credentialReader(source: CredentialSource): Promise<NpmrcCredentials> {
  const made = new Map<HostLevel, LevelCredential>();
  for (const level of source.levels) made.set(level, await levelCredential(level, source.file));
  const globalCa = await readGlobalCa(source);
  const nearest = (url: URL): readonly LevelCredential[] =>
    levelsFor(source.levels, url).flatMap((level) => made.get(level) ?? []);
  return {
    secrets: [...made.values()].flatMap(({ secrets }) => secrets),
    npm(url, registry) {
      if (url.protocol !== 'https:' && !source.isInsecureHost(url.host)) return undefined;
      const own = nearest(url);
      const levels = own.some(isCredential) || url.origin !== registry.origin ? own : [...own, ...nearest(registry)];
      const allowUnverified = !source.isStrict && source.isInsecureHost(url.host);
      return combine(levels, { file: source.file, globalCa, allowUnverified });
    },
    https(url) {
      if (url.protocol !== 'https:') return undefined;
      return combine(nearest(url), { file: source.file, globalCa: [], allowUnverified: false });
    },
  };
}

/** npm takes the nearest level that has a credential or a client certificate, whole; CAs are no secret and looked up on their own. */
function combine(
  levels: readonly LevelCredential[],
  general: { readonly file: string; readonly globalCa: readonly string[]; readonly allowUnverified: boolean },
): UrlCredential | undefined {
  const found = levels.find(isCredential);
  const ca = [...general.globalCa, ...(levels.find((level) => level.ca.length > 0)?.ca ?? [])];
  const tls = tlsOf(found, ca, general.allowUnverified);
  const label = found?.label ?? `${escapeText(general.file)}: TLS settings`;
  const authorization = found?.authorization;
  if (authorization === undefined) return tls === undefined ? undefined : { label, tls };
  return tls === undefined ? { label, authorization } : { label, authorization, tls };
}

function tlsOf(
  found: LevelCredential | undefined,
  ca: readonly string[],
  allowUnverified: boolean,
): ClientTls | undefined {
  const { cert, key } = found ?? {};
  const tls: ClientTls = {
    ...(ca.length === 0 ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(allowUnverified ? { allowUnverified } : {}),
  };
  return Object.keys(tls).length === 0 ? undefined : tls;
}

function isCredential({ authorization, cert }: LevelCredential): boolean {
  return authorization !== undefined || cert !== undefined;
}

async function levelCredential({ settings }: HostLevel, file: string): Promise<LevelCredential> {
  const auth = authorizationOf(settings);
  const pair = await clientCertificate(settings, file);
  const ca = await pemOf(settings, 'ca', file);
  const key = auth?.place.key ?? settingOf(settings, ['certfile', 'cert'])?.key ?? '';
  return {
    label: `${escapeText(file)}: ${escapeText(key)}`,
    authorization: auth?.value,
    cert: pair?.cert,
    key: pair?.key,
    ca: ca === undefined ? [] : [ca],
    secrets: [...(auth?.secrets ?? []), ...(pair === undefined ? [] : [pair.key])],
  };
}

async function clientCertificate(
  settings: Settings,
  file: string,
): Promise<{ readonly cert: string; readonly key: string } | undefined> {
  const cert = await pemOf(settings, 'cert', file);
  const key = await pemOf(settings, 'key', file);
  if (cert !== undefined && key !== undefined) return { cert, key };
  const half = settingOf(settings, ['certfile', 'cert', 'keyfile', 'key']);
  if (half === undefined) return undefined;
  throw npmrcInvalid(half, 'is one half of a client certificate', { fix: 'state certfile and keyfile together' });
}

function settingOf(settings: Settings, names: readonly HostAttribute[]): HostSetting | undefined {
  return names.map((name) => settings.get(name)).find((setting) => setting !== undefined);
}

interface Authorization {
  readonly value: string;
  readonly place: NpmrcPlace;
  readonly secrets: readonly string[];
}

type Settings = ReadonlyMap<HostAttribute, HostSetting>;

/** In npm's order: token, `_auth`, user and password. */
function authorizationOf(settings: Settings): Authorization | undefined {
  const token = settings.get('_authToken');
  if (token !== undefined) {
    if (!/^[\u0021-\u007e]+$/.test(token.value)) {
      throw npmrcInvalid(token, 'is not a token: it holds white space or other characters no header may hold', {
        fix: `write ${token.key}=TOKEN, the token alone`,
      });
    }
    return { value: `Bearer ${token.value}`, place: token, secrets: [token.value] };
  }
  const auth = settings.get('_auth');
  if (auth !== undefined) return basic(auth, decodeBase64(auth, 'user:password'), [auth.value]);
  const user = settings.get('username');
  const password = settings.get('_password');
  if (user !== undefined && password !== undefined) {
    return basic(password, `${user.value}:${decodeBase64(password, 'the password')}`, [password.value]);
  }
  const half = user ?? password;
  if (half === undefined) return undefined;
  throw npmrcInvalid(half, 'is one half of a credential', { fix: 'state username and _password together' });
}

function basic(place: HostSetting, pair: string, secrets: readonly string[]): Authorization {
  const colon = pair.indexOf(':');
  if (colon === -1 || /\p{Cc}/u.test(pair)) {
    throw npmrcInvalid(place, 'does not decode to user:password', {
      fix: `write ${place.key}= and base64 of user:password`,
    });
  }
  const password = pair.slice(colon + 1);
  const encoded = Buffer.from(pair).toString('base64');
  return {
    value: `Basic ${encoded}`,
    place,
    secrets: [...secrets, encoded, password].filter((secret) => secret !== ''),
  };
}

/** Padded or not; anything `Buffer` would skip over is refused. */
function decodeBase64(place: HostSetting, what: string): string {
  const bytes = Buffer.from(place.value, 'base64');
  if (bytes.toString('base64').replaceAll('=', '') !== place.value.replace(/={0,2}$/, '')) {
    throw npmrcInvalid(place, 'is not base64', { fix: `write ${place.key}= and base64 of ${what}` });
  }
  return bytes.toString('utf8');
}

type Pem = 'cert' | 'key' | 'ca';

/** Inline with `\n` for line breaks, as npm writes it, or from the named file. */
async function pemOf(settings: Settings, name: Pem, npmrc: string): Promise<string | undefined> {
  const inline = settings.get(name);
  if (inline !== undefined) return checkPem(inline.value.replaceAll('\\n', '\n'), inline);
  const named = settings.get(`${name}file`);
  return named === undefined ? undefined : readPem(named, npmrc);
}

async function readGlobalCa({ file, lines }: CredentialSource): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { key, value, line } of lines) {
    if (value === '' || value === 'null') continue;
    const place = { file, line, key, value };
    if (key === 'ca') found.push(checkPem(value.replaceAll('\\n', '\n'), place));
    if (key === 'cafile') found.push(await readPem(place, file));
  }
  return found;
}

async function readPem(setting: HostSetting, npmrc: string): Promise<string> {
  const path = resolve(dirname(npmrc), setting.value);
  try {
    await using handle = await open(path, 'r');
    const { size } = await handle.stat();
    if (size > MAX_PEM) throw npmrcInvalid(setting, `names a file of more than ${MAX_PEM} bytes`);
    return checkPem(await handle.readFile('utf8'), setting);
  } catch (error) {
    if (error instanceof InstallError) throw error;
    const code = errorCode(error) ?? 'unknown error';
    throw npmrcInvalid(setting, `names ${escapeText(path)}, which cannot be read (${code})`, {
      fix: `mount the file there, or correct ${setting.key}`,
      cause: error,
    });
  }
}

function checkPem(text: string, place: NpmrcPlace): string {
  if (text.includes('-----BEGIN ')) return text;
  throw npmrcInvalid(place, 'is not PEM', { fix: 'give the certificate or key in PEM form, starting with -----BEGIN' });
}
