/** One docker config file: `.dockerconfigjson`, `config.json`, `auth.json`, or the legacy `.dockercfg`. Pure. */
import type { OciCredential } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import { parseRegistryKey, type RegistryKey } from './docker-key.ts';

export interface DockerConfig {
  readonly path: string;
  /** In the order of the file; undefined credential: the key is there, its secret is kept elsewhere (`{}`). */
  readonly entries: readonly DockerEntry[];
  /** Registry to helper name, as written. */
  readonly helpers: readonly { readonly key: RegistryKey; readonly name: string; readonly server: string }[];
  readonly store: string | undefined;
}

export interface DockerEntry {
  readonly key: RegistryKey;
  readonly credential: OciCredential | undefined;
  /** The key as written: what a credential store is asked for. */
  readonly server: string;
}

type Json = Readonly<Record<string, unknown>>;

const TOKEN_USER = '<token>'; // Docker's mark for "the password is an identity token"
const CONFIG_KEYS = ['auths', 'credHelpers', 'credsStore'];
// What a helper may be called: it becomes the name of a program.
const HELPER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Parses the text of the file at `path`. Throws CredentialsInvalid naming the file and the key, never their content. */
export function parseDockerConfig(path: string, text: string): DockerConfig {
  const config = parseJson(path, text);
  const auths = config['auths'] ?? (isLegacy(config) ? config : {});
  return {
    path,
    entries: Object.entries(objectOf(path, 'auths', auths)).map(([key, value]) => parseEntry(path, key, value)),
    helpers: Object.entries(objectOf(path, 'credHelpers', config['credHelpers'] ?? {})).map(([key, name]) => ({
      key: parseKey(path, key),
      name: helperName(path, 'credHelpers', name),
      server: key,
    })),
    store: storeOf(path, config['credsStore']),
  };
}

/** CredentialsInvalid about the file at `path`; `fault` says what is wrong, not what is there. */
export function credentialsInvalid(
  path: string,
  fault: string,
  more: { cause?: unknown; fix?: string } = {},
): InstallError {
  const { cause, fix } = more;
  return new InstallError('CredentialsInvalid', `the credentials file ${escapeText(path)} ${fault}`, {
    details: { file: escapeText(path), ...(fix === undefined ? {} : { fix }) },
    ...(cause === undefined ? {} : { cause }),
  });
}

function parseJson(path: string, text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    // Not kept as the cause: V8 repeats the text around the fault, and that text is a secret.
    throw credentialsInvalid(path, 'is not valid JSON');
  }
  return objectOf(path, 'the document', value);
}

/** The form before `auths` existed is the map itself; a config.json with neither is one without credentials. */
function isLegacy(config: Json): boolean {
  if (CONFIG_KEYS.some((key) => key in config)) return false;
  return Object.values(config).some(
    (value) => typeof value === 'object' && value !== null && ('auth' in value || 'password' in value),
  );
}

function parseEntry(path: string, text: string, value: unknown): DockerEntry {
  const key = parseKey(path, text);
  const where = `key ${shownKey(text)}`;
  const entry = objectOf(path, where, value);
  const label = `${escapeText(path)}:${shownKey(text)}`;
  return { key, credential: credentialOf(entry, { path, where, label }), server: text };
}

interface Place {
  readonly path: string;
  readonly where: string;
  readonly label: string;
}

function credentialOf(entry: Json, place: Place): OciCredential | undefined {
  const registryToken = textOf(entry, 'registrytoken', place);
  if (registryToken !== '') return { kind: 'registry-token', token: registryToken, label: place.label };
  const identityToken = textOf(entry, 'identitytoken', place);
  if (identityToken !== '') return { kind: 'identity-token', token: identityToken, label: place.label };
  const auth = textOf(entry, 'auth', place).trim();
  const pair = auth === '' ? pairOf(entry, place) : decodeAuth(auth, place);
  if (pair === undefined) return undefined;
  const { username, password } = pair;
  if (username === TOKEN_USER) return { kind: 'identity-token', token: password, label: place.label };
  return { kind: 'basic', username, password, label: place.label };
}

interface Pair {
  readonly username: string;
  readonly password: string;
}

function pairOf(entry: Json, place: Place): Pair | undefined {
  const username = textOf(entry, 'username', place);
  const password = textOf(entry, 'password', place);
  if (username === '' && password === '') return undefined;
  if (username.includes(':')) throw credentialsInvalid(place.path, `has a colon in the user name of ${place.where}`);
  return { username, password };
}

/** base64, padded or not, of `user:password`; Docker pads the password with NULs at times. */
function decodeAuth(auth: string, { path, where }: Place): Pair | undefined {
  const bare = auth.replace(/=+$/, '');
  const bytes = Buffer.from(bare, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== bare)
    throw credentialsInvalid(path, `has an auth of ${where} that is not base64`);
  const text = bytes.toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) throw credentialsInvalid(path, `has an auth of ${where} that is not base64 of user:password`);
  const pair = { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
  return pair.username === '' && pair.password === '' ? undefined : pair;
}

function textOf(entry: Json, name: string, { path, where }: Place): string {
  const value = entry[name] ?? '';
  if (typeof value !== 'string') throw credentialsInvalid(path, `has a ${name} of ${where} that is not a string`);
  const isHeader = name === 'registrytoken' || name === 'identitytoken';
  // A line break would end the header the token is put into.
  if (isHeader && !/^[\x21-\x7e]*$/.test(value))
    throw credentialsInvalid(path, `has a ${name} of ${where} with forbidden characters`);
  return value;
}

function parseKey(path: string, text: string): RegistryKey {
  const key = parseRegistryKey(text);
  if (key === undefined)
    throw credentialsInvalid(path, `has the key ${shownKey(text)}, which is not a registry or repository`);
  return key;
}

/** A key as messages may show it: someone may have written user:password@ into it. */
function shownKey(text: string): string {
  return escapeText(text.replace(/^.*@/s, '…@')).slice(0, 200);
}

function objectOf(path: string, what: string, value: unknown): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json; // just checked
  throw credentialsInvalid(path, `does not have an object as ${what}`);
}

function storeOf(path: string, value: unknown): string | undefined {
  return value === undefined || value === '' ? undefined : helperName(path, 'credsStore', value);
}

function helperName(path: string, what: string, value: unknown): string {
  if (typeof value === 'string' && HELPER.test(value)) return value;
  throw credentialsInvalid(path, `names a program in ${what} that cannot be one`);
}
