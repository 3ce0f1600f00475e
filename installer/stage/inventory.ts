/** Whether a plugin directory is still what was staged, and what there is to compare later. */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { errorCode } from '../core/errors.ts';
import { fileLine, linkLine, treeDigest } from '../core/tree-digest.ts';
import type { AbsPath, Inventory } from '../core/types.ts';

export type InventoryVerdict =
  /** `by`: the comparison that decided. */
  | { readonly isIntact: true; readonly by: 'fast' | 'full' }
  /** `why`: a phrase for a log line. */
  | { readonly isIntact: false; readonly why: string };

/** What a walk over a plugin directory adds up to. */
export interface Totals {
  /** Everything that is no directory. */
  readonly files: number;
  /** Sizes of the regular files. */
  readonly bytes: number;
  /** Newest ctime of anything below the directory, milliseconds. */
  readonly newestChangeMs: number;
}

/**
 * Compares `dir` with what was recorded when it was staged. `fast`: number of files, their total size, and no change time newer than the
 * recorded one; when only change times are newer (a remount with fsGroup changes the owner of every file, a snapshot was restored) the
 * full comparison decides. `full`: content, executability and link targets of every file are hashed, and every directory must be open to
 * all. Anything missing, added, emptied, truncated, edited, unreadable or replaced by a link is not intact. What `fast` does not see: bytes
 * that changed below the file system (docs/performance.md, "Targets"). Synchronous, because an asynchronous lstat costs ten synchronous
 * ones; never throws for what is on the disk.
 */
export function checkInventory(dir: AbsPath, inventory: Inventory, mode: 'fast' | 'full'): InventoryVerdict {
  try {
    if (lstatSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) return changed('the directory is missing');
    const totals = countTree(dir);
    if (totals.files !== inventory.files) return changed(`it holds ${totals.files} files, expected ${inventory.files}`);
    if (totals.bytes !== inventory.bytes) return changed(`it holds ${totals.bytes} bytes, expected ${inventory.bytes}`);
    if (mode === 'fast' && totals.newestChangeMs <= inventory.newestChangeMs) return { isIntact: true, by: 'fast' };
    return hashTree(dir) === inventory.treeDigest ? { isIntact: true, by: 'full' } : changed('its content has changed');
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === undefined) throw thrown;
    return changed(`it cannot be read: ${code}`);
  }
}

/** Walks `dir` without following links. Throws the file system's error. */
export function countTree(dir: AbsPath): Totals {
  let files = 0;
  let bytes = 0;
  let newestChangeMs = 0;
  const pending: string[] = [dir];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    for (const name of readdirSync(current)) {
      const path = `${current}/${name}`;
      const stat = lstatSync(path);
      if (stat.ctimeMs > newestChangeMs) newestChangeMs = stat.ctimeMs;
      if (stat.isDirectory()) pending.push(path);
      else {
        files += 1;
        if (stat.isFile()) bytes += stat.size;
      }
    }
  }
  return { files, bytes, newestChangeMs };
}

/** The digest of core/tree-digest.ts, read from the disk; another one when a directory is closed to others. Throws the file system's error. */
export function hashTree(dir: AbsPath): string {
  const lines: string[] = [];
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const pending = [''];
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    if ((lstatSync(`${dir}/${below}`).mode & OPEN) !== OPEN) lines.push(`closed ${below}`);
    for (const entry of readdirSync(`${dir}/${below}`, { withFileTypes: true })) {
      const path = `${below}${entry.name}`;
      if (entry.isDirectory()) pending.push(`${path}/`);
      else if (entry.isSymbolicLink()) lines.push(linkLine(readlinkSync(`${dir}/${path}`), path));
      else lines.push(hashFile(`${dir}/${path}`, path, buffer));
    }
  }
  return treeDigest(lines);
}

/** The portal may run as another user. */
const OPEN = 0o555;
const CHUNK_BYTES = 1024 * 1024;
// O_NONBLOCK: a FIFO that took a file's place must not stop the program.
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function hashFile(file: string, path: string, buffer: Buffer): string {
  const handle = openSync(file, READ);
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) return `special ${path}`;
    const hash = createHash('sha256');
    let size = 0;
    for (let count = readSync(handle, buffer); count > 0; count = readSync(handle, buffer)) {
      hash.update(buffer.subarray(0, count));
      size += count;
    }
    return fileLine({ path, mode: stagedMode(stat.mode), size, sha256: hash.digest('hex') });
  } finally {
    closeSync(handle);
  }
}

/** kubelet adds group bits to every file when it applies fsGroup; only bits that are lacking make a file another one. */
function stagedMode(mode: number): number {
  const isReadable = (mode & 0o444) === 0o444;
  const executable = mode & 0o111;
  if (isReadable && executable === 0o111) return 0o755;
  return isReadable && executable === 0 ? 0o644 : mode & 0o777;
}

function changed(why: string): InventoryVerdict {
  return { isIntact: false, why };
}
