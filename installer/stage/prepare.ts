/** The last step of the line: a validated plugin becomes one rename away from the portal. */
import { chmodSync, lstatSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../core/context.ts';
import type { Inventory, Prepared, Validated } from '../core/types.ts';
import { countTree } from './inventory.ts';
import { stageError } from './stage-errors.ts';

const PUBLIC_DIRECTORY = 0o755;

/**
 * Takes the inventory of a plugin that was just unpacked; file modes are the unpacker's, the directory itself becomes 0755. The ctime of
 * a file made afterwards on the same file system bounds every ctime in the tree, by the clock that set them (an NFS server's may differ
 * from ours). Throws VolumeFull, VolumeNotWritable or CommitFailed.
 */
export async function preparePlugin(validated: Validated, ctx: Context): Promise<Prepared> {
  ctx.signal.throwIfAborted();
  const from = validated.tree.root;
  const stamp = join(ctx.scratch, `stamp-${ctx.subject.index}`);
  try {
    chmodSync(from, PUBLIC_DIRECTORY);
    const { files, bytes } = countTree(from);
    writeFileSync(stamp, '', { flag: 'wx', mode: 0o600 });
    const newestChangeMs = lstatSync(stamp).ctimeMs;
    rmSync(stamp);
    const inventory: Inventory = { files, bytes, newestChangeMs, treeDigest: validated.treeDigest };
    return await Promise.resolve({ ...validated, state: 'prepared', from, inventory });
  } catch (thrown) {
    throw stageError(thrown, `take the inventory of ${validated.manifest.name}`);
  }
}
