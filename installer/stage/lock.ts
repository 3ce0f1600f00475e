/**
 * One writer per volume, without flock(2). The lock is a name: `<working>/lock/<run>`, the directory in which the holder does all its
 * work. Every change of hands is one rename(2), which either happens or fails:
 *
 *   take a free lock   <working>/wait-<me>  → <working>/lock       (fails when somebody is in it)
 *   take over          lock/<dead>          → lock/<me>            (fails when somebody else was quicker)
 *   give up            lock/<me>            → <working>/gone-<me>  (fails when it was taken)
 *
 * So nobody can delete another's lock by mistake, and a holder that was only slow is harmless: every path it goes on to use begins with
 * a name that no longer exists. What a dead run left in its directory arrives with the lock, to be repaired by recover.ts.
 */
import { join } from 'node:path';
import type { Context } from '../core/context.ts';
import { errorCode, InstallError } from '../core/errors.ts';
import type { FileOperations } from './file-operations.ts';
import { judge, ownerText, parseOwner, type Owner } from './owner.ts';
import { isVolumeFull, stageError } from './stage-errors.ts';
import { removeIfEmpty, removeTree } from './trees.ts';
import { accessError, WORKING_DIRECTORY, type Lock, type Volume } from './volume.ts';

/** Often enough that three missed beats are a short wait, rare enough for a network file system. */
export const BEAT_MS = 2000;
export const STALE_AFTER_MS = 3 * BEAT_MS;
/** How often a waiter looks. */
export const POLL_MS = 500;

const MAX_RECORD_BYTES = 8192;
const RUN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const PRIVATE = 0o700;

/** What waiting needs: `deadline` in monotonic milliseconds. */
export type LockContext = Pick<Context, 'clock' | 'signal' | 'deadline' | 'emit'>;

/** Paths of the working directory. */
export interface WorkingPaths {
  readonly working: string;
  readonly lock: string;
  readonly run: string;
  /** Where a candidate builds its lock directory. */
  readonly wait: string;
  /** Where a finished run's directory is deleted. */
  readonly gone: string;
}

export function workingPaths(root: string, run: string): WorkingPaths {
  const working = join(root, WORKING_DIRECTORY);
  const lock = join(working, 'lock');
  return {
    working,
    lock,
    run: join(lock, run),
    wait: join(working, `wait-${run}`),
    gone: join(working, `gone-${run}`),
  };
}

/** Names inside the run's directory that belong to the lock. */
export function isLockFile(name: string, run: string): boolean {
  return name === 'beat' || name === ownerFile(run);
}

/**
 * Waits until this process is the volume's only writer. A dead holder is replaced at once, one that cannot be judged after three missed
 * heartbeats watched by this process's monotonic clock, a live one never. Throws LockBusy, naming the holder, when `ctx.deadline`
 * passes or the signal aborts with DeadlineExceeded; other aborts reject with the signal's reason. VolumeNotWritable, VolumeFull:
 * the working directory cannot be made. After a throw nothing of this process is left on the volume.
 */
export async function acquireLock(volume: Volume, self: Owner, ctx: LockContext): Promise<Lock> {
  const paths = workingPaths(volume.root, self.run);
  try {
    await takeTurn({ volume, self, ctx, paths });
    return hold(volume.files, paths, ctx);
  } catch (thrown) {
    await withdraw(volume.files, paths);
    if (ctx.signal.aborted && thrown === ctx.signal.reason) throw thrown;
    throw thrown instanceof InstallError ? thrown : accessError(volume.root, thrown);
  }
}

/** As far as it can be done: what made the wait fail may make this fail too, and is what gets reported. */
async function withdraw(files: FileOperations, paths: WorkingPaths): Promise<void> {
  try {
    await removeTree(files, paths.wait);
    removeIfEmpty(files, paths.working);
  } catch (thrown) {
    if (errorCode(thrown) === undefined) throw thrown;
  }
}

interface Attempt {
  readonly volume: Volume;
  readonly self: Owner;
  readonly ctx: LockContext;
  readonly paths: WorkingPaths;
}

async function takeTurn(attempt: Attempt): Promise<void> {
  const { volume, self, ctx, paths } = attempt;
  ctx.signal.throwIfAborted();
  let watch: Watch | undefined;
  for (;;) {
    const holder = await findHolder(volume.files, paths);
    if (holder === undefined) {
      if (await takeFree(attempt)) return;
      watch = undefined;
    } else {
      const known = watch?.run === holder ? watch : undefined;
      watch = look(volume.files, join(paths.lock, holder), { run: holder, known, now: ctx.clock.monotonic() });
      const verdict = judge(watch.owner, self);
      const isStale = verdict === 'unknown' && watch.unchangedMs >= STALE_AFTER_MS;
      if ((verdict === 'dead' || isStale) && takeOver(attempt, join(paths.lock, holder))) return;
      if (known === undefined) announce(watch, ctx);
    }
    await pause(ctx, watch);
  }
}

/** What a waiter has seen of the holder. */
interface Watch {
  readonly run: string;
  readonly owner: Owner | undefined;
  readonly beat: string;
  readonly seenAt: number;
  readonly unchangedMs: number;
}

function look(
  files: FileOperations,
  directory: string,
  seen: { readonly run: string; readonly known: Watch | undefined; readonly now: number },
): Watch {
  const { run, known, now } = seen;
  const beat = readIfPresent(files, join(directory, 'beat')) ?? '';
  const owner = known?.owner ?? parseOwner(readIfPresent(files, join(directory, ownerFile(run))) ?? '');
  if (known === undefined || known.beat !== beat) return { run, owner, beat, seenAt: now, unchangedMs: 0 };
  // A waiter that was frozen together with the holder must not count the time it did not watch.
  const watchedMs = Math.min(now - known.seenAt, 2 * POLL_MS);
  return { run, owner, beat, seenAt: now, unchangedMs: known.unchangedMs + watchedMs };
}

function announce(watch: Watch, ctx: LockContext): void {
  const text = `waiting for the volume, it is held by ${ownerText(watch.owner)}`;
  ctx.emit({ event: 'note', level: 'info', text });
}

/** Waits for the next look, or ends the wait. */
async function pause(ctx: LockContext, watch: Watch | undefined): Promise<void> {
  const leftMs = ctx.deadline - ctx.clock.monotonic();
  try {
    if (leftMs > 0) await ctx.clock.sleep(Math.min(POLL_MS, leftMs), ctx.signal);
  } catch (thrown) {
    const isDeadline = thrown instanceof InstallError && thrown.reason === 'DeadlineExceeded';
    throw isDeadline ? lockBusy(watch, thrown) : thrown;
  }
  if (leftMs <= 0) throw lockBusy(watch, undefined);
}

function lockBusy(watch: Watch | undefined, cause: unknown): InstallError {
  const holder = ownerText(watch?.owner);
  return new InstallError('LockBusy', `the volume is still held by ${holder}`, {
    details: { holder, pod: watch?.owner?.pod, host: watch?.owner?.host, pid: watch?.owner?.pid },
    cause,
  });
}

/** The run in possession, or undefined. Makes the working directory; things in its place that no installer made are removed. */
async function findHolder(files: FileOperations, paths: WorkingPaths): Promise<string | undefined> {
  for (const path of [paths.working, paths.lock]) {
    const stat = files.stat(path);
    // A symbolic link here would lead all further work out of the volume.
    if (stat !== undefined && !stat.isDirectory()) await removeTree(files, path);
  }
  if (files.stat(paths.working) === undefined) makeIfAbsent(files, paths.working);
  if (files.stat(paths.lock) === undefined) return undefined;
  const names = listIfPresent(files, paths.lock);
  // A link with the name of a run would lead the next holder's work out of the volume.
  const isRun = (name: string): boolean =>
    RUN_ID.test(name) && files.stat(join(paths.lock, name))?.isDirectory() === true;
  const holder = names.find(isRun);
  if (holder === undefined) for (const name of names) await removeTree(files, join(paths.lock, name));
  return holder;
}

async function takeFree({ volume: { files }, self, paths }: Attempt): Promise<boolean> {
  try {
    files.makeDirectory(paths.wait, PRIVATE);
    const inside = join(paths.wait, self.run);
    files.makeDirectory(inside, PRIVATE);
    files.write(join(inside, ownerFile(self.run)), ownerRecord(self), 0o600);
    files.write(join(inside, 'beat'), beatText(0), 0o600);
    files.rename(paths.wait, paths.lock);
    return true;
  } catch (thrown) {
    const code = errorCode(thrown);
    // ENOENT: the last holder has just removed the working directory.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw thrown;
    await removeTree(files, paths.wait);
    // Some file systems refuse to rename over an empty directory.
    removeIfEmpty(files, paths.lock);
    return false;
  }
}

function takeOver({ volume: { files }, self, paths }: Attempt, dead: string): boolean {
  try {
    // Written before the rename: whoever sees the new holder can read who it is.
    files.write(join(dead, ownerFile(self.run)), ownerRecord(self), 0o600);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return false;
    // The dead run's scratch may have filled the volume: only taking over makes room.
    if (!isVolumeFull(thrown) && errorCode(thrown) !== 'EEXIST') throw thrown;
  }
  try {
    files.rename(dead, paths.run);
    return true;
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return false;
    throw thrown;
  }
}

function hold(files: FileOperations, paths: WorkingPaths, ctx: LockContext): Lock {
  const lost = new AbortController();
  const stopped = new AbortController();
  const state = { beats: 0, lastMs: Number.NEGATIVE_INFINITY };
  const check = (): void => {
    if (!lost.signal.aborted && files.stat(paths.run) === undefined) {
      const text = 'another installer took the volume over, because this one did not show a heartbeat for too long';
      lost.abort(new InstallError('LockBusy', text, { details: { lock: paths.run } }));
    }
    if (lost.signal.aborted) return;
    const now = ctx.clock.monotonic();
    if (now - state.lastMs < BEAT_MS) return;
    state.lastMs = now;
    state.beats += 1;
    beat(files, join(paths.run, 'beat'), state.beats);
  };
  const lock: Lock = {
    run: paths.run.slice(paths.lock.length + 1),
    lost: lost.signal,
    assertHeld() {
      try {
        check();
      } catch (thrown) {
        throw stageError(thrown, 'look at the lock of the volume');
      }
      lost.signal.throwIfAborted();
    },
    stop: () => stopped.abort(),
  };
  check();
  void keepBeating(check, ctx, AbortSignal.any([stopped.signal, lost.signal]));
  return lock;
}

async function keepBeating(check: () => void, ctx: LockContext, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    try {
      await ctx.clock.sleep(BEAT_MS, end);
      check();
    } catch (thrown) {
      // A volume that does not answer is a missed beat; whoever writes next meets the same error and reports it.
      if (!end.aborted && errorCode(thrown) === undefined) throw thrown;
    }
  }
}

/** A beat that cannot be written is a missed beat and no failure: should others take over, the next look at the lock tells. */
function beat(files: FileOperations, path: string, count: number): void {
  try {
    if (files.stat(path) === undefined) files.write(path, beatText(count), 0o600);
    else files.overwrite(path, beatText(count));
  } catch (thrown) {
    if (errorCode(thrown) === undefined) throw thrown;
  }
}

/** Of constant length: written in place, it never needs another block of a full volume. */
function beatText(count: number): string {
  return String(count).padStart(12, '0');
}

export function ownerFile(run: string): string {
  return `owner-${run}.json`;
}

export function ownerRecord(self: Owner): string {
  return `${JSON.stringify(self)}\n`;
}

function makeIfAbsent(files: FileOperations, path: string): void {
  try {
    files.makeDirectory(path, PRIVATE);
  } catch (thrown) {
    // ENOENT: the last holder removed it again before its mode was set.
    const code = errorCode(thrown);
    if (code !== 'EEXIST' && code !== 'ENOENT') throw thrown;
  }
}

function listIfPresent(files: FileOperations, path: string): readonly string[] {
  try {
    return files.list(path);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

function readIfPresent(files: FileOperations, path: string): string | undefined {
  try {
    return files.read(path, MAX_RECORD_BYTES).toString('utf8');
  } catch (thrown) {
    // Vanished, or damaged beyond what an installer writes: either way it says nothing.
    if (errorCode(thrown) === undefined) throw thrown;
    return undefined;
  }
}
