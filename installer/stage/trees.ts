/** Whole directory trees: removed and made durable without holding up the heartbeat or a signal for long. */
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { errorCode } from '../core/errors.ts';
import type { FileOperations } from './file-operations.ts';

/** Calls between two turns of the event loop: a few milliseconds of work on a local disk. */
const BATCH = 256;

/** fsyncs in flight; more than the four threads of libuv's pool, so that none of them idles. */
const SYNCS_AT_ONCE = 8;

/**
 * Removes `path` and all below it, links themselves and not what they point to; true when it is gone. What vanishes meanwhile is fine,
 * what appears meanwhile stays (another installer's candidate, an NFS client's name for an open file).
 */
export async function removeTree(files: FileOperations, path: string): Promise<boolean> {
  const directories: string[] = [];
  const pending = [path];
  let calls = 0;
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    if (++calls % BATCH === 0) await turn();
    const stat = files.stat(current);
    if (stat?.isDirectory() === true) {
      directories.push(current);
      for (const name of openAndList(files, current, stat.mode)) pending.push(join(current, name));
    } else if (stat !== undefined) removeIfPresent(files, current);
  }
  for (const directory of directories.toReversed()) {
    if (++calls % BATCH === 0) await turn();
    removeIfEmpty(files, directory);
  }
  return files.stat(path) === undefined;
}

function openAndList(files: FileOperations, directory: string, mode: number): readonly string[] {
  try {
    // Foreign leftovers may be closed even to their owner.
    if ((mode & 0o700) !== 0o700) files.setMode(directory, 0o700);
    return files.list(directory);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

/** Removes a directory only when it is empty; true when it is gone afterwards. */
export function removeIfEmpty(files: FileOperations, path: string): boolean {
  try {
    files.removeDirectory(path);
    return true;
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === 'ENOENT') return true;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw thrown;
  }
}

/**
 * fsync of every regular file and directory of the given trees, in one batch so that the file system can group its journal writes.
 * Rejects with the first failure, or with the signal's reason.
 */
export async function syncTrees(files: FileOperations, roots: readonly string[], signal: AbortSignal): Promise<void> {
  const paths = walkAll(files, roots);
  const worker = async (): Promise<void> => {
    for (let next = paths.next(); next.done !== true; next = paths.next()) {
      signal.throwIfAborted();
      await files.sync(next.value);
    }
  };
  const workers = Array.from({ length: SYNCS_AT_ONCE }, worker);
  // Every worker is waited for: none may touch the disk after the caller has begun to undo.
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function* walkAll(files: FileOperations, roots: readonly string[]): Generator<string, void> {
  const pending = [...roots];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    const stat = files.stat(current);
    if (stat?.isDirectory() === true) for (const name of files.list(current)) pending.push(join(current, name));
    if (stat?.isDirectory() === true || stat?.isFile() === true) yield current;
  }
}

function removeIfPresent(files: FileOperations, path: string): void {
  try {
    files.remove(path);
  } catch (thrown) {
    if (errorCode(thrown) !== 'ENOENT') throw thrown;
  }
}
