/** Archives to plugin directories: inflate → read tar → policy → own writes, in one pass (docs/security.md, "Archives"). */
import { readdir, rm } from 'node:fs/promises';
import type { Context } from '../core/context.ts';
import { errorCode, InstallError } from '../core/errors.ts';
import type { AbsPath, ArchivePath, FetchedArchive, Layout, Notice } from '../core/types.ts';
import { inflate } from './inflate.ts';
import { quote } from './path-policy.ts';
import { judgeRatio } from './policy.ts';
import { selectTree, surveyTree, type Selected, type Surveyed } from './select.ts';
import { TarReader } from './tar-reader.ts';
import { Unpacker } from './unpack.ts';

export { openTree } from './tree.ts';

export interface UnpackInput {
  /** One archive, or the layers of an image in order. */
  readonly archives: readonly FetchedArchive[];
  readonly layout: Layout;
  /** One per plugin; undefined: the only plugin of the archive. */
  readonly wanted: readonly (ArchivePath | undefined)[];
  /** Existing, empty, private to this call. */
  readonly into: AbsPath;
}

export interface UnpackResult {
  /** In the order of `wanted`. Equal paths share one directory. */
  readonly trees: readonly UnpackedTree[];
}

export type UnpackedTree =
  | {
      readonly status: 'ok';
      readonly root: AbsPath;
      /** Regular files. */
      readonly files: number;
      /** Their sizes. */
      readonly bytes: number;
      readonly notices: readonly Notice[];
      /** core/tree-digest.ts */
      readonly treeDigest: string;
    }
  /** This plugin only: PluginPathMissing, PluginPathRequired, ArchiveLayoutInvalid, TooManyEntries, SizeBudgetExceeded. */
  | { readonly status: 'failed'; readonly error: InstallError };

/**
 * Unpacks what `wanted` names into directories of their own below `into`, in one pass over the archives. Files are 0644 or 0755, directories
 * 0755, whatever the umask; owners and times are not taken over.
 * Throws the reasons of the unpack stage for an archive that is not honest in every entry, wanted or not; VolumeFull, VolumeNotWritable or
 * CommitFailed for a failed write; DeadlineExceeded; the reason of `ctx.signal`. After a throw `into` is empty again, as far as the
 * volume allows.
 */
export async function unpackArchives(input: UnpackInput, ctx: Context): Promise<UnpackResult> {
  try {
    return await unpackAll(input, ctx);
  } catch (error) {
    await emptyDirectory(input.into);
    throw error;
  }
}

async function unpackAll(input: UnpackInput, ctx: Context): Promise<UnpackResult> {
  const { archives, layout, into } = input;
  const paths = new Set(input.wanted);
  const everything = layout === 'package' || paths.has(undefined);
  const wanted = everything ? undefined : [...paths].filter((path) => path !== undefined);
  const unpacker = new Unpacker({ layout, wanted, into, plugins: Math.max(paths.size, 1), limits: ctx.limits });
  try {
    for (const [layer, archive] of archives.entries()) {
      if (layer > 0) unpacker.nextLayer();
      await readArchive(archive, unpacker, ctx);
    }
  } finally {
    unpacker.dispose();
  }
  return { trees: finishTrees(unpacker, input, ctx) };
}

/** Emitted at most once per so many inflated bytes. */
const PROGRESS_BYTES = 1024 * 1024;

async function readArchive(archive: FetchedArchive, unpacker: Unpacker, ctx: Context): Promise<void> {
  const reader = new TarReader(unpacker);
  let produced = 0;
  let announced = 0;
  for await (const { bytes, consumed } of inflate(archive.path)) {
    demandTime(ctx);
    produced += bytes.length;
    const refusal = judgeRatio(consumed, produced, ctx.limits);
    if (refusal !== undefined) throw refusal;
    reader.write(bytes);
    if (produced - announced < PROGRESS_BYTES) continue;
    announced = produced;
    ctx.emit({ event: 'progress', step: 'unpack', bytes: consumed, total: archive.bytes, ...ctx.subject });
  }
  demandTime(ctx);
  reader.finish();
}

function demandTime(ctx: Context): void {
  ctx.signal.throwIfAborted();
  if (ctx.clock.monotonic() < ctx.deadline) return;
  const limitMs = ctx.limits.pluginDeadlineMs;
  const setting = 'PORTAL_PLUGINS_PLUGIN_DEADLINE';
  throw new InstallError(
    'DeadlineExceeded',
    `the plugin took longer than ${limitMs / 1000} s (${setting}), it was being unpacked`,
    {
      details: { limitMs, setting },
    },
  );
}

type Finished = { readonly selected: Selected; readonly surveyed: Surveyed } | InstallError;

/** Links are created only when every tree was found honest. */
function finishTrees(unpacker: Unpacker, { wanted, layout }: UnpackInput, ctx: Context): readonly UnpackedTree[] {
  const selected = new Map(
    [...new Set(wanted)].map((path) => [path, attempt(() => selectTree(unpacker.tree, layout, path))]),
  );
  const roots = [...selected.values()].flatMap((tree) => (tree instanceof InstallError ? [] : [tree.root]));
  const finished = new Map([...selected].map(([path, tree]) => [path, finishTree(tree, roots, ctx)]));
  const isLinked = new Set<AbsPath>();
  for (const tree of finished.values()) {
    if (tree instanceof InstallError || isLinked.has(tree.selected.root)) continue;
    isLinked.add(tree.selected.root);
    for (const link of tree.surveyed.links) unpacker.writer.link(link.target, link.path);
  }
  return wanted.map((path) => toResult(finished.get(path)));
}

function finishTree(tree: Selected | InstallError, roots: readonly AbsPath[], ctx: Context): Finished {
  if (tree instanceof InstallError) return tree;
  const outer = roots.find((root) => tree.root.startsWith(`${root}/`));
  if (outer !== undefined) {
    const path = quote(tree.directory.path);
    return new InstallError('ArchiveLayoutInvalid', `the plugin directory ${path} lies inside that of another entry`, {
      details: { path, fix: 'name plugin directories that do not contain one another' },
    });
  }
  const surveyed = attempt(() => surveyTree(tree, ctx.limits));
  return surveyed instanceof InstallError ? surveyed : { selected: tree, surveyed };
}

/** A hostile entry fails the archive for every plugin in it; a plugin that is missing or too large fails alone. */
function attempt<T>(work: () => T): T | InstallError {
  try {
    return work();
  } catch (error) {
    if (error instanceof InstallError && error.reason !== 'LinkEscape' && error.reason !== 'Internal') return error;
    throw error;
  }
}

function toResult(tree: Finished | undefined): UnpackedTree {
  if (tree === undefined) throw new InstallError('Internal', 'a wanted plugin directory was not finished');
  if (tree instanceof InstallError) return { status: 'failed', error: tree };
  const { files, bytes, notices, treeDigest } = tree.surveyed;
  return { status: 'ok', root: tree.selected.root, files, bytes, notices, treeDigest };
}

/** Peak use of the volume: what is refused must not take space from the entries that go on. */
async function emptyDirectory(into: AbsPath): Promise<void> {
  try {
    const names = await readdir(into);
    await Promise.all(names.map((name) => rm(`${into}/${name}`, { recursive: true, force: true })));
  } catch (error) {
    // The error that brought us here is the one to report; the run removes its scratch space once more and says so when it cannot.
    if (errorCode(error) === undefined) throw error;
  }
}
