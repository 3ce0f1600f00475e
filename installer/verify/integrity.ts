/** The pin of an entry: SRI over the archive bytes as transferred (docs/contracts.md, "Integrity"). */
import { z } from 'zod';
import type { Context } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import { decidingAlgorithm, matchesIntegrity, parseIntegrity, type Integrity } from '../core/integrity.ts';
import type { Check, Computed, Evidence, Fetched, FetchedArchive } from '../core/types.ts';
import { hashesOf } from './archive-evidence.ts';
import { diagnose } from './diagnose.ts';
import type { Verifier } from './verifier.ts';

const VALUE = '(sha256-[A-Za-z0-9+/]{43}=|sha384-[A-Za-z0-9+/]{64}|sha512-[A-Za-z0-9+/]{86}==|sha512:[0-9a-fA-F]{128})';

export const integrityVerifier: Verifier = {
  key: 'integrity',
  schema: z.string().meta({
    description: 'SRI over the archive bytes as transferred: sha512-, sha384- or sha256- and base64, one or more',
    pattern: `^\\s*${VALUE}(\\s+${VALUE}){0,7}\\s*$`,
  }),
  check(value) {
    if (typeof value === 'string') return integrityCheck(parseIntegrity(value));
    throw new InstallError('IntegrityMalformed', `integrity is malformed: it is a ${typeof value}, not a string`);
  },
};

/** Demands that the one archive of an entry has this hash; the strongest algorithm present decides. */
export function integrityCheck(integrity: Integrity): Check {
  return {
    kind: 'integrity',
    text: integrity,
    needs: [decidingAlgorithm(integrity)],
    verify: (fetched, ctx) => verifyArchive(integrity, fetched, ctx),
  };
}

async function verifyArchive(expected: Integrity, fetched: Fetched, ctx: Context): Promise<Evidence> {
  const [archive, ...others] = fetched.archives;
  if (archive === undefined || others.length > 0) throw severalArchives(fetched);
  return { kind: 'integrity', value: await demandIntegrity(expected, archive, { fetched, ctx }) };
}

/**
 * Resolves with the SRI value that matched. Throws IntegrityMismatch with `expected`, `computed` (both in full), `bytes`, `from`, and
 * `cause` and `fix` by evidence (docs/contracts.md, "Reasons").
 */
export async function demandIntegrity(
  expected: Integrity,
  archive: FetchedArchive,
  { fetched, ctx }: { readonly fetched: Fetched; readonly ctx: Context },
): Promise<Integrity> {
  const algorithm = decidingAlgorithm(expected);
  // A registry's record may use an algorithm that no check asked the download for.
  const hashes: Computed = archive.computed[algorithm] === undefined ? await hashesOf(archive.path) : archive.computed;
  const computed = hashes[algorithm];
  if (computed === undefined) throw new InstallError('Internal', `${algorithm} of ${archive.from} is not computed`);
  if (matchesIntegrity(expected, hashes)) return computed;
  const { cause, fix, evidence } = await diagnose({
    expected,
    archive,
    fetched,
    maxInflated: ctx.limits.unpackedBytes,
  });
  throw new InstallError('IntegrityMismatch', `${archive.from} does not have the demanded hash: ${cause}`, {
    details: { expected, computed, bytes: archive.bytes, from: archive.from, cause, fix, evidence },
  });
}

function severalArchives({ archives, entry, pinned }: Fetched): InstallError {
  const fix =
    pinned.manifestDigest === undefined
      ? `remove ${entry.path}.integrity`
      : `remove ${entry.path}.integrity and append @${pinned.manifestDigest} to the reference`;
  return new InstallError(
    'ListInvalid',
    `${pinned.text} has ${archives.length} layers, integrity covers exactly one archive`,
    {
      details: { key: `${entry.path}.integrity`, archives: archives.length, fix },
    },
  );
}
