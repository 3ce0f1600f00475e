/** Which manifest of an index, and which layers of a manifest, hold the archive (docs/sources.md, "OCI artifacts"). Pure. */
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import { invalid, type Descriptor, type ImageIndex, type ImageManifest, type Platform } from './manifest.ts';
import { EMPTY, EMPTY_DIGEST, IMAGE_CONFIGS } from './media-types.ts';

export interface ChosenManifest {
  readonly descriptor: Descriptor;
  /** Set when no entry was made for this machine and another one was taken. */
  readonly warning: string | undefined;
}

const ATTESTATION = 'vnd.docker.reference.type';
const TITLE = 'org.opencontainers.image.title';
const MAX_LISTED = 20;

/**
 * Chooses from an index: own `linux/<architecture>`, else the one without a platform, else the only one, else linux/amd64 with a warning,
 * as plugins rarely hold native code. Attestations never count. Throws NoMatchingPlatform with the list in `details.platforms`.
 */
export function chooseManifest(index: ImageIndex, architecture: string, label: string): ChosenManifest {
  const candidates = index.manifests.filter((entry) => !isAttestation(entry));
  const own = candidates.find(({ platform }) => isLinux(platform, architecture));
  if (own !== undefined) return { descriptor: own, warning: undefined };
  const general = candidates.filter(({ platform }) => platform === undefined);
  if (general.length === 1 && general[0] !== undefined) return { descriptor: general[0], warning: undefined };
  const [only] = candidates;
  if (candidates.length === 1 && only !== undefined) return { descriptor: only, warning: undefined };
  const amd64 = candidates.find(({ platform }) => isLinux(platform, 'amd64'));
  if (amd64 !== undefined) {
    return { descriptor: amd64, warning: `${label} has no manifest for linux/${architecture}, linux/amd64 is used` };
  }
  const platforms = candidates.slice(0, MAX_LISTED).map(({ platform }) => platformName(platform));
  const found = platforms.length === 0 ? 'nothing' : platforms.join(', ');
  throw new InstallError(
    'NoMatchingPlatform',
    `the index ${label} has no manifest for linux/${architecture}, found ${found}`,
    { details: { manifest: label, wanted: `linux/${architecture}`, platforms } },
  );
}

export interface SelectedLayers {
  /** `archive`: one layer that is an archive of its own; `image`: a root file system, layers in order. */
  readonly kind: 'archive' | 'image';
  readonly layers: readonly Descriptor[];
}

/**
 * Selects what to download: the only layer; else the only one titled `.tgz` or `.tar.gz`; else, for an image, all layers in order. Layers
 * that are the empty descriptor do not count. Throws LayerAmbiguous with the list, LayerUnsupported for foreign layers, ManifestInvalid
 * without any layer.
 */
export function selectLayers(manifest: ImageManifest, label: string): SelectedLayers {
  const layers = manifest.layers.filter(({ mediaType, digest }) => mediaType !== EMPTY && digest !== EMPTY_DIGEST);
  if (layers.length === 0) throw invalid(label, 'it has no layers');
  const isImage = IMAGE_CONFIGS.has(manifest.config.mediaType);
  const titled = layers.filter(({ annotations }) => /\.(?:tgz|tar\.gz)$/.test(annotations[TITLE] ?? ''));
  if (layers.length === 1) return { kind: isImage ? 'image' : 'archive', layers: local(layers, label) };
  if (titled.length === 1) return { kind: 'archive', layers: local(titled, label) };
  if (isImage) return { kind: 'image', layers: local(layers, label) };
  const listed = layers.slice(0, MAX_LISTED).map(describe);
  throw new InstallError('LayerAmbiguous', `the artifact ${label} has ${layers.length} layers: ${listed.join('; ')}`, {
    details: { manifest: label, layers: listed },
  });
}

function local(layers: readonly Descriptor[], label: string): readonly Descriptor[] {
  const foreign = layers.find(({ urls }) => urls.length > 0);
  if (foreign === undefined) return layers;
  throw new InstallError('LayerUnsupported', `the image ${label} has a foreign layer: ${describe(foreign)}`, {
    details: { manifest: label, layer: foreign.digest },
  });
}

function describe({ digest, mediaType, size, annotations }: Descriptor): string {
  const title = annotations[TITLE];
  return escapeText(`${digest} ${mediaType} ${size} bytes${title === undefined ? '' : ` "${title.slice(0, 80)}"`}`);
}

function isAttestation({ annotations, platform }: Descriptor): boolean {
  if (annotations[ATTESTATION] === 'attestation-manifest') return true;
  return platform?.os === 'unknown' && platform.architecture === 'unknown';
}

function isLinux(platform: Platform | undefined, architecture: string): boolean {
  return platform?.os === 'linux' && platform.architecture === architecture;
}

function platformName(platform: Platform | undefined): string {
  return platform === undefined ? 'none' : escapeText(`${platform.os}/${platform.architecture}`.slice(0, 60));
}
