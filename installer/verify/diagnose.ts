/** Why an archive does not have the demanded hash, decided by evidence; runs only after a mismatch (docs/contracts.md, "Reasons"). */
import { decidingAlgorithm, digestToIntegrity, matchesIntegrity, type Integrity } from '../core/integrity.ts';
import type { Fetched, FetchedArchive } from '../core/types.ts';
import {
  contentKind,
  hashesOf,
  inflate,
  isPage,
  type ContentKind,
  type Hashes,
  type Inflated,
} from './archive-evidence.ts';

export interface Mismatch {
  readonly expected: Integrity;
  readonly archive: FetchedArchive;
  readonly fetched: Fetched;
  /** Bytes an archive may inflate to while it is hashed. */
  readonly maxInflated: number;
}

export interface Diagnosis {
  readonly evidence: Evidence;
  readonly cause: string;
  readonly fix: string;
}

/** What was found, from the surest to none. */
type Evidence =
  | 'manifest-digest'
  | 'uncompressed'
  | 'other-algorithm'
  | 'record-is-computed'
  | 'page'
  | 'truncated'
  | 'record-is-expected'
  | 'record-is-demanded'
  | 'none';

/** Sentences operators see; `cause` completes "does not have the demanded hash: …". */
export const CAUSES: Readonly<Record<Evidence, string>> = {
  'manifest-digest': 'the pinned value is the digest of the OCI manifest, not the hash of the archive',
  uncompressed: 'the pinned value is the hash of the uncompressed tar, not of the archive as transferred',
  'other-algorithm':
    'a weaker value of the pin matches the download, so the strongest value, which decides, is of something else',
  'record-is-computed': "the registry's own record matches the download, so the pinned value is stale or wrong",
  page: 'the server sent a page or text instead of an archive, probably a login or error page',
  truncated: 'the download is shorter than announced, so it was truncated',
  'record-is-expected': "the registry's own record matches the pinned value, so the download was altered on the way",
  'record-is-demanded':
    'the download does not have the hash that the registry itself states, so it was altered on the way or the registry is damaged',
  none: 'the download is not what was pinned, and there is no record of the registry to tell which of the two is wrong',
};

/** The most telling explanation of a mismatch, with a fix that names the key to change, if one is to be changed. */
export async function diagnose(mismatch: Mismatch): Promise<Diagnosis> {
  const { archive, fetched } = mismatch;
  const hashes = await hashesOf(archive.path);
  const kind = await contentKind(archive.path);
  const inflated = await inflate(archive.path, mismatch.maxInflated);
  const download = { mismatch, hashes, kind, isCut: inflated.state === 'cut' };
  const evidence = ofAnotherThing(mismatch, hashes, inflated) ?? ofTheDownload(download);
  const key = `${fetched.entry.path}.integrity`;
  const keep = isPinned(fetched) ? `, and keep ${key} as it is` : '';
  const fix = FIXES[evidence]({ key, keep, fetched, from: archive.from });
  return { evidence, cause: CAUSES[evidence], fix };
}

/** Cause (e): the pin is the right hash of the wrong thing. */
function ofAnotherThing({ expected, fetched }: Mismatch, hashes: Hashes, inflated: Inflated): Evidence | undefined {
  const { manifestDigest } = fetched.pinned;
  if (manifestDigest !== undefined && holds(expected, digestToIntegrity(manifestDigest))) return 'manifest-digest';
  if (Object.values(hashes).some((value) => holds(expected, value))) return 'other-algorithm';
  const isOfTar = inflated.state === 'whole' && Object.values(inflated.hashes).some((value) => holds(expected, value));
  return isOfTar ? 'uncompressed' : undefined;
}

interface Download {
  readonly mismatch: Mismatch;
  readonly hashes: Hashes;
  readonly kind: ContentKind;
  /** The compressed stream ends in the middle. */
  readonly isCut: boolean;
}

/** Causes (a), (c), (d), (b) in this order: what the bytes themselves show goes before what a record suggests. */
function ofTheDownload({ mismatch, hashes, kind, isCut }: Download): Evidence {
  const { expected, archive, fetched } = mismatch;
  const record = recordOf(archive);
  if (record !== undefined && matchesIntegrity(record, hashes)) return 'record-is-computed';
  if (isPage(kind)) return 'page';
  if (isCut || archive.bytes < (archive.claims.bytes ?? archive.announced ?? 0)) return 'truncated';
  if (record === undefined) return 'none';
  if (!isPinned(fetched)) return 'record-is-demanded';
  return agree(record, expected) ? 'record-is-expected' : 'none';
}

/** What the registry says about these bytes: `dist.integrity` of npm, the layer digest of an OCI manifest. */
function recordOf({ claims }: FetchedArchive): Integrity | undefined {
  return claims.integrity ?? (claims.digest === undefined ? undefined : digestToIntegrity(claims.digest));
}

function holds(expected: Integrity, value: Integrity): boolean {
  return expected.split(' ').includes(value);
}

function agree(record: Integrity, expected: Integrity): boolean {
  const algorithm = decidingAlgorithm(expected);
  return record.split(' ').some((value) => value.startsWith(`${algorithm}-`) && holds(expected, value as Integrity)); // one of its tokens
}

/** Without a pin the registry's own record was demanded, and there is no key to keep or to change. */
function isPinned({ entry }: Fetched): boolean {
  return entry.checks.length > 0;
}

interface FixParts {
  readonly key: string;
  readonly keep: string;
  readonly fetched: Fetched;
  readonly from: string;
}

const FIXES: Readonly<Record<Evidence, (parts: FixParts) => string>> = {
  'manifest-digest': ({ key, fetched: { entry, pinned } }) =>
    `remove ${key} and append @${pinned.manifestDigest ?? ''} to ${entry.path}.package, or set ${key} to the computed value`,
  uncompressed: ({ key }) =>
    `set ${key} to the computed value: integrity covers the archive as transferred, not the tar inside`,
  'other-algorithm': ({ key }) => `check the release, then set ${key} to the computed value alone`,
  'record-is-computed': ({ key }) => `check the release, then set ${key} to the computed value`,
  page: ({ from, keep }) => `open ${from} without a login: it must answer with the archive${keep}`,
  truncated: ({ keep }) => `restart the pod; if it happens again, look for a proxy or cache that cuts downloads${keep}`,
  'record-is-expected': ({ keep }) =>
    `do not accept the computed value: look for a proxy, mirror or cache that alters downloads${keep}`,
  'record-is-demanded': () =>
    'do not accept the computed value: look for a proxy, mirror or cache that alters downloads',
  none: ({ key }) =>
    `ask the publisher for the hash of the release; set ${key} to the computed value only if it is the one published`,
};
