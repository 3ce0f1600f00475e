/** CVE-2021-41190: one document that is a manifest to one reader and an index to another, so that what was scanned is not what is run. */
import { expect, test } from 'vitest';
import { failureOf } from '../support/http.ts';
import { ociContext, resolveOci } from '../support/oci-context.ts';
import { pushArtifact, pushManifest, type Pushed } from '../support/oci-push.ts';
import { startOciRegistry } from '../support/oci-registry.ts';
import { backendPlugin } from '../support/plugins.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';

type Document = Readonly<Record<string, unknown>>;

const manifestOf = ({ layers }: Pushed): Document => ({ schemaVersion: 2, config: layers[0], layers });
const indexOf = ({ mediaType, digest, size }: Pushed): Document => ({
  schemaVersion: 2,
  manifests: [{ mediaType, digest, size }],
});

const confusions: readonly (readonly [string, (pushed: Pushed) => Document, string])[] = [
  ['both shapes, announced as a manifest', (pushed) => ({ ...manifestOf(pushed), ...indexOf(pushed) }), MANIFEST],
  ['both shapes, announced as an index', (pushed) => ({ ...manifestOf(pushed), ...indexOf(pushed) }), INDEX],
  [
    'both shapes, mediaType of a manifest',
    (pushed) => ({ ...manifestOf(pushed), ...indexOf(pushed), mediaType: MANIFEST }),
    MANIFEST,
  ],
  [
    'an index with only a config',
    (pushed) => ({ ...indexOf(pushed), mediaType: INDEX, config: pushed.layers[0] }),
    INDEX,
  ],
  ['an index announced as a manifest', (pushed) => ({ ...indexOf(pushed), mediaType: INDEX }), MANIFEST],
  ['a manifest announced as an index', (pushed) => ({ ...manifestOf(pushed), mediaType: MANIFEST }), INDEX],
  ['the shape of an index without a mediaType, announced as a manifest', indexOf, MANIFEST],
  ['the shape of a manifest without a mediaType, announced as an index', manifestOf, INDEX],
];

test.each(confusions)('%s is ManifestInvalid', async (_name, document, contentType) => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const target = { origin: registry.origin, repository: 'acme/todo' };
  const honest = await pushArtifact(target, backendPlugin().tarball);
  const pushed = await pushManifest({ ...target, tag: 'confused' }, document(honest), contentType);
  expect((await failureOf(resolveOci(pushed.reference, ctx))).reason).toBe('ManifestInvalid');
});

test('an index that lists a manifest under another type is ManifestInvalid', async () => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const target = { origin: registry.origin, repository: 'acme/todo' };
  const honest = await pushArtifact(target, backendPlugin().tarball);
  const lying = { ...indexOf({ ...honest, mediaType: INDEX }), mediaType: INDEX };
  const pushed = await pushManifest({ ...target, tag: 'lying' }, lying);
  expect((await failureOf(resolveOci(pushed.reference, ctx))).reason).toBe('ManifestInvalid');
});

test('an index that lists a manifest with another size is refused', async () => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const target = { origin: registry.origin, repository: 'acme/todo' };
  const honest = await pushArtifact(target, backendPlugin().tarball);
  const lying = { ...indexOf({ ...honest, size: honest.size + 1 }), mediaType: INDEX };
  const pushed = await pushManifest({ ...target, tag: 'lying' }, lying);
  expect((await failureOf(resolveOci(pushed.reference, ctx))).reason).toBe('DigestMismatch');
});
