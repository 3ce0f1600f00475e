/** Keys of the form `//host[:port]/path/:_authToken`, npm's "nerf darts": which of them apply to a URL. Pure. */
import { PUBLIC_NPM_REGISTRY } from '../core/origin.ts';
import { npmrcInvalid, type NpmrcLine, type NpmrcPlace } from './npmrc-lines.ts';

const ATTRIBUTES = [
  '_authToken',
  '_auth',
  'username',
  '_password',
  'certfile',
  'keyfile',
  'cert',
  'key',
  'ca',
  'cafile',
] as const;
export type HostAttribute = (typeof ATTRIBUTES)[number];
const SECRET_WORD = /_auth|_password/i;

export interface HostSetting extends NpmrcPlace {
  readonly value: string;
}

/** All settings of one place: a host, maybe a port, and a path. */
export interface HostLevel {
  readonly host: string;
  /** As written; empty when none was. */
  readonly port: string;
  readonly segments: readonly string[];
  readonly settings: ReadonlyMap<HostAttribute, HostSetting>;
}

/** The attribute of a host key or of the same key without a host; undefined for keys that are neither. */
export function attributeOf(key: string): HostAttribute | undefined {
  return ATTRIBUTES.find((attribute) => key === attribute || (key.startsWith('//') && key.endsWith(`:${attribute}`)));
}

/** Keys that were meant to hold a secret but are not one of ours: a typo must not read as "no credential". */
export function isSecretLike(key: string): boolean {
  return SECRET_WORD.test(key);
}

/**
 * Sorts host keys into levels; `//host/path/` and `//host/path` are one. Throws CredentialsInvalid for a key without a host, with the
 * corrected line for `defaultRegistry`, and for a host that does not parse.
 */
export function hostLevels(file: string, lines: readonly NpmrcLine[], defaultRegistry: URL): readonly HostLevel[] {
  const levels = new Map<string, HostLevel & { readonly settings: Map<HostAttribute, HostSetting> }>();
  for (const { line, key, value } of lines) {
    const attribute = attributeOf(key);
    if (attribute === undefined) continue;
    const place = { file, line, key };
    if (!key.startsWith('//')) {
      // npm itself stopped sending these to every registry (npm 9).
      if (attribute === 'ca' || attribute === 'cafile') continue;
      throw npmrcInvalid(place, 'names no registry, so it would be sent to all of them', {
        fix: `write //${defaultRegistry.host}${defaultRegistry.pathname}:${attribute}=…`,
      });
    }
    const address = parseAddress(key.slice(0, -attribute.length - 1), place, attribute);
    const id = JSON.stringify([address.host, address.port, address.segments]);
    const level = levels.get(id) ?? { ...address, settings: new Map<HostAttribute, HostSetting>() };
    if (value !== '') level.settings.set(attribute, { ...place, value });
    levels.set(id, level);
  }
  return [...levels.values()];
}

function parseAddress(text: string, place: NpmrcPlace, attribute: string): Omit<HostLevel, 'settings'> {
  const url = URL.parse(`https:${text}`);
  const isPlain = url !== null && url.username === '' && url.password === '' && !/[?#@\s\\]/.test(text);
  if (!isPlain) {
    throw npmrcInvalid({ ...place, key: `//…:${attribute}` }, 'does not name a host as npm writes it', {
      fix: `write //${new URL(PUBLIC_NPM_REGISTRY).host}/:${attribute}=… with the host and path of the registry`,
    });
  }
  const port = /^\/\/[^/]*:(\d+)(?:\/|$)/.exec(text)?.[1] ?? '';
  return { host: url.hostname, port, segments: segmentsOf(url) };
}

/** Levels that apply to a URL, longest path first: host and port equal, path segments a prefix. */
export function levelsFor(levels: readonly HostLevel[], url: URL): readonly HostLevel[] {
  const segments = segmentsOf(url);
  return levels
    .filter((level) => level.host === url.hostname && isSamePort(level.port, url))
    .filter((level) => level.segments.every((segment, index) => segment === segments[index]))
    .sort((a, b) => b.segments.length - a.segments.length);
}

function isSamePort(port: string, url: URL): boolean {
  const defaultPort = url.protocol === 'http:' ? '80' : '443';
  const wanted = url.port === '' ? defaultPort : url.port;
  return port === '' ? url.port === '' : String(Number(port)) === wanted;
}

function segmentsOf(url: URL): readonly string[] {
  return url.pathname.split('/').filter((segment) => segment !== '');
}
