/** What a run came to, for the reporters: pure. */
import type { InstallError } from '../core/errors.ts';
import type { Failure, ResultRow, RunEvent, RunSummary } from '../core/events.ts';
import { EXIT, exitCodeOf } from '../core/exit.ts';
import type { Entry, Outcome, PluginList, Ready } from '../core/types.ts';
import { isTolerated, recordOf, type SealRefusal } from './set.ts';

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

/** What a command itself knows about the end of its run. */
export type End = Omit<RunEnd, 'command' | 'list' | 'durationMs'>;

/** Before anything was done: only what the list already refuses has an outcome. */
export function beginning({ refused }: PluginList): End {
  const outcomes = refused.map(({ entry, error }): Outcome => ({ entry, ms: 0, status: 'rejected', error }));
  return { outcomes, aborted: [], refusals: [], runError: undefined, isDone: false, removed: [] };
}

/** Entries that the list itself does not refuse. */
export function admitted({ entries, refused }: PluginList): readonly Entry[] {
  const indexes = new Set(refused.map(({ entry }) => entry.index));
  return entries.filter(({ index }) => !indexes.has(index));
}

/** Outcomes of a run in the order of the list. */
export function inListOrder(outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.toSorted((a, b) => a.entry.index - b.entry.index);
}

/** Plugins that passed everything, what only the whole set shows included. */
export function passed({ outcomes, refusals }: Pick<End, 'outcomes' | 'refusals'>): readonly Passed[] {
  const refused = new Set(refusals.map(({ entry }) => entry.index));
  return outcomes.filter((one): one is Passed => one.status === 'ready' && !refused.has(one.entry.index));
}

export type Passed = Extract<Outcome, { readonly status: 'ready' }>;

/** The `plugin_installed` event of a plugin; `verifyOnly` when nothing is staged. */
export function installedEvent({ entry, ready, ms }: Passed, mode: { readonly verifyOnly: boolean }): RunEvent {
  const { name, version, dir: dest, integrity, bytes, inventory } = recordOf(ready);
  return {
    event: 'plugin_installed',
    package: entry.package,
    index: entry.index,
    name,
    version,
    dest,
    integrity: integrity.join(' '),
    bytes,
    files: inventory.files,
    durationMs: ms,
    ...mode,
  };
}

/** Counts, failures in list order and table rows. An installation that did not reach its end has installed and cached nothing. */
export function summarise(end: RunEnd): RunSummary {
  const failures = failuresOf(end);
  const deciding = failures.filter((failure) => !failure.tolerated).map((failure) => failure.error.exit);
  const ready = passed(end).map((outcome) => outcome.ready);
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
    bytes: transferred(end.outcomes),
    durationMs: end.durationMs,
    continueOnError: end.list.continueOnError,
    failures,
    rows: rowsOf(end),
  };
}

/** Archive bytes fetched in this run, also of plugins that the whole set refused. */
function transferred(outcomes: readonly Outcome[]): number {
  const fetched = outcomes.filter((one): one is Passed => one.status === 'ready' && one.ready.state === 'prepared');
  return fetched.reduce((sum, { ready }) => sum + recordOf(ready).bytes, 0);
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
