import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../../installer/oci/manifest.ts';
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../installer/oci/media-types.ts';

const digest = `sha256:${'ab'.repeat(32)}`;
const layer = { mediaType: 'application/gzip', digest, size: 10 };
const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: 2 };
const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...layer, mediaType: OCI_MANIFEST }] };

const parse = (value: unknown, contentType: string | undefined = OCI_MANIFEST): unknown =>
  parseManifest(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), contentType, 'oci://h/r:1');
const refusal = expect.objectContaining({ reason: 'ManifestInvalid' });

describe('accepted', () => {
  test.each([OCI_MANIFEST, DOCKER_MANIFEST])('a manifest of type %s', (mediaType) => {
    expect(parse({ ...manifest, mediaType }, mediaType)).toMatchObject({
      kind: 'manifest',
      mediaType,
      layers: [{ digest, size: 10 }],
      annotations: {},
    });
  });

  test.each([OCI_INDEX, DOCKER_LIST])('an index of type %s', (mediaType) => {
    expect(parse({ ...index, mediaType }, mediaType)).toMatchObject({
      kind: 'index',
      mediaType,
      manifests: [{ digest }],
    });
  });

  test('a body without mediaType is read by the Content-Type, parameters and case aside', () => {
    const { mediaType: _none, ...bare } = manifest;
    expect(parse(bare, `${OCI_MANIFEST.toUpperCase()}; charset=utf-8`)).toMatchObject({ kind: 'manifest' });
  });

  test('a body with mediaType needs no Content-Type', () => {
    expect(parse(manifest, '')).toMatchObject({ kind: 'manifest' });
  });

  test('null where Docker writes null', () => {
    expect(parse({ ...manifest, annotations: null })).toMatchObject({ annotations: {} });
  });
});

describe('refused', () => {
  test.each([
    ['text', 'not json'],
    ['an array', '[]'],
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1')],
    ['another schema version', { ...manifest, schemaVersion: 1 }],
    ['no schema version', { ...manifest, schemaVersion: undefined }],
    ['a manifest that is an index, too', { ...manifest, manifests: [] }],
    ['an index with a config', { ...index, config }],
    ['an unknown type', { ...manifest, mediaType: 'application/json' }],
    ['a type that is no string', { ...manifest, mediaType: 2 }],
    ['a truncated digest', { ...manifest, layers: [{ ...layer, digest: 'sha256:abc' }] }],
    ['a digest of an unknown algorithm', { ...manifest, layers: [{ ...layer, digest: `md5:${'a'.repeat(32)}` }] }],
    ['a negative size', { ...manifest, layers: [{ ...layer, size: -1 }] }],
    ['a fractional size', { ...manifest, layers: [{ ...layer, size: 1.5 }] }],
    ['a size beyond 2^53', { ...manifest, layers: [{ ...layer, size: 1e300 }] }],
    ['a size that is text', { ...manifest, layers: [{ ...layer, size: '10' }] }],
    ['no config', { ...manifest, config: undefined }],
    ['no layers', { ...manifest, layers: undefined }],
    ['layers that are an object', { ...manifest, layers: {} }],
    ['129 layers', { ...manifest, layers: Array.from({ length: 129 }, () => layer) }],
    ['an annotation that is no text', { ...manifest, annotations: { a: 1 } }],
    [
      'a Helm chart by its config',
      { ...manifest, config: { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } },
    ],
    [
      'a Helm chart by its layer',
      { ...manifest, layers: [{ ...layer, mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip' }] },
    ],
  ])('%s', (_name, value) => {
    expect(() =>
      parse(
        value,
        typeof value === 'object' && 'manifests' in value && !('layers' in value) ? OCI_INDEX : OCI_MANIFEST,
      ),
    ).toThrow(refusal);
  });

  test.each([
    ['another manifest type', OCI_MANIFEST, DOCKER_MANIFEST],
    ['an index', OCI_MANIFEST, OCI_INDEX],
    ['plain JSON', OCI_MANIFEST, 'application/json'],
  ])('a body that the registry announces as %s', (_name, mediaType, contentType) => {
    expect(() => parse({ ...manifest, mediaType }, contentType)).toThrow(refusal);
  });

  test.each([
    ['a Docker schema 1 manifest', 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
    ['an OCI artifact manifest, a type that was withdrawn', 'application/vnd.oci.artifact.manifest.v1+json'],
  ])('%s, by name', (name, contentType) => {
    expect(() => parse({ schemaVersion: 1 }, contentType)).toThrow(
      expect.objectContaining({
        reason: 'ManifestInvalid',
        details: expect.objectContaining({ cause: `it is ${name}` }),
      }),
    );
  });

  test('a body with the right type and no Content-Type, but the shape of the other', () => {
    expect(() => parse({ ...index, mediaType: OCI_MANIFEST })).toThrow(refusal);
    expect(() => parse({ ...manifest, mediaType: OCI_INDEX }, OCI_INDEX)).toThrow(refusal);
  });
});
