/**
 * An npm registry in this process: publish, packuments full and abbreviated, tarballs with ranges, in memory. It passes the same suite as
 * verdaccio (test/integration/npm-registries.test.ts), so what tests, demo and bench meet here is what they meet there.
 */
import { createHash } from 'node:crypto';
import { startServer, type Answer, type RecordedRequest, type TestServer } from './http-server.ts';

export interface NpmRegistryOptions {
  /** Path of the base URL, with both slashes; default `/`. */
  readonly base?: string;
  /** Who may read and publish; without it everybody may. */
  readonly auth?: NpmAuth;
  /** Names that need `auth` to be read; default all. */
  readonly isPrivate?: (name: string) => boolean;
  /** Origin of `dist.tarball`, where it is not the registry's own. */
  readonly tarballOrigin?: string;
  /** As registries that know no abbreviated packuments: 404 to who asks for one. */
  readonly onlyFull?: true;
  readonly port?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface NpmAuth {
  readonly users?: Readonly<Record<string, string>>;
  readonly tokens?: readonly string[];
}

export interface VersionDocument {
  readonly name: string;
  readonly version: string;
  readonly dist: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/** The full packument as it is kept; `dist.tarball` is a path and gets its origin when it is served. */
export interface PackumentDocument {
  readonly name: string;
  readonly 'dist-tags': Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, VersionDocument>>;
  readonly [key: string]: unknown;
}

export interface NpmRegistry extends TestServer {
  /** Base URL with trailing slash. */
  readonly url: string;
  /** Replaces a packument by what `change` makes of it: a registry may say anything. */
  amend(name: string, change: (packument: PackumentDocument) => PackumentDocument): void;
  /** Replaces one version's record. */
  amendVersion(name: string, version: string, change: (record: VersionDocument) => VersionDocument): void;
  /** Replaces the bytes of a tarball without touching its record. */
  replaceTarball(name: string, version: string, bytes: Buffer): void;
}

interface Store {
  readonly packuments: Map<string, PackumentDocument>;
  readonly tarballs: Map<string, Buffer>;
}

const ABBREVIATED = 'application/vnd.npm.install-v1+json';

export async function startNpmRegistry(options: NpmRegistryOptions = {}): Promise<NpmRegistry> {
  const store: Store = { packuments: new Map(), tarballs: new Map() };
  const base = options.base ?? '/';
  const origin = { value: options.tarballOrigin ?? '' };
  const { port, tls } = options;
  const server = await startServer({
    ...(port === undefined ? {} : { port }),
    ...(tls === undefined ? {} : { tls }),
    answer: (request) => answer(request, { store, options, base, tarballBase: `${origin.value}${base}` }),
  });
  if (origin.value === '') origin.value = server.origin;
  const amend: NpmRegistry['amend'] = (name, change) => {
    store.packuments.set(name, change(packumentOf(store, name)));
  };
  return {
    ...server,
    url: `${server.origin}${base}`,
    amend,
    amendVersion: (name, version, change) =>
      amend(name, (packument) => {
        const record = packument.versions[version];
        if (record === undefined) throw new Error(`${name}@${version} is not published`);
        return { ...packument, versions: { ...packument.versions, [version]: change(record) } };
      }),
    replaceTarball: (name, version, bytes) => store.tarballs.set(tarballPath(name, version), bytes),
  };
}

interface Question {
  readonly store: Store;
  readonly options: NpmRegistryOptions;
  readonly base: string;
  readonly tarballBase: string;
}

function answer(request: RecordedRequest, question: Question): Answer {
  const { store, options, base } = question;
  if (!request.path.startsWith(base)) return failure(404, 'no such route');
  const path = decodeURIComponent(request.path.slice(base.length));
  if (path.startsWith(LOGIN)) return logIn(request, path.slice(LOGIN.length), options.auth ?? {});
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? '';
  if (!mayPass(request, name, options)) return failure(401, 'authentication required');
  if (request.method === 'PUT') return put(request, store);
  const tarball = store.tarballs.get(path);
  if (tarball !== undefined) return serveTarball(request, tarball);
  const packument = path === name ? store.packuments.get(name) : undefined;
  return packument === undefined ? failure(404, 'Not found') : servePackument(request, packument, question);
}

const LOGIN = '-/user/org.couchdb.user:';

/** npm registry API, "login": name and password in the body, a token back. */
function logIn(request: RecordedRequest, user: string, { users = {} }: NpmAuth): Answer {
  const { password } = JSON.parse(request.body.toString()) as { password?: string }; // only tests log in here
  if (password === undefined || users[user] !== password) return failure(401, 'unauthorized');
  return {
    status: 201,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: tokenFor(user) }),
  };
}

function tokenFor(user: string): string {
  return `token-of-${user}`;
}

function mayPass(request: RecordedRequest, name: string, { auth, isPrivate }: NpmRegistryOptions): boolean {
  if (auth === undefined) return true;
  const isOpen = request.method !== 'PUT' && isPrivate?.(name) === false;
  return isOpen || isKnown(request.headers.authorization, auth);
}

function isKnown(authorization: string | undefined, { users = {}, tokens = [] }: NpmAuth): boolean {
  const [scheme, value = ''] = (authorization ?? '').split(' ');
  if (scheme === 'Bearer') return [...tokens, ...Object.keys(users).map(tokenFor)].includes(value);
  if (scheme !== 'Basic') return false;
  const [user = '', ...password] = Buffer.from(value, 'base64').toString().split(':');
  return Object.hasOwn(users, user) && users[user] === password.join(':');
}

function servePackument(
  request: RecordedRequest,
  packument: PackumentDocument,
  { options, tarballBase }: Question,
): Answer {
  const isAbbreviated = (request.headers.accept ?? '').includes(ABBREVIATED);
  if (isAbbreviated && options.onlyFull === true) return failure(404, 'Not found');
  const versions = Object.entries(packument.versions).map(([version, record]): [string, unknown] => {
    const tarball = record.dist['tarball'];
    const isPath = typeof tarball === 'string' && tarball.startsWith('path:');
    const dist = isPath ? { ...record.dist, tarball: `${tarballBase}${tarball.slice('path:'.length)}` } : record.dist;
    const { name, deprecated, engines } = record;
    return [
      version,
      isAbbreviated ? { name, version: record.version, deprecated, engines, dist } : { ...record, dist },
    ];
  });
  const body = isAbbreviated
    ? {
        name: packument.name,
        'dist-tags': packument['dist-tags'],
        versions: Object.fromEntries(versions),
        modified: '',
      }
    : { ...packument, versions: Object.fromEntries(versions) };
  return {
    status: 200,
    headers: { 'content-type': isAbbreviated ? ABBREVIATED : 'application/json' },
    body: JSON.stringify(body),
  };
}

function serveTarball(request: RecordedRequest, bytes: Buffer): Answer {
  const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
  const headers = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes', etag };
  const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
  const condition = request.headers['if-range'];
  if (start === undefined || (condition !== undefined && condition !== etag))
    return { status: 200, headers, body: bytes };
  if (Number(start) >= bytes.length) return { status: 416, headers: { 'content-range': `bytes */${bytes.length}` } };
  const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  return { status: 206, headers: { ...headers, 'content-range': range }, body: bytes.subarray(Number(start)) };
}

interface PutDocument extends PackumentDocument {
  readonly _attachments: Readonly<Record<string, { readonly data: string }>>;
}

function put(request: RecordedRequest, store: Store): Answer {
  const document = JSON.parse(request.body.toString()) as PutDocument; // only this project's tests publish here
  const { name } = document;
  const known = store.packuments.get(name) ?? { name, 'dist-tags': {}, versions: {} };
  const versions: Record<string, VersionDocument> = { ...known.versions };
  for (const [version, record] of Object.entries(document.versions)) {
    if (Object.hasOwn(versions, version)) return failure(409, 'this package is already present');
    versions[version] = { ...record, dist: { ...record.dist, tarball: `path:${tarballPath(name, version)}` } };
    const [attachment] = Object.values(document._attachments);
    store.tarballs.set(tarballPath(name, version), Buffer.from(attachment?.data ?? '', 'base64'));
  }
  const tags = { ...known['dist-tags'], ...document['dist-tags'] };
  store.packuments.set(name, { ...known, 'dist-tags': tags, versions });
  return { status: 201, headers: { 'content-type': 'application/json' }, body: '{"ok":"created new package"}' };
}

function tarballPath(name: string, version: string): string {
  return `${name}/-/${name.replace(/^@[^/]+\//, '')}-${version}.tgz`;
}

function packumentOf(store: Store, name: string): PackumentDocument {
  const packument = store.packuments.get(name);
  if (packument === undefined) throw new Error(`${name} is not published`);
  return packument;
}

function failure(status: number, error: string): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ error }) };
}
