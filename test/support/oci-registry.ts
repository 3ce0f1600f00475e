/**
 * An OCI registry in this process: distribution-spec v1.1 push and pull, in memory. It passes the same suite as the reference registry
 * (test/integration/oci-registries.test.ts), so what tests, demo and bench meet here is what they meet there.
 */
import { createHash, randomUUID } from 'node:crypto';
import { startServer, type Answer, type RecordedRequest, type TestServer } from './http-server.ts';
import { challengeOf, type RegistryAuth } from './registry-auth.ts';

export interface OciRegistryOptions {
  readonly auth?: RegistryAuth;
  readonly port?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Answers 200 with everything to a Range request, as Quay does. */
  readonly ignoresRange?: boolean;
}

export interface OciRegistry extends TestServer {
  /** Points a tag at a manifest that was pushed before. */
  tag(repository: string, tag: string, digest: string): void;
  /** Forgets a blob or manifest, as a garbage collector that ran too early. */
  remove(repository: string, digest: string): void;
}

interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

interface Repository {
  readonly manifests: Map<string, StoredManifest>;
  readonly tags: Map<string, string>;
  readonly blobs: Map<string, Buffer>;
  readonly uploads: Map<string, Buffer>;
}

export async function startOciRegistry(options: OciRegistryOptions = {}): Promise<OciRegistry> {
  const repositories = new Map<string, Repository>();
  const { port, tls } = options;
  const server = await startServer({
    ...(port === undefined ? {} : { port }),
    ...(tls === undefined ? {} : { tls }),
    answer: (request) => {
      const route = routeOf(request.path);
      const challenge = challengeOf(request, route?.repository, options.auth);
      if (challenge === undefined) return serve(request, route, { repositories, options });
      const refused = failure(401, 'UNAUTHORIZED', 'authentication required');
      return { ...refused, headers: { ...refused.headers, 'www-authenticate': challenge } };
    },
  });
  return {
    ...server,
    tag: (repository, tag, digest) => repositoryOf(repositories, repository).tags.set(tag, digest),
    remove: (repository, digest) => {
      repositories.get(repository)?.blobs.delete(digest);
      repositories.get(repository)?.manifests.delete(digest);
    },
  };
}

interface Route {
  readonly repository: string;
  readonly kind: 'manifests' | 'blobs' | 'uploads' | 'tags';
  readonly name: string;
}

interface Registry {
  readonly repositories: Map<string, Repository>;
  readonly options: OciRegistryOptions;
}

const NAME = '[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*)*';
const ROUTES: readonly (readonly [Route['kind'], RegExp])[] = [
  ['uploads', new RegExp(`^/v2/(${NAME})/blobs/uploads/([^/]*)$`)],
  ['blobs', new RegExp(`^/v2/(${NAME})/blobs/([^/]+)$`)],
  ['manifests', new RegExp(`^/v2/(${NAME})/manifests/([^/]+)$`)],
  ['tags', new RegExp(`^/v2/(${NAME})/tags/(list)$`)],
];

function routeOf(path: string): Route | undefined {
  for (const [kind, pattern] of ROUTES) {
    const [, repository, name] = pattern.exec(path) ?? [];
    if (repository !== undefined && name !== undefined) return { repository, kind, name };
  }
  return undefined;
}

function serve(request: RecordedRequest, route: Route | undefined, registry: Registry): Answer {
  if (route === undefined)
    return request.path === '/v2/' ? json(200, {}) : failure(404, 'NAME_INVALID', 'no such route');
  const { repositories, options } = registry;
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (isRead && !repositories.has(route.repository)) {
    return failure(404, 'NAME_UNKNOWN', 'repository name not known to registry');
  }
  const repository = repositoryOf(repositories, route.repository);
  if (route.kind === 'uploads') return upload(request, route, repository);
  if (route.kind === 'blobs')
    return getBlob(request, route, { repository, ignoresRange: options.ignoresRange === true });
  if (route.kind === 'tags') return json(200, { name: route.repository, tags: [...repository.tags.keys()].sort() });
  return isRead ? getManifest(request, route, repository) : putManifest(request, route, repository);
}

function repositoryOf(repositories: Map<string, Repository>, name: string): Repository {
  const known = repositories.get(name);
  if (known !== undefined) return known;
  const made: Repository = { manifests: new Map(), tags: new Map(), blobs: new Map(), uploads: new Map() };
  repositories.set(name, made);
  return made;
}

function getManifest(request: RecordedRequest, { name }: Route, repository: Repository): Answer {
  const digest = repository.tags.get(name) ?? name;
  const manifest = repository.manifests.get(digest);
  // The reference registry says 404, not 406, to a client that does not accept the type.
  const isAccepted = manifest !== undefined && (request.headers.accept ?? '').includes(manifest.mediaType);
  if (!isAccepted) return failure(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  const headers = { 'content-type': manifest.mediaType, 'docker-content-digest': digestOf(manifest.bytes) };
  return { status: 200, headers, body: manifest.bytes };
}

function putManifest(request: RecordedRequest, { name, repository: path }: Route, repository: Repository): Answer {
  if (request.method !== 'PUT') return failure(405, 'UNSUPPORTED', 'the operation is unsupported');
  const digest = digestOf(request.body, name.startsWith('sha512:') ? 'sha512' : 'sha256');
  if (name.includes(':') && name !== digest) return failure(400, 'DIGEST_INVALID', 'digest does not match');
  repository.manifests.set(digest, {
    mediaType: request.headers['content-type'] ?? '',
    bytes: request.body,
  });
  if (!name.includes(':')) repository.tags.set(name, digest);
  return { status: 201, headers: { location: `/v2/${path}/manifests/${digest}`, 'docker-content-digest': digest } };
}

function getBlob(
  request: RecordedRequest,
  { name }: Route,
  { repository, ignoresRange }: { readonly repository: Repository; readonly ignoresRange: boolean },
): Answer {
  const blob = repository.blobs.get(name);
  if (blob === undefined) return failure(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': name,
    'accept-ranges': 'bytes',
    etag: `"${name}"`,
  };
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  if (from === undefined || ignoresRange) return { status: 200, headers, body: blob };
  const start = Number(from);
  if (start >= blob.length) return { status: 416, headers: { 'content-range': `bytes */${blob.length}` } };
  const range = { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` };
  return { status: 206, headers: { ...headers, ...range }, body: blob.subarray(start) };
}

function upload(request: RecordedRequest, route: Route, repository: Repository): Answer {
  const digest = request.query.get('digest');
  if (request.method === 'POST' && digest === null) {
    const id = randomUUID();
    repository.uploads.set(id, Buffer.alloc(0));
    return uploading(route.repository, id, 0);
  }
  const before = request.method === 'POST' ? Buffer.alloc(0) : repository.uploads.get(route.name);
  if (before === undefined) return failure(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  const bytes = Buffer.concat([before, request.body]);
  if (request.method === 'PATCH') {
    repository.uploads.set(route.name, bytes);
    return uploading(route.repository, route.name, bytes.length);
  }
  const computed = digestOf(bytes, digest?.startsWith('sha512:') === true ? 'sha512' : 'sha256');
  if (computed !== digest) return failure(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  repository.uploads.delete(route.name);
  repository.blobs.set(digest, bytes);
  const location = `/v2/${route.repository}/blobs/${digest}`;
  return { status: 201, headers: { location, 'docker-content-digest': digest } };
}

function uploading(repository: string, id: string, size: number): Answer {
  const location = `/v2/${repository}/blobs/uploads/${id}`;
  return { status: 202, headers: { location, range: `0-${Math.max(0, size - 1)}`, 'docker-upload-uuid': id } };
}

function failure(status: number, code: string, message: string): Answer {
  return json(status, { errors: [{ code, message }] });
}

function json(status: number, value: unknown): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

export function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}
