/** What a run came to, in words. Pure; shared by the log, the terminal and the termination message. */
import { errorCode, type InstallError } from '../core/errors.ts';
import type { Failure, RunSummary } from '../core/events.ts';
import { EXIT, isTolerable } from '../core/exit.ts';
import { REASONS } from '../core/reasons.ts';

/** One fact of a failure: `expected`, `sha512-…`. */
export interface Fact {
  readonly label: 'reason' | 'plugin' | 'source' | 'error' | 'expected' | 'computed' | 'cause' | 'fix';
  readonly text: string;
}

const MAX_NAMED_REJECTIONS = 3;

/** The first line of every report: complete without the rest (docs/contracts.md, "Termination message"). */
export function headline(summary: RunSummary): string {
  const deciding = decidingFailure(summary);
  if (summary.exitCode === EXIT.ok || deciding === undefined) return okLine(summary);
  const { error, entry } = deciding;
  if (entry !== undefined) {
    const failed = summary.failures.filter((failure) => failure.entry !== undefined).length;
    return `${error.reason}: ${failed} of ${count(summary.total, 'plugin')} failed${consequence(summary)} (${policyOf(deciding, summary)})`;
  }
  if (listProblems(error).length > 0)
    return `${error.reason}: ${count(problemCount(error), 'problem')} in the plugin list${consequence(summary)}`;
  return `${error.reason}: ${error.message}${consequence(summary)}`;
}

function consequence(summary: RunSummary): string {
  return summary.command === 'install' ? ', portal not started' : '';
}

function policyOf(failure: Failure, summary: RunSummary): string {
  if (!summary.continueOnError) return 'continueOnError=false';
  return isTolerable(failure.error.exit) ? 'continueOnError=false on the entry' : 'continueOnError does not cover this';
}

function okLine(summary: RunSummary): string {
  const ready = summary.installed + summary.cached;
  const did = summary.command === 'verify' ? ' verified' : '';
  const fetched = summary.command === 'verify' ? '' : `${summary.cached} cached, ${summary.installed} fetched, `;
  const more = [
    ...(summary.rejected === 0 ? [] : [rejections(summary)]),
    ...(summary.removed === 0 ? [] : [`${summary.removed} removed`]),
  ];
  const status = summary.exitCode === EXIT.ok ? 'ok' : `exit ${summary.exitCode}`;
  const plugins = `${count(ready, 'plugin')}${did} (${fetched}${formatBytes(summary.bytes)})`;
  return `${status}: ${[plugins, ...more].join(', ')} in ${formatDuration(summary.durationMs)} set=${summary.set}`;
}

function rejections(summary: RunSummary): string {
  const rejected = summary.failures.filter((failure) => failure.entry !== undefined);
  const named = rejected
    .slice(0, MAX_NAMED_REJECTIONS)
    .map(({ error, entry }) => `${error.reason} ${entry?.path ?? ''}`.trim());
  const rest = rejected.length > MAX_NAMED_REJECTIONS ? [`${rejected.length - MAX_NAMED_REJECTIONS} more`] : [];
  const list = named.length === 0 ? '' : ` (${[...named, ...rest].join(', ')})`;
  return `${summary.rejected} rejected${list}`;
}

/** The failure whose exit code the process ends with; one that is not tolerated before one that is. */
export function decidingFailure(summary: RunSummary): Failure | undefined {
  const matching = summary.failures.filter((failure) => failure.error.exit === summary.exitCode);
  return matching.find((failure) => !failure.tolerated) ?? matching[0] ?? summary.failures[0];
}

/** All failures, the one that decides first, tolerated ones last, else in the order given. */
export function orderedFailures(summary: RunSummary): readonly Failure[] {
  const first = decidingFailure(summary);
  const rest = summary.failures.filter((failure) => failure !== first);
  const ranked = [...rest.filter((failure) => !failure.tolerated), ...rest.filter((failure) => failure.tolerated)];
  return first === undefined ? ranked : [first, ...ranked];
}

/** The facts of one failure in reading order; `reason` only where the headline does not say it already. */
export function factsOf(failure: Failure, summary: RunSummary): readonly Fact[] {
  const { error, entry } = failure;
  const { expected, computed } = error.details;
  const isHeadline = failure === decidingFailure(summary);
  const source = sourceOf(error);
  const isComparison = typeof expected === 'string' && typeof computed === 'string';
  const isSaid = isHeadline && entry === undefined;
  return [
    ...fact('reason', isHeadline ? undefined : `${error.reason}${failure.tolerated ? ' (tolerated)' : ''}`),
    ...fact('plugin', entry === undefined ? undefined : `${entry.package}  (${entry.path})`),
    ...fact('source', source === entry?.package ? undefined : source),
    ...fact('error', isComparison || isSaid ? undefined : error.message),
    ...fact('expected', expected),
    ...fact('computed', computed),
    ...fact('cause', causeOf(error)),
    ...fact('fix', error.fix),
  ];
}

function fact(label: Fact['label'], value: unknown): readonly Fact[] {
  return typeof value === 'string' && value !== '' ? [{ label, text: value }] : [];
}

/** Where the bytes came from, as whoever threw the error calls it. */
function sourceOf(error: InstallError): string | undefined {
  const { from, source, url } = error.details;
  return [from, source, url].find((value) => typeof value === 'string');
}

/** The cause by evidence, else the code of the system error behind it (`ENOSPC`). */
export function causeOf(error: InstallError): string | undefined {
  const stated = error.details['cause'];
  if (typeof stated === 'string') return stated;
  const code = errorCode(error.cause);
  return code === undefined || error.message.includes(code) ? undefined : code;
}

/** Message, expected and computed value in full, cause and fix in one sentence: what a bare log line needs. */
export function explainFailure(error: InstallError): string {
  const { expected, computed } = error.details;
  const values = [
    ...(typeof expected === 'string' && !error.message.includes(expected) ? [`expected ${expected}`] : []),
    ...(typeof computed === 'string' && !error.message.includes(computed) ? [`computed ${computed}`] : []),
  ];
  const cause = causeOf(error);
  return [
    error.message + (values.length === 0 ? '' : `: ${values.join(', ')}`),
    ...(cause === undefined || error.message.includes(cause) ? [] : [`cause: ${cause}`]),
    `fix: ${error.fix}`,
  ].join('; ');
}

/** The problems of a list, each with file, line and fix; empty for every other failure. */
export function listProblems(error: InstallError): readonly string[] {
  const { problems } = error.details;
  return REASONS[error.reason].stage === 'configure' && Array.isArray(problems) ? problems : [];
}

/** How many problems there are; a long list of them is cut by whoever collected it. */
export function problemCount(error: InstallError): number {
  const { count } = error.details;
  return typeof count === 'number' ? count : listProblems(error).length;
}

/** `1.9 MB`: decimal units, as registries and Kubernetes quantities without `i` use them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  // 999.95 would be printed as 1000.0.
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** `3.4s`, from one minute on `2m 05s`. */
export function formatDuration(ms: number): string {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m ${String(seconds % 60).padStart(2, '0')}s`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
