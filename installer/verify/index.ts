/** Step 3 of the line, and the registry of verification kinds. Nothing opens an archive without a `Verified` from here. */
import type { Context } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import type { Check, Evidence, Fetched, FetchedArchive, Reference, Verified } from '../core/types.ts';
import { contentKind, hashesOf, isPage } from './archive-evidence.ts';
import { demandDigest, digestCheck } from './digest.ts';
import { demandIntegrity, integrityVerifier } from './integrity.ts';
import type { Verifier } from './verifier.ts';

/** Verification kinds of the wire file. A new one: one file, one line here. */
export const VERIFIERS: readonly Verifier[] = [integrityVerifier];

/**
 * The demands on an entry: the digest its reference pins, then each verifier whose key is in `values` (the entry as parsed from the wire
 * file; undefined values do not count). Throws the verifiers' reasons (`IntegrityMalformed`).
 */
export function checksFor(
  values: Readonly<Record<string, unknown>>,
  reference: Pick<Reference, 'digest'>,
): readonly Check[] {
  const pinned = reference.digest === undefined ? [] : [digestCheck(reference.digest)];
  const demanded = VERIFIERS.flatMap((verifier) =>
    Object.hasOwn(values, verifier.key) && values[verifier.key] !== undefined
      ? [verifier.check(values[verifier.key])]
      : [],
  );
  return [...pinned, ...demanded];
}

/**
 * Every check of the entry must give evidence. Without checks (`requireIntegrity: false`) the registry's own record is demanded instead;
 * local entries are part of the image and need none. Throws IntegrityMismatch, DigestMismatch, IntegrityUnavailable, UnexpectedContent.
 */
export async function verifyFetched(fetched: Fetched, ctx: Context): Promise<Verified> {
  const { entry, archives } = fetched;
  if (archives.length === 0)
    throw new InstallError('Internal', `${fetched.pinned.text} reached verification without an archive`);
  const evidence: Evidence[] = [];
  for (const check of entry.checks) evidence.push(await check.verify(fetched, ctx));
  if (entry.checks.length === 0 && !entry.reference.isLocal) evidence.push(...(await verifyByRecord(fetched, ctx)));
  const isProved = evidence.length > 0 || entry.reference.isLocal;
  if (!isProved) throw new InstallError('Internal', `${fetched.pinned.text} passed verification without evidence`);
  const proved: Fetched & Pick<Verified, 'evidence'> = { ...fetched, evidence };
  return proved as Verified;
}

async function verifyByRecord(fetched: Fetched, ctx: Context): Promise<readonly Evidence[]> {
  const evidence: Evidence[] = [];
  for (const archive of fetched.archives) {
    const { integrity, digest } = archive.claims;
    if (ctx.options.requireIntegrity || (integrity === undefined && digest === undefined)) {
      throw await unavailable(archive, fetched);
    }
    const value =
      integrity === undefined ? demandDigest(archive) : await demandIntegrity(integrity, archive, { fetched, ctx });
    evidence.push({ kind: 'registry-record', value });
  }
  return evidence;
}

/** Says what to write, after a look at the body: a login page must not be offered as a pin. */
async function unavailable(archive: FetchedArchive, { entry }: Fetched): Promise<InstallError> {
  const kind = await contentKind(archive.path);
  if (isPage(kind)) {
    return new InstallError('UnexpectedContent', `${archive.from} sent ${kind} instead of an archive`, {
      details: { from: archive.from, bytes: archive.bytes, content: kind },
    });
  }
  const { sha512: computed } = await hashesOf(archive.path);
  return new InstallError(
    'IntegrityUnavailable',
    `neither the list nor the registry states an integrity for ${archive.from}`,
    {
      details: {
        from: archive.from,
        bytes: archive.bytes,
        computed,
        fix: `check the release, then set ${entry.path}.integrity to ${computed}`,
      },
    },
  );
}
