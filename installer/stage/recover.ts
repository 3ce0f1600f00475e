/** Begin and end of work on a volume: repairs what a killed run left, and leaves nothing itself. */
import { join } from 'node:path';
import { errorCode, InstallError } from '../core/errors.ts';
import type { AbsPath } from '../core/types.ts';
import { acquireLock, isLockFile, ownerFile, ownerRecord, workingPaths, type LockContext } from './lock.ts';
import type { Owner } from './owner.ts';
import { stageError } from './stage-errors.ts';
import { removeIfEmpty, removeTree } from './trees.ts';
import { settle, type Settled } from './undo.ts';
import type { Lock, LockedVolume, Volume } from './volume.ts';

/**
 * Waits for the volume (`acquireLock` has the reasons), then brings it to a known state: an unfinished commit is taken back, scratch
 * of dead runs removed. `self` is `describeOwner(…)`; its `run` becomes the name of the scratch directory. After a throw nothing of this
 * process is left, except a journal that could not be worked off, which the next run continues with.
 */
export async function enterVolume(volume: Volume, self: Owner, ctx: LockContext): Promise<LockedVolume> {
  const lock = await acquireLock(volume, self, ctx);
  const scratch = workingPaths(volume.root, self.run).run as AbsPath; // the root is absolute
  const locked: LockedVolume = { ...volume, lock, scratch, found: 'nothing' };
  try {
    const settled = await settle(locked);
    const hadScratch = await clear(locked, self);
    const found = settled === 'none' ? scratchOrNothing(hadScratch) : settled;
    if (found !== 'nothing') ctx.emit({ event: 'note', level: 'info', text: FOUND_TEXT[found] });
    return { ...locked, found };
  } catch (thrown) {
    const lost = whyLost(lock);
    await leaveVolume(locked);
    throw lost ?? stageError(thrown, 'repair what a killed run left on the volume');
  }
}

/**
 * Removes the working directory and with it the lock; makes the commit durable first. Nothing is thrown: what could not be removed is a
 * CleanupFailed warning to report, and the next run removes it.
 */
export async function leaveVolume(volume: LockedVolume): Promise<InstallError | undefined> {
  const { files, scratch, lock } = volume;
  const paths = workingPaths(volume.root, lock.run);
  try {
    await settle(volume);
    files.rename(scratch, paths.gone);
  } catch (thrown) {
    // Lost: the new holder has removed, or will remove, all that was ours.
    return whyLost(lock) === undefined ? cleanupFailed(paths.working, thrown) : undefined;
  } finally {
    lock.stop();
  }
  try {
    removeIfEmpty(files, paths.lock);
    const isGone = await removeTree(files, paths.gone);
    // Not empty: another installer waits or works there.
    removeIfEmpty(files, paths.working);
    return isGone ? undefined : cleanupFailed(paths.gone, undefined);
  } catch (thrown) {
    return cleanupFailed(paths.gone, thrown);
  }
}

/** LockBusy when another installer took over: then that is why paths of this run were missing. */
function whyLost(lock: Lock): InstallError | undefined {
  try {
    lock.assertHeld();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof InstallError) return thrown.reason === 'LockBusy' ? thrown : undefined;
    throw thrown;
  }
}

type Found = LockedVolume['found'];

const FOUND_TEXT: Readonly<Record<Exclude<Found, 'nothing'>, string>> = {
  scratch: 'an earlier run was killed before it changed anything: its scratch space was removed',
  undone: 'an earlier run was killed while it changed the volume: its changes were taken back',
  committed: 'an earlier run was killed after its set was in place: its scratch space was removed',
  unreadable:
    'an earlier run was killed and its journal cannot be read: every plugin on the volume is checked and replaced if need be',
} satisfies Record<Exclude<Settled, 'none'> | 'scratch', string>;

function scratchOrNothing(hadScratch: boolean): Found {
  return hadScratch ? 'scratch' : 'nothing';
}

/** Empties the working directory but for the lock; true when there was something. */
async function clear({ files, root, scratch }: LockedVolume, self: Owner): Promise<boolean> {
  const { working, lock } = workingPaths(root, self.run);
  const mine = files.list(scratch).filter((name) => !isLockFile(name, self.run));
  const others = files.list(working).filter((name) => join(working, name) !== lock);
  for (const name of mine) await removeTree(files, join(scratch, name));
  for (const name of others) await removeTree(files, join(working, name));
  // Taking over a full volume could not write it.
  if (files.stat(join(scratch, ownerFile(self.run))) === undefined) {
    files.write(join(scratch, ownerFile(self.run)), ownerRecord(self), 0o600);
  }
  return mine.length > 0 || others.length > 0;
}

function cleanupFailed(path: string, cause: unknown): InstallError {
  const code = errorCode(cause);
  return new InstallError('CleanupFailed', `${path} could not be removed${code === undefined ? '' : `: ${code}`}`, {
    details: { path, code },
    cause,
  });
}
