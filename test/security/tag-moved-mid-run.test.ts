/** A tag that moves while a run is on its way must not mix two images, and must not give two entries different ones. */
import { expect, test } from 'vitest';
import { fetchOci, ociContext, resolveOci } from '../support/oci-context.ts';
import { pushArtifact, pushImage, pushIndex, type Pushed, type PushTarget } from '../support/oci-push.ts';
import { startOciRegistry, type OciRegistry } from '../support/oci-registry.ts';
import { backendPlugin } from '../support/plugins.ts';

const first = backendPlugin({ version: '1.0.0' }).tarball;
const second = backendPlugin({ version: '2.0.0' }).tarball;

const layer = (bytes: Uint8Array) => ({ bytes, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' });

async function moving(registry: OciRegistry): Promise<{ readonly before: Pushed; readonly after: Pushed }> {
  const target: PushTarget = { origin: registry.origin, repository: 'acme/todo', tag: '1' };
  const before = await pushArtifact(target, first);
  const after = await pushArtifact({ origin: target.origin, repository: 'acme/todo' }, second);
  return { before, after };
}

test('moved between manifest and blob: the blob is the one of the manifest that was read', async () => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const { before, after } = await moving(registry);
  registry.interceptWith(({ path }) => {
    if (path.endsWith('/manifests/1')) queueMicrotask(() => registry.tag('acme/todo', '1', after.digest));
    return undefined;
  });
  const fetched = await fetchOci(before.reference, ctx);
  expect(fetched.pinned.manifestDigest).toBe(before.digest);
  expect(fetched.parts[0]?.equals(first)).toBe(true);
});

test('moved between two entries of a run: both get the first image', async () => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const { before, after } = await moving(registry);
  const one = await resolveOci(`${before.reference}!a`, ctx);
  registry.tag('acme/todo', '1', after.digest);
  const two = await resolveOci(`${before.reference}!b`, ctx);
  expect([one.manifestDigest, two.manifestDigest]).toEqual([before.digest, before.digest]);
});

test('moved between two runs: the second gets the new image', async () => {
  await using registry = await startOciRegistry();
  const { before, after } = await moving(registry);
  const digests: unknown[] = [];
  for (const tag of [before.digest, after.digest]) {
    registry.tag('acme/todo', '1', tag);
    await using ctx = ociContext({ hosts: [registry.host] });
    digests.push((await resolveOci(before.reference, ctx)).manifestDigest);
  }
  expect(digests).toEqual([before.digest, after.digest]);
});

test('moved between an index and its manifest: the manifest is the one the index lists', async () => {
  await using registry = await startOciRegistry();
  await using ctx = ociContext({ hosts: [registry.host] });
  const target = { origin: registry.origin, repository: 'acme/multi' };
  const old = await pushImage(target, { layers: [layer(first)] });
  const fresh = await pushImage(target, { layers: [layer(second)] });
  const index = await pushIndex({ ...target, tag: '1' }, [{ manifest: old }]);
  const next = await pushIndex(target, [{ manifest: fresh }]);
  registry.interceptWith(({ path }) => {
    if (path.endsWith('/manifests/1')) queueMicrotask(() => registry.tag('acme/multi', '1', next.digest));
    return undefined;
  });
  const fetched = await fetchOci(index.reference, ctx);
  expect(fetched.pinned.manifestDigest).toBe(index.digest);
  expect(fetched.parts[0]?.equals(first)).toBe(true);
});
