/** Makes a sealed set visible: all of it or nothing (docs/architecture.md, "Staging"). */
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { InstallError } from '../core/errors.ts';
import type { Committed, SealedSet, SetOutput } from '../core/types.ts';
import { journalPath, writeJournal, type Move } from './journal.ts';
import { LEDGER_FILE, serialiseLedger } from './ledger.ts';
import { MAX_SAVED_BYTES, planCommit, type CommitPlan } from './plan.ts';
import { stageError } from './stage-errors.ts';
import { syncTrees } from './trees.ts';
import { settle, type Place } from './undo.ts';
import type { LockedVolume } from './volume.ts';

const PUBLIC_FILE = 0o644;
const PUBLIC_DIRECTORY = 0o755;
const PRIVATE_DIRECTORY = 0o700;

/**
 * Puts `set` and `outputs` in place of whatever is on the volume. Kept plugins do not move; a set that is already there writes nothing.
 * The rename of the ledger is the commit point: resolving means it happened. Rejects with `signal.reason` when the signal aborts
 * before it, else with VolumeFull, VolumeNotWritable, CommitFailed, LockBusy (the lock was lost) or DirectoryConflict; the volume then
 * is what it was, or, when undoing failed as well (`details.undo`), will be so after the next run's repair. Scratch stays: `leaveVolume`
 * removes it.
 */
export async function commitSet(
  set: SealedSet,
  outputs: readonly SetOutput[],
  volume: LockedVolume,
  signal: AbortSignal,
): Promise<Committed> {
  let plan: CommitPlan | undefined;
  try {
    checkpoint(volume, signal);
    plan = planCommit(set, outputs, volume);
    if (!plan.isEmpty) {
      await writeAhead(plan, volume, signal);
      await makeVisible(plan, volume, signal);
    }
  } catch (thrown) {
    const isCommitted = await takeBack(thrown, volume);
    // NFS may report a rename as failed that happened: what is on the volume decides.
    if (!isCommitted || plan === undefined) throw signal.aborted && thrown === signal.reason ? thrown : failure(thrown);
  }
  return { staged: plan.staged, removed: plan.removed };
}

/** False when the previous set is back; throws when it could not be brought back, or is not this run's any more. */
async function takeBack(thrown: unknown, volume: LockedVolume): Promise<boolean> {
  // Without the lock, the paths of this run are gone and another installer has already taken its moves back.
  volume.lock.assertHeld();
  try {
    return (await settle(volume)) === 'committed';
  } catch (undoThrown) {
    const cause = failure(thrown);
    const undo = failure(undoThrown).message;
    const fix = 'start the pod again: the next run repairs the volume before it does anything else';
    const text = `${cause.message}; taking the changes back failed too: ${undo}`;
    throw new InstallError('CommitFailed', text, { details: { ...cause.details, undo, fix }, cause: undoThrown });
  }
}

function failure(thrown: unknown): InstallError {
  return stageError(thrown, 'put the new set in place');
}

/** Everything the moves need, durable, and the journal that says how to take them back. */
async function writeAhead(plan: CommitPlan, volume: LockedVolume, signal: AbortSignal): Promise<void> {
  const { files, root, scratch } = volume;
  const written = ['new', 'old'].map((name) => join(scratch, name));
  for (const directory of written) files.makeDirectory(directory, PRIVATE_DIRECTORY);
  for (const { path, content } of plan.newFiles) files.write(join(scratch, path), content, PUBLIC_FILE);
  files.write(join(scratch, newLedger), serialiseLedger(plan.ledger), PUBLIC_FILE);
  for (const { path, to, mode } of plan.savedFiles) {
    files.write(join(scratch, to), files.read(join(root, path), MAX_SAVED_BYTES), mode);
  }
  if (volume.isSynced) await syncTrees(files, [...plan.trees, ...written], signal);
  checkpoint(volume, signal);
  writeJournal(files, scratch, { schemaVersion: 1, run: plan.ledger.run, moves: plan.moves });
  if (volume.isSynced) for (const path of [journalPath(scratch), scratch]) await files.sync(path);
}

async function makeVisible(plan: CommitPlan, volume: LockedVolume, signal: AbortSignal): Promise<void> {
  const place: Place = { files: volume.files, root: volume.root, run: volume.scratch };
  let previous: Move | undefined;
  for (const move of plan.moves) {
    // Not between the two renames of one directory: a running portal should miss it for as short as possible.
    if (!(move.kind === 'in' && previous?.kind === 'out' && previous.path === move.path)) {
      await turn();
      checkpoint(volume, signal);
    }
    apply(place, move);
    previous = move;
  }
  if (volume.isSynced) {
    const parents = new Set(plan.moves.map(({ path }) => dirname(join(volume.root, path))));
    for (const directory of parents.add(volume.root)) await volume.files.sync(directory);
  }
  await turn();
  checkpoint(volume, signal);
  // The commit point. It is made durable by leaveVolume, which keeps the journal until then.
  volume.files.rename(join(volume.scratch, newLedger), join(volume.root, LEDGER_FILE));
}

const newLedger = `new/${LEDGER_FILE}`;

function apply({ files, root, run }: Place, move: Move): void {
  const target = join(root, move.path);
  switch (move.kind) {
    case 'out':
      return files.rename(target, join(run, move.to));
    case 'in':
    case 'replace':
      return files.rename(join(run, move.from), target);
    case 'make':
      return files.makeDirectory(target, PUBLIC_DIRECTORY);
  }
}

function checkpoint(volume: LockedVolume, signal: AbortSignal): void {
  signal.throwIfAborted();
  volume.lock.assertHeld();
}
