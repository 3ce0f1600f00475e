import { describe, expect, test } from 'vitest';
import type { Digest } from '../../../installer/core/types.ts';
import type { Descriptor, ImageIndex, ImageManifest } from '../../../installer/oci/manifest.ts';
import { EMPTY, EMPTY_DIGEST, OCI_INDEX, OCI_MANIFEST } from '../../../installer/oci/media-types.ts';
import { chooseManifest, selectLayers } from '../../../installer/oci/selection.ts';

const IMAGE_CONFIG = 'application/vnd.oci.image.config.v1+json';
const GZIP_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

function descriptor(mark: string, more: Partial<Descriptor> = {}): Descriptor {
  return {
    mediaType: 'application/gzip',
    digest: `sha256:${mark.repeat(64)}` as Digest,
    size: 10,
    annotations: {},
    urls: [],
    data: undefined,
    platform: undefined,
    ...more,
  };
}

function platform(mark: string, os: string, architecture: string): Descriptor {
  return descriptor(mark, { mediaType: OCI_MANIFEST, platform: { os, architecture } });
}

function manifest(layers: readonly Descriptor[], configType: string = EMPTY): ImageManifest {
  return {
    kind: 'manifest',
    mediaType: OCI_MANIFEST,
    config: descriptor('0', { mediaType: configType }),
    layers,
    annotations: {},
  };
}

function choose(manifests: readonly Descriptor[], architecture = 'arm64'): { mark: string; isWarned: boolean } {
  const index: ImageIndex = { kind: 'index', mediaType: OCI_INDEX, manifests, annotations: {} };
  const { descriptor, warning } = chooseManifest(index, architecture, 'oci://h/r:1');
  return { mark: descriptor.digest.slice(7, 8), isWarned: warning !== undefined };
}

function marks(layers: readonly Descriptor[], configType?: string): readonly [string, string] {
  const selected = selectLayers(manifest(layers, configType), 'oci://h/r:1');
  return [selected.kind, selected.layers.map(({ digest }) => digest.slice(7, 8)).join('')];
}

const titled = (mark: string, title: string, more: Partial<Descriptor> = {}): Descriptor =>
  descriptor(mark, { annotations: { 'org.opencontainers.image.title': title }, ...more });

describe('an index', () => {
  const attestation = platform('f', 'unknown', 'unknown');
  const marked = descriptor('e', { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } });

  test.each([
    [
      'its own platform',
      [platform('a', 'linux', 'amd64'), platform('b', 'linux', 'arm64')],
      { mark: 'b', isWarned: false },
    ],
    [
      'the first of its own platform',
      [platform('a', 'linux', 'arm64'), platform('b', 'linux', 'arm64')],
      { mark: 'a', isWarned: false },
    ],
    ['the one without a platform', [platform('a', 'linux', 'amd64'), descriptor('b')], { mark: 'b', isWarned: false }],
    [
      'the only one, whatever its platform',
      [attestation, marked, platform('a', 'windows', 'amd64')],
      { mark: 'a', isWarned: false },
    ],
    [
      'linux/amd64 with a warning',
      [platform('a', 'linux', 's390x'), platform('b', 'linux', 'amd64')],
      { mark: 'b', isWarned: true },
    ],
  ])('gives %s', (_name, manifests, expected) => {
    expect(choose(manifests)).toEqual(expected);
  });

  test.each([
    ['only attestations', [attestation, marked], []],
    [
      'several foreign platforms',
      [platform('a', 'linux', 's390x'), platform('b', 'windows', 'amd64')],
      ['linux/s390x', 'windows/amd64'],
    ],
    ['several without a platform', [descriptor('a'), descriptor('b')], ['none', 'none']],
    ['nothing', [], []],
  ])('with %s has no matching platform', (_name, manifests, platforms) => {
    expect(() => choose(manifests)).toThrow(
      expect.objectContaining({
        reason: 'NoMatchingPlatform',
        details: expect.objectContaining({ wanted: 'linux/arm64', platforms }),
      }),
    );
  });
});

describe('a manifest', () => {
  const empty = descriptor('e', { mediaType: EMPTY });
  const emptyByDigest = descriptor('e', { digest: EMPTY_DIGEST as Digest });

  test.each([
    ['the only layer of an artifact', [descriptor('a')], EMPTY, ['archive', 'a']],
    ['the only layer of an image', [descriptor('a', { mediaType: GZIP_LAYER })], IMAGE_CONFIG, ['image', 'a']],
    [
      'the only layer of a Docker image',
      [descriptor('a')],
      'application/vnd.docker.container.image.v1+json',
      ['image', 'a'],
    ],
    ['the only layer that is not empty', [empty, descriptor('a'), emptyByDigest], EMPTY, ['archive', 'a']],
    ['the only layer titled .tgz', [titled('a', 'README.md'), titled('b', 'package.tgz')], EMPTY, ['archive', 'b']],
    [
      'the only layer titled .tar.gz, of an image as well',
      [titled('a', 'x.tar.gz'), descriptor('b')],
      IMAGE_CONFIG,
      ['archive', 'a'],
    ],
    [
      'all layers of an image in order',
      [descriptor('c'), descriptor('a'), descriptor('b')],
      IMAGE_CONFIG,
      ['image', 'cab'],
    ],
  ])('gives %s', (_name, layers, configType, expected) => {
    expect(marks(layers, configType)).toEqual(expected);
  });

  test.each([
    ['two untitled layers', [descriptor('a'), descriptor('b')]],
    ['two archives by title', [titled('a', 'a.tgz'), titled('b', 'b.tgz')]],
    ['a title that only contains .tgz', [titled('a', 'a.tgz.sig'), titled('b', 'b.txt')]],
  ])('of an artifact with %s is ambiguous, and the list says why', (_name, layers) => {
    expect(() => marks(layers)).toThrow(
      expect.objectContaining({
        reason: 'LayerAmbiguous',
        details: expect.objectContaining({ layers: layers.map(({ digest }) => expect.stringContaining(digest)) }),
      }),
    );
  });

  test('without any layer is invalid', () => {
    expect(() => marks([empty])).toThrow(expect.objectContaining({ reason: 'ManifestInvalid' }));
  });

  test('with a foreign layer is unsupported', () => {
    const foreign = descriptor('b', { urls: ['https://elsewhere.example/layer'] });
    expect(() => marks([descriptor('a'), foreign], IMAGE_CONFIG)).toThrow(
      expect.objectContaining({
        reason: 'LayerUnsupported',
        details: expect.objectContaining({ layer: foreign.digest }),
      }),
    );
  });
});
