/** OCI artifacts and images as plugin archives (docs/sources.md, "OCI"). */
import { archiveBody, rangeHeaders } from '../core/archive-body.ts';
import type { Context } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import type { ArchivePath, Body, Entry, Part, Pinned, Reference, ResumePoint, Source } from '../core/types.ts';
import type { FetchedManifest, ManifestSelector } from '../oci/client.ts';
import { invalid, type Descriptor, type ImageManifest } from '../oci/manifest.ts';
import { formatOciReference, parseOciReference, type OciReference } from '../oci/reference.ts';
import { chooseManifest, selectLayers, type SelectedLayers } from '../oci/selection.ts';
import { ociSession } from './oci-session.ts';
import { pluginPaths } from './plugin-annotation.ts';

const DEFAULT_TAG = 'latest';
const HTTPS_PORT = 443;
const MAX_INDEX_DEPTH = 2; // an index of indexes is seen in the wild, deeper nesting is not

export const ociSource: Source = {
  kind: 'oci',
  parse(text) {
    // `OCI://` is ours to refuse: a mistyped scheme must not be read as something else.
    return /^oci:/i.test(text) ? toReference(parseOciReference(text)) : undefined;
  },
};

function toReference(reference: OciReference): Reference {
  const { host, port = HTTPS_PORT, repository, digest } = reference;
  const { tag: _tag, digest: _digest, ...named } = reference;
  return {
    kind: 'oci',
    text: escapeText(formatOciReference(reference)),
    origin: { scheme: 'oci', host, port, segments: repository.split('/') },
    isLocal: false,
    digest,
    identity: formatOciReference({ ...named, tag: undefined, digest: undefined }),
    warnings: warningsOf(reference),
    resolve: async (entry, ctx) => resolve(reference, entry, ctx),
  };
}

function warningsOf({ tag, digest }: OciReference): readonly string[] {
  if (digest !== undefined && tag !== undefined) return [`the tag ${tag} is for display only: the digest decides`];
  if (digest === undefined && tag === undefined)
    return [`no tag and no digest: the tag ${DEFAULT_TAG} is used, which may move`];
  return [];
}

/**
 * Manifest, plugin path and layers of a reference: one manifest request, one more for each level of an index. Throws the reasons of
 * `OciClient.manifest`, NoMatchingPlatform, LayerAmbiguous, LayerUnsupported, PluginPathRequired, SizeBudgetExceeded, and ListInvalid
 * when `integrity` pins an image of several layers.
 */
async function resolve(reference: OciReference, entry: Entry, ctx: Context): Promise<Pinned> {
  const found = await findManifest(reference, ctx);
  const { label } = found;
  const selected = selectLayers(found.manifest, label);
  refuseIntegrityOverLayers(selected, entry, found);
  refuseSize(selected, ctx, label);
  const paths = pluginPaths(found.annotations, label);
  const within = reference.path ?? onlyPath(paths, reference);
  const isImage = selected.kind === 'image' || within !== undefined || paths !== undefined;
  return {
    key: `oci://${reference.registry}/${reference.repository}@${found.chosen.digest}`,
    text: escapeText(formatOciReference({ ...reference, digest: found.resolved.digest, path: within })),
    layout: isImage ? 'image' : 'package',
    within,
    parts: selected.layers.map((layer) => layerPart(reference, layer)),
    manifestDigest: found.resolved.digest,
    warnings: found.warnings,
  };
}

interface FoundManifest {
  /** What the reference names: a manifest or an index. */
  readonly resolved: FetchedManifest;
  /** The manifest itself: the same, or chosen from the index. */
  readonly chosen: FetchedManifest;
  readonly manifest: ImageManifest;
  /** Of the index, its entry and the manifest, in the order the plugin annotation is looked for. */
  readonly annotations: readonly Readonly<Record<string, string>>[];
  readonly warnings: readonly string[];
  readonly label: string;
}

async function findManifest(reference: OciReference, ctx: Context): Promise<FoundManifest> {
  const session = ociSession(ctx);
  const annotations: Readonly<Record<string, string>>[] = [];
  const resolved = await session.manifest(reference, selectorOf(reference), ctx);
  const warnings = [...resolved.notes];
  let chosen = resolved;
  for (let depth = 0; ; depth += 1) {
    const label = formatOciReference({ ...reference, digest: chosen.digest, path: undefined });
    const { content } = chosen;
    annotations.push(content.annotations);
    if (content.kind === 'manifest') return { resolved, chosen, manifest: content, annotations, warnings, label };
    if (depth === MAX_INDEX_DEPTH) throw invalid(label, `indexes are nested more than ${MAX_INDEX_DEPTH} deep`);
    const { descriptor, warning } = chooseManifest(content, architecture(), label);
    if (warning !== undefined) warnings.push(warning);
    annotations.push(descriptor.annotations);
    chosen = await session.manifest(reference, { digest: descriptor.digest, size: descriptor.size }, ctx);
    refuseOtherType(chosen, descriptor, label);
    warnings.push(...chosen.notes);
  }
}

function selectorOf({ tag, digest }: OciReference): ManifestSelector {
  return digest === undefined ? { tag: tag ?? DEFAULT_TAG } : { digest };
}

/** One document read as two types is how scanners and clients are made to see different images (CVE-2021-41190). */
function refuseOtherType({ content }: FetchedManifest, { mediaType, digest }: Descriptor, label: string): void {
  if (content.mediaType === mediaType) return;
  throw invalid(label, `it lists ${digest} as ${escapeText(mediaType)}, which is ${content.mediaType}`);
}

function onlyPath(paths: readonly ArchivePath[] | undefined, reference: OciReference): ArchivePath | undefined {
  if (paths === undefined || paths.length <= 1) return paths?.[0];
  const image = formatOciReference(reference);
  const shown = paths.map(escapeText);
  throw new InstallError(
    'PluginPathRequired',
    `${image} holds ${paths.length} plugins: ${shown.slice(0, 20).join(', ')}`,
    {
      details: { image, plugins: shown, fix: `append !PATH, for example ${image}!${shown[0] ?? ''}` },
    },
  );
}

function refuseIntegrityOverLayers(selected: SelectedLayers, entry: Entry, { resolved, label }: FoundManifest): void {
  const isPinned = entry.checks.some(({ kind }) => kind === 'integrity');
  if (!isPinned || selected.layers.length === 1) return;
  const pin =
    entry.reference.digest === undefined ? `append @${resolved.digest} to the reference` : 'its digest pins it';
  throw new InstallError(
    'ListInvalid',
    `${entry.path}.integrity cannot pin ${label}: the image has ${selected.layers.length} layers, integrity is over one archive`,
    { details: { path: entry.path, fix: `remove integrity from this entry; ${pin}` } },
  );
}

/** Before any byte is fetched; the layers of an image together count as one archive. */
function refuseSize({ layers }: SelectedLayers, { limits }: Context, label: string): void {
  const bytes = layers.reduce((total, { size }) => total + size, 0);
  if (bytes <= limits.archiveBytes) return;
  throw new InstallError(
    'SizeBudgetExceeded',
    `${label} is ${bytes} bytes to download, at most ${limits.archiveBytes} are allowed`,
    { details: { bytes, limit: limits.archiveBytes, setting: 'PORTAL_PLUGINS_MAX_BLOB_BYTES' } },
  );
}

function layerPart(reference: OciReference, layer: Descriptor): Part {
  const label = formatOciReference({ ...reference, tag: undefined, digest: layer.digest, path: undefined });
  const data = layer.data === undefined ? undefined : embedded(layer, layer.data, label);
  return {
    claims: { digest: layer.digest, bytes: layer.size },
    label,
    async open(ctx, from) {
      if (data !== undefined) return bodyOf(data, label);
      return openBlob(reference, layer, from, ctx);
    },
  };
}

async function openBlob(
  reference: OciReference,
  { digest }: Descriptor,
  from: ResumePoint,
  ctx: Context,
): Promise<Body> {
  // The digest names the bytes, so no validator is needed; and replicas behind one registry have different ETags.
  const point: ResumePoint = { offset: from.offset, validator: undefined };
  const request = { digest, headers: rangeHeaders(point), signal: ctx.signal };
  return archiveBody(await ociSession(ctx).blob(reference, request, ctx), point);
}

/** image-spec v1.1 descriptor.md, "Embedded Content": used only as bytes that still have to pass the digest. */
function embedded({ size }: Descriptor, data: string, label: string): Uint8Array {
  const bytes = Buffer.from(data, 'base64');
  if (bytes.toString('base64') === data && bytes.length === size) return bytes;
  throw invalid(label, `its embedded data is not base64 of ${size} bytes`);
}

function bodyOf(bytes: Uint8Array, label: string): Body {
  async function* once(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(bytes);
  }
  return { stream: once(), offset: 0, total: bytes.byteLength, validator: undefined, from: label };
}

/** This machine's architecture as Go and so OCI spell it. */
function architecture(): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
  return names[process.arch] ?? process.arch;
}
