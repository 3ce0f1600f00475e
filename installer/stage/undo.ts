/** Takes the moves of an unfinished commit back. */
import { join } from 'node:path';
import type { FileOperations } from './file-operations.ts';
import { journalPath, readJournal, type Journal, type Move } from './journal.ts';
import { readLedgerRun } from './ledger.ts';
import { removeIfEmpty } from './trees.ts';
import type { LockedVolume } from './volume.ts';

/**
 * `none`: there was no journal, nothing visible was touched. `undone`: the previous set is back. `committed`: the ledger carries the
 * journal's run, so the new set is in place. `unreadable`: the journal cannot be understood and was dropped; the set on the volume is
 * of no known state, and what the ledger says of it is checked against the files as always.
 */
export type Settled = 'none' | 'undone' | 'committed' | 'unreadable';

/**
 * Ends whatever commit the directory of the run tells of, by the table of docs/architecture.md, "Staging"; may be killed anywhere and
 * repeated. The journal goes last, after everything it speaks of is durable. Throws the file system's error; the journal is then kept.
 */
export async function settle(volume: LockedVolume): Promise<Settled> {
  const { files, root, scratch } = volume;
  const journal = readJournal(files, scratch);
  if (journal === undefined) return 'none';
  const settled = judgeJournal(volume, journal);
  if (journal !== 'unreadable' && settled === 'undone') undoMoves({ files, root, run: scratch }, journal.moves);
  if (volume.isSynced) await files.sync(root);
  files.remove(journalPath(scratch));
  return settled;
}

function judgeJournal(volume: LockedVolume, journal: Journal | 'unreadable'): Settled {
  if (journal === 'unreadable') return 'unreadable';
  return readLedgerRun(volume) === journal.run ? 'committed' : 'undone';
}

/** Where moves happen: the plugin root and the directory of the run that made them. */
export interface Place {
  readonly files: FileOperations;
  readonly root: string;
  readonly run: string;
}

/**
 * Undoes `moves` in reverse. Each step decides by what exists and not by a counter, so this may be killed anywhere and repeated, and
 * may be called however far the moves had come. Throws the file system's error; calling again goes on.
 */
export function undoMoves(place: Place, moves: readonly Move[]): void {
  for (const move of moves.toReversed()) undoMove(place, move);
}

function undoMove(place: Place, move: Move): void {
  const { files, root, run } = place;
  const target = join(root, move.path);
  switch (move.kind) {
    case 'in':
      return moveBack(files, target, join(run, move.from));
    case 'out':
      return undoOut(files, join(run, move.to), target);
    case 'replace':
      return undoReplace(place, move, target);
    case 'make':
      // A file may still be in its place: it is moved out just before.
      if (files.stat(target)?.isDirectory() === true) removeIfEmpty(files, target);
  }
}

/** Takes back `source` → `target` when it was made. */
function moveBack(files: FileOperations, target: string, source: string): void {
  if (files.stat(source) === undefined && files.stat(target) !== undefined) files.rename(target, source);
}

function undoOut(files: FileOperations, saved: string, target: string): void {
  if (files.stat(saved) === undefined) return;
  // Nobody else writes here under the lock; should it have happened, the previous set takes its place back.
  if (files.stat(target) !== undefined) files.rename(target, `${saved}-stray`);
  files.rename(saved, target);
}

function undoReplace({ files, run }: Place, move: Move & { readonly kind: 'replace' }, target: string): void {
  const source = join(run, move.from);
  if (move.saved === undefined) return moveBack(files, target, source);
  const saved = join(run, move.saved);
  if (files.stat(source) === undefined && files.stat(saved) !== undefined) files.rename(saved, target);
}
