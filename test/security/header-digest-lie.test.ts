/** A registry, or a cache before it, that answers other bytes and says in a header that they are the right ones (sigstore-js believed it). */
import { expect, test } from 'vitest';
import { failureOf } from '../support/http.ts';
import { fetchOci, ociContext, resolveOci } from '../support/oci-context.ts';
import { pushArtifact, type Pushed, type PushTarget } from '../support/oci-push.ts';
import { startOciRegistry, type OciRegistry } from '../support/oci-registry.ts';
import { backendPlugin } from '../support/plugins.ts';

const honest = backendPlugin().tarball;
const evil = backendPlugin({ files: { 'dist/index.cjs.js': 'require("child_process")' } }).tarball;

async function twoImages(registry: OciRegistry): Promise<{ readonly good: Pushed; readonly bad: Pushed }> {
  const target: PushTarget = { origin: registry.origin, repository: 'acme/todo' };
  return {
    good: await pushArtifact({ ...target, tag: 'good' }, honest),
    bad: await pushArtifact({ ...target, tag: 'bad' }, evil),
  };
}

test('another manifest under the pinned digest is refused, although Docker-Content-Digest names the pinned one', async () => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const { good, bad } = await twoImages(registry);
  const other = await (
    await fetch(`${registry.origin}/v2/acme/todo/manifests/${bad.digest}`, { headers: { accept: bad.mediaType } })
  ).arrayBuffer();
  registry.interceptWith(({ path }) =>
    path.endsWith(good.digest)
      ? {
          fault: 'answer',
          status: 200,
          body: new Uint8Array(other),
          headers: { 'content-type': good.mediaType, 'docker-content-digest': good.digest, etag: `"${good.digest}"` },
        }
      : undefined,
  );
  const failure = await failureOf(resolveOci(good.pinned, ctx));
  expect(failure).toMatchObject({ reason: 'DigestMismatch', details: { expected: good.digest, computed: bad.digest } });
});

test('another blob under the layer’s digest is refused, although the header names the layer', async () => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const { good } = await twoImages(registry);
  const digest = good.layers[0]?.digest ?? '';
  registry.interceptWith(({ path }) =>
    path.endsWith(digest)
      ? {
          fault: 'answer',
          status: 200,
          body: evil.subarray(0, honest.length),
          headers: { 'docker-content-digest': digest },
        }
      : undefined,
  );
  expect((await failureOf(fetchOci(good.pinned, ctx))).reason).toBe('DigestMismatch');
});

test('a tag resolves to the digest of the bytes, not to the one in the header', async () => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const { good, bad } = await twoImages(registry);
  registry.interceptWith(({ path }) =>
    path.endsWith('/bad') ? { fault: 'headers', headers: { 'docker-content-digest': good.digest } } : undefined,
  );
  const pinned = await resolveOci(bad.reference, ctx);
  expect(pinned.manifestDigest).toBe(bad.digest);
  expect(pinned.key).toBe(bad.pinned);
  expect(pinned.warnings).toEqual([expect.stringContaining(good.digest)]);
});
