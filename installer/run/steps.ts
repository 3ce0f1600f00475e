/** The production steps: the only place that knows which module performs which step. Heavy ones are loaded when first used. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';
import type {
  AbsPath,
  Entry,
  Fetched,
  FetchedArchive,
  HashAlgorithm,
  Prepared,
  Resolved,
  Unpacked,
  Validated,
  Verified,
} from '../core/types.ts';
import { validatePlugin } from '../formats/index.ts';
import { downloadPart } from '../net/download.ts';
import { preparePlugin } from '../stage/prepare.ts';
import { stageError } from '../stage/stage-errors.ts';
import { verifyFetched } from '../verify/index.ts';
import { verifyTrust } from '../verify/trust.ts';
import type { Group } from './groups.ts';

/** The six steps of the line; each takes what the one before returns. */
export interface Steps {
  /** Reference → immutable address; metadata only. */
  resolve(entry: Entry, ctx: Context): Promise<Resolved>;
  /** One download for all entries of the group, into `ctx.scratch`. */
  fetch(group: Group, ctx: Context): Promise<readonly Fetched[]>;
  verify(fetched: Fetched, ctx: Context): Promise<Verified>;
  /** One pass over the archives for all entries; a failure of the archive throws, of one plugin path is returned in its place. */
  unpack(verified: readonly Verified[], ctx: Context): Promise<readonly (Unpacked | InstallError)[]>;
  validate(unpacked: Unpacked, ctx: Context): Promise<Validated>;
  prepare(validated: Validated, ctx: Context): Promise<Prepared>;
}

export const productionSteps: Steps = {
  async resolve(entry, ctx) {
    const resolved: Resolved = { entry, pinned: await entry.reference.resolve(entry, ctx) };
    await verifyTrust(resolved);
    return resolved;
  },
  fetch: fetchGroup,
  verify: verifyFetched,
  unpack: unpackGroup,
  validate: validatePlugin,
  prepare: preparePlugin,
};

async function fetchGroup(group: Group, ctx: Context): Promise<readonly Fetched[]> {
  const algorithms = new Set<HashAlgorithm>(group.flatMap(({ entry }) => entry.checks.flatMap((check) => check.needs)));
  const archives: FetchedArchive[] = [];
  for (const [number, part] of group[0].pinned.parts.entries()) {
    const path = join(ctx.scratch, `archive-${number}`) as AbsPath; // scratch is absolute
    archives.push(await downloadPart(part, { path, algorithms: [...algorithms] }, ctx));
  }
  return group.map((resolved) => ({ ...resolved, archives }));
}

async function unpackGroup(verified: readonly Verified[], ctx: Context): Promise<readonly (Unpacked | InstallError)[]> {
  const first = verified[0];
  if (first === undefined) return [];
  // A warm start never gets here, so it never loads the tar parser.
  const { openTree, unpackArchives } = await import('../archive/index.ts');
  const into = join(ctx.scratch, 'tree') as AbsPath; // scratch is absolute
  await mkdir(into).catch((cause: unknown) => {
    throw stageError(cause, 'create a directory to unpack into');
  });
  const wanted = verified.map((one) => one.pinned.within);
  const { trees } = await unpackArchives({ archives: first.archives, layout: first.pinned.layout, wanted, into }, ctx);
  // Peak use of the volume: the next downloads may need this space.
  await Promise.all(first.archives.map((archive) => rm(archive.path, { force: true })));
  return verified.map((one, index) => {
    const tree = trees[index];
    if (tree === undefined) return new InstallError('Internal', 'the unpacker returned fewer trees than were wanted');
    if (tree.status === 'failed') return tree.error;
    const { files, bytes: unpackedBytes, treeDigest, notices } = tree;
    return { ...one, tree: openTree(tree.root, ctx.limits), files, unpackedBytes, treeDigest, notices };
  });
}
