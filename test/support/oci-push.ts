/** Pushes plugins to any OCI registry over HTTP, in the shapes that the tools of the field write (docs/sources.md, "OCI artifacts"). */
import { createHash } from 'node:crypto';
import type { Integrity } from '../../installer/core/integrity.ts';
import type { Digest } from '../../installer/core/types.ts';
import { sriOf } from './tarball.ts';

export interface PushTarget {
  /** `http://127.0.0.1:5000` */
  readonly origin: string;
  readonly repository: string;
  /** Undefined: pushed by digest only. */
  readonly tag?: string;
  readonly credential?: { readonly username: string; readonly password: string };
}

export interface PushedDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface Pushed extends PushedDescriptor {
  /** Digests of the layers in order. */
  readonly layers: readonly PushedDescriptor[];
  /** `oci://host/repository:tag`, or `…@digest` without a tag. */
  readonly reference: string;
  /** `oci://host/repository@digest` */
  readonly pinned: string;
}

export interface PushLayer {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const EMPTY_JSON = Buffer.from('{}');

/** As `oras push REF package.tgz:application/gzip` (oras 1.2) does: empty config, one titled layer. `integrity` is over the tarball. */
export async function pushArtifact(
  target: PushTarget,
  tarball: Uint8Array,
): Promise<Pushed & { readonly integrity: Integrity }> {
  const layer = {
    bytes: tarball,
    mediaType: 'application/gzip',
    annotations: { 'org.opencontainers.image.title': 'package.tgz' },
  };
  const pushed = await pushLayers(target, [layer], {
    artifactType: 'application/vnd.unknown.artifact.v1',
    config: { bytes: EMPTY_JSON, mediaType: 'application/vnd.oci.empty.v1+json' },
    annotations: { 'org.opencontainers.image.created': '2026-01-02T03:04:05Z' },
  });
  return { ...pushed, integrity: sriOf(tarball) };
}

export interface PushImageOptions {
  readonly layers: readonly PushLayer[];
  /** Written as `io.backstage.dynamic-packages`, as the Red Hat Developer Hub tooling does. */
  readonly plugins?: Readonly<Record<string, { readonly name: string; readonly version: string }>>;
  /** Docker's media types instead of the OCI ones. */
  readonly isDocker?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** As `buildah build` of `FROM scratch; COPY . .` does: image config, root file system layers. */
export async function pushImage(target: PushTarget, options: PushImageOptions): Promise<Pushed> {
  const { layers, plugins, isDocker = false } = options;
  const config = { architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [] } };
  return pushLayers(target, layers, {
    mediaType: isDocker ? DOCKER_MANIFEST : OCI_MANIFEST,
    config: {
      bytes: Buffer.from(JSON.stringify(config)),
      mediaType: isDocker
        ? 'application/vnd.docker.container.image.v1+json'
        : 'application/vnd.oci.image.config.v1+json',
    },
    annotations: { ...options.annotations, ...(plugins === undefined ? {} : pluginAnnotation(plugins)) },
  });
}

export interface IndexEntry {
  readonly manifest: PushedDescriptor;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface PushIndexOptions {
  readonly isDocker?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** As `docker buildx` does with `--provenance`: an index over manifests that were pushed before. */
export async function pushIndex(
  target: PushTarget,
  entries: readonly IndexEntry[],
  { isDocker = false, annotations }: PushIndexOptions = {},
): Promise<Pushed> {
  const manifests = entries.map(({ manifest, platform, annotations }) => ({
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.size,
    ...(platform === undefined ? {} : { platform }),
    ...(annotations === undefined ? {} : { annotations }),
  }));
  const mediaType = isDocker ? DOCKER_LIST : OCI_INDEX;
  return pushManifest(target, {
    schemaVersion: 2,
    mediaType,
    manifests,
    ...(annotations === undefined ? {} : { annotations }),
  });
}

/** The entry that buildx adds for its provenance; point it at a manifest pushed for it. */
export function attestationEntry(manifest: PushedDescriptor, about: PushedDescriptor): IndexEntry {
  return {
    manifest,
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': about.digest },
  };
}

/** `io.backstage.dynamic-packages`: base64 of a JSON array with one object for each plugin. */
export function pluginAnnotation(
  plugins: Readonly<Record<string, { readonly name: string; readonly version: string }>>,
): Readonly<Record<string, string>> {
  const value = Object.entries(plugins).map(([path, plugin]) => ({ [path]: plugin }));
  return { 'io.backstage.dynamic-packages': Buffer.from(JSON.stringify(value)).toString('base64') };
}

interface ManifestOptions {
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: PushLayer;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Pushes blobs and a manifest over them: the general form of an artifact or image. */
export async function pushLayers(
  target: PushTarget,
  layers: readonly PushLayer[],
  { mediaType = OCI_MANIFEST, artifactType, config, annotations }: ManifestOptions,
): Promise<Pushed> {
  const pushed: PushedDescriptor[] = [];
  for (const layer of layers) pushed.push(await pushBlob(target, layer));
  const pushedConfig = await pushBlob(target, config);
  const manifest = {
    schemaVersion: 2,
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    config: pushedConfig,
    layers: pushed,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  return { ...(await pushManifest(target, manifest)), layers: pushed };
}

/** Pushes a blob (POST, then PUT) and returns its descriptor. */
export async function pushBlob(target: PushTarget, layer: PushLayer): Promise<PushedDescriptor> {
  const { origin, repository } = target;
  const digest = digestOf(layer.bytes);
  const started = await send(target, { method: 'POST', url: `${origin}/v2/${repository}/blobs/uploads/` }, 202);
  const url = new URL(started.headers.get('location') ?? '', `${origin}/`);
  url.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await send(target, { method: 'PUT', url: url.href, headers, body: layer.bytes }, 201);
  const { mediaType, annotations } = layer;
  return { mediaType, digest, size: layer.bytes.byteLength, ...(annotations === undefined ? {} : { annotations }) };
}

/** Pushes a manifest, given as a value (its bytes are its JSON) or as bytes, under the target's tag or else its digest. */
export async function pushManifest(
  target: PushTarget,
  manifest: Readonly<Record<string, unknown>> | Uint8Array,
  contentType?: string,
): Promise<Pushed> {
  const { origin, repository, tag } = target;
  const bytes = manifest instanceof Uint8Array ? manifest : Buffer.from(JSON.stringify(manifest));
  const own = manifest instanceof Uint8Array ? undefined : manifest['mediaType'];
  const mediaType = contentType ?? (typeof own === 'string' ? own : OCI_MANIFEST);
  const digest = digestOf(bytes);
  const url = `${origin}/v2/${repository}/manifests/${tag ?? digest}`;
  await send(target, { method: 'PUT', url, headers: { 'content-type': mediaType }, body: bytes }, 201);
  const name = `oci://${new URL(origin).host}/${repository}`;
  const pinned = `${name}@${digest}`;
  return {
    mediaType,
    digest,
    size: bytes.byteLength,
    layers: [],
    reference: tag === undefined ? pinned : `${name}:${tag}`,
    pinned,
  };
}

interface PushRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

async function send(target: PushTarget, request: PushRequest, expected: number): Promise<Response> {
  const ask = async (authorization: string | undefined): Promise<Response> =>
    fetch(request.url, {
      method: request.method,
      headers: { ...request.headers, ...(authorization === undefined ? {} : { authorization }) },
      ...(request.body === undefined ? {} : { body: Buffer.from(request.body) }),
    });
  let response = await ask(undefined);
  if (response.status === 401) {
    const challenge = response.headers.get('www-authenticate') ?? '';
    await response.arrayBuffer();
    response = await ask(await answer(challenge, target));
  }
  const text = await response.text();
  if (response.status !== expected) throw new Error(`${request.method} ${request.url}: ${response.status} ${text}`);
  return response;
}

async function answer(challenge: string, { credential, repository }: PushTarget): Promise<string> {
  const basic =
    credential === undefined
      ? undefined
      : `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
  const [, realm] = /^Bearer .*realm="([^"]*)"/.exec(challenge) ?? [];
  if (realm === undefined) return basic ?? '';
  const url = new URL(realm);
  url.searchParams.set('service', /service="([^"]*)"/.exec(challenge)?.[1] ?? '');
  url.searchParams.set('scope', `repository:${repository}:pull,push`);
  const response = await fetch(url, { headers: basic === undefined ? {} : { authorization: basic } });
  const { token } = (await response.json()) as { token?: string };
  return `Bearer ${token ?? ''}`;
}

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest; // just computed
}
