/** The pin inside an OCI reference: `@sha256:…` of the manifest, and through it every layer. */
import { InstallError } from '../core/errors.ts';
import { digestToIntegrity, matchesIntegrity } from '../core/integrity.ts';
import type { Check, Digest, Evidence, Fetched, FetchedArchive } from '../core/types.ts';

/**
 * Demands that the manifest the archives come from has this digest, and that each archive has the digest the manifest gives it. Both
 * hashes were computed here; OCI distribution-spec v1.1, "Pulling manifests" and "Pulling blobs".
 */
export function digestCheck(digest: Digest): Check {
  return {
    kind: 'digest',
    text: digest,
    needs: ['sha256'],
    verify: (fetched) =>
      new Promise((resolve) => {
        resolve(verifyDigest(digest, fetched)); // what it throws rejects
      }),
  };
}

function verifyDigest(expected: Digest, { pinned, archives, entry }: Fetched): Evidence {
  if (pinned.manifestDigest !== expected) {
    const computed = pinned.manifestDigest ?? 'none';
    throw new InstallError(
      'DigestMismatch',
      `${pinned.text} is not the pinned manifest: expected ${expected}, found ${computed}`,
      {
        details: { expected, computed, from: pinned.text, key: `${entry.path}.package` },
      },
    );
  }
  if (archives.length === 0) throw new InstallError('Internal', `${pinned.text} was verified without an archive`);
  for (const archive of archives) demandDigest(archive);
  return { kind: 'digest', value: expected };
}

/**
 * Returns the digest the manifest gives this archive, proved by the hash computed while it was written. Throws DigestMismatch; an archive
 * that no manifest vouches for is one.
 */
export function demandDigest(archive: FetchedArchive): Digest {
  const expected = archive.claims.digest;
  if (expected !== undefined && matchesIntegrity(digestToIntegrity(expected), archive.computed)) return expected;
  const computed = Object.values(archive.computed).join(' ');
  throw new InstallError('DigestMismatch', `${archive.from} does not have the digest its manifest states`, {
    details: { expected: expected ?? 'none', computed, bytes: archive.bytes, from: archive.from },
  });
}
