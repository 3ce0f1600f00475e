/** What a run came to, for the reporters: pure. */
import type { InstallError } from '../core/errors.ts';
import type { Failure, ResultRow, RunSummary } from '../core/events.ts';
import { EXIT, exitCodeOf } from '../core/exit.ts';
import type { Entry, Outcome, PluginList, Ready } from '../core/types.ts';
import { recordOf, type SealRefusal } from './set.ts';
import { isTolerated } from './set.ts';

/** Everything known at the end of a run; `done` is set when the run reached its end (committed, or verified). */
export interface RunEnd {
  readonly command: 'install' | 'verify';
  readonly list: PluginList;
  readonly outcomes: readonly Outcome[];
  readonly aborted: readonly Entry[];
  readonly refusals: readonly SealRefusal[];
  /** Failure of the run as a whole: volume, lock, signal, deadline, commit. */
  readonly runError: InstallError | undefined;
  readonly isDone: boolean;
  readonly removed: readonly string[];
  readonly durationMs: number;
}

/** Counts, failures in list order and table rows. An installation that did not reach its end has installed and cached nothing. */
export function summarise(end: RunEnd): RunSummary {
  const failures = failuresOf(end);
  const deciding = failures.filter((failure) => !failure.tolerated).map((failure) => failure.error.exit);
  const ready = end.outcomes.filter((outcome) => outcome.status === 'ready').map((outcome) => outcome.ready);
  const isCounted = end.isDone || end.command === 'verify';
  const count = (state: Ready['state']): number => (isCounted ? ready.filter((one) => one.state === state).length : 0);
  return {
    command: end.command,
    exitCode: exitCodeOf(deciding),
    set: end.list.set,
    installed: count('prepared'),
    cached: count('kept'),
    rejected: failures.filter((failure) => failure.entry !== undefined).length,
    skipped: end.list.skipped.length,
    removed: end.removed.length,
    total: end.list.entries.length,
    bytes: ready.reduce((sum, one) => sum + (one.state === 'prepared' ? recordOf(one).bytes : 0), 0),
    durationMs: end.durationMs,
    continueOnError: end.list.continueOnError,
    failures,
    rows: rowsOf(end),
  };
}

function failuresOf(end: RunEnd): readonly Failure[] {
  const ofEntries = new Map<number, Failure>();
  for (const outcome of end.outcomes)
    if (outcome.status === 'rejected') ofEntries.set(outcome.entry.index, failureOf(outcome));
  for (const refusal of end.refusals) ofEntries.set(refusal.entry.index, failureOf(refusal));
  const sorted = [...ofEntries.entries()].sort(([a], [b]) => a - b).map(([, failure]) => failure);
  return end.runError === undefined ? sorted : [{ error: end.runError, tolerated: false }, ...sorted];
}

function failureOf({ entry, error }: SealRefusal): Failure {
  const { index, path } = entry;
  return {
    error,
    entry: { package: entry.package, index, path, kind: entry.reference.kind },
    tolerated: isTolerated(entry, error),
  };
}

function rowsOf(end: RunEnd): readonly ResultRow[] {
  const refused = new Map(end.refusals.map(({ entry, error }) => [entry.index, error] as const));
  const rows = [
    ...end.outcomes.map((outcome) => rowOf(outcome, refused.get(outcome.entry.index), end)),
    ...end.aborted.map(({ index, package: reference }) => plainRow({ index, reference, status: 'aborted' })),
    ...end.list.skipped.map(({ index, package: reference }) => plainRow({ index, reference, status: 'skipped' })),
  ];
  return rows.sort((a, b) => a.index - b.index);
}

function rowOf(outcome: Outcome, refusal: InstallError | undefined, end: RunEnd): ResultRow {
  const error = outcome.status === 'rejected' ? outcome.error : refusal;
  const { index, package: reference } = outcome.entry;
  if (error !== undefined || outcome.status === 'rejected') {
    const reason = error?.reason;
    return { ...plainRow({ index, reference, status: 'rejected' }), ms: outcome.ms, reason };
  }
  const { name, version, bytes, inventory } = recordOf(outcome.ready);
  const row = { index, package: reference, name, version, files: inventory.files, ms: outcome.ms, reason: undefined };
  const isFetched = outcome.ready.state === 'prepared';
  return { ...row, bytes: isFetched ? bytes : undefined, status: statusOf(isFetched, end) };
}

function statusOf(isFetched: boolean, end: RunEnd): ResultRow['status'] {
  if (end.command === 'verify') return 'verified';
  // What was kept is on the volume whatever became of the run.
  if (!isFetched) return 'cached';
  return end.isDone ? 'installed' : 'aborted';
}

function plainRow(of: { index: number; reference: string; status: 'aborted' | 'skipped' | 'rejected' }): ResultRow {
  const { index, reference, status } = of;
  return {
    index,
    package: reference,
    name: '',
    version: '',
    status,
    bytes: undefined,
    files: undefined,
    ms: 0,
    reason: undefined,
  };
}

/** A run that failed before its list was known: one failure, nothing counted. */
export function failedBeforeList(command: string, error: InstallError, durationMs: number): RunSummary {
  const nothing = { installed: 0, cached: 0, rejected: 0, skipped: 0, removed: 0, total: 0, bytes: 0 };
  const failures = [{ error, tolerated: false }];
  const exitCode = error.exit === EXIT.ok ? EXIT.internal : error.exit;
  return { command, exitCode, set: '', ...nothing, durationMs, continueOnError: false, failures, rows: [] };
}
