/** For people at a terminal: finished plugins scroll by, running ones are updated in place, a table ends the run. */
import type { ResultRow, RunEvent, RunSummary } from '../core/events.ts';
import { escapeText } from '../core/redact.ts';
import type { LogSettings } from '../core/settings.ts';
import { createLiveArea } from './live-area.ts';
import { isLogged } from './log-line.ts';
import { createPaint, type Paint } from './paint.ts';
import type { ReporterParts, Sink } from './reporter.ts';
import { resultTable } from './result-table.ts';
import { factsOf, formatBytes, formatDuration, headline, listProblems, orderedFailures } from './summary.ts';

/** More blocks than this push the result table off any screen. */
const MAX_FAILURE_BLOCKS = 20;
/** Columns assumed when the output is no terminal: tables stay readable in a file. */
const DEFAULT_COLUMNS = 120;
const DEFAULT_ROWS = 24;

/** Off a terminal: the same lines without colour, cursor movement and progress. */
export function createPrettySink(settings: LogSettings, parts: ReporterParts): Sink {
  const { stdout, clock } = parts.io;
  const isTerminal = stdout.isTTY === true;
  // A pseudo-terminal whose size nobody set says 0.
  const columns = (): number => stdout.columns || DEFAULT_COLUMNS;
  const paint = createPaint(settings.color && isTerminal);
  const live = createLiveArea({
    isTerminal,
    columns,
    rows: () => stdout.rows || DEFAULT_ROWS,
    monotonic: () => clock.monotonic(),
    write: parts.write,
    redact: parts.redact,
  });
  return {
    event(event) {
      if (isShown(event, settings, isTerminal)) for (const line of linesOf(event, paint)) live.print(line);
      live.track(event);
    },
    end(summary) {
      live.close();
      const clean = { ...summary, rows: summary.rows.map((row) => redactRow(row, parts.redact)) };
      const lines = [...closing(clean, paint, columns())].map((line) => `${parts.redact(line)}\n`);
      parts.write(lines.join(''));
    },
  };
}

/** Before names are cut to the width of a column: half a secret would not be recognised. */
function redactRow(row: ResultRow, redact: (text: string) => string): ResultRow {
  return { ...row, package: redact(row.package), name: redact(row.name), version: redact(row.version) };
}

type Event<Name extends RunEvent['event']> = Extract<RunEvent, { readonly event: Name }>;
type Lines = { readonly [Name in RunEvent['event']]: (event: Event<Name>, paint: Paint) => readonly string[] };

/** Heartbeats are for those who see no progress lines: these say the same, and sooner. */
function isShown(event: RunEvent, settings: LogSettings, isTerminal: boolean): boolean {
  if (event.event !== 'note') return true;
  return isLogged(event.level, settings.level) && !(isTerminal && isHeartbeat(event));
}

function linesOf(event: RunEvent, paint: Paint): readonly string[] {
  const lines = LINES[event.event] as (event: RunEvent, paint: Paint) => readonly string[]; // the row of this very name
  return lines(event, paint);
}

const LINES: Lines = {
  startup: (event) => [
    escapeText(
      `portal-plugins ${event.version}: ${event.pluginCount} plugins from ${event.configFile} to ${event.root}`,
    ),
  ],
  startup_permissive_mode: (_, paint) => [
    mark(paint.warn, '!', 'allowedSources is not set, so every source is allowed'),
  ],
  plugin_started: () => [],
  plugin_retry: (event, paint) => [
    mark(paint.warn, '!', `${event.package}: ${event.message}; attempt ${event.attempt + 1} in ${event.waitMs} ms`),
  ],
  plugin_cached: (event, paint) => [mark(paint.dim, '=', `${event.name}@${event.version} is intact`)],
  plugin_installed: (event, paint) => [
    mark(
      paint.good,
      '+',
      `${event.name}@${event.version} ${formatBytes(event.bytes)}, ${event.files} files, ${formatDuration(event.durationMs)}`,
    ),
  ],
  plugin_skipped: () => [],
  plugin_rejected: (event, paint) => [
    mark(paint.bad, 'x', `${event.package} ${event.error.reason}: ${event.error.message}`),
  ],
  plugin_removed: (event, paint) => [mark(paint.dim, '-', `${event.dest} removed`)],
  completed: () => [],
  note: (event, paint) => [noteLine(event, paint)],
  progress: () => [],
};

type Note = Event<'note'>;

function isHeartbeat(event: Note): boolean {
  return event.level === 'info' && event.bytes !== undefined;
}

function noteLine(event: Note, paint: Paint): string {
  const subject = event.subject === undefined ? '' : `${event.subject.package}: `;
  const colours = { error: paint.bad, warn: paint.warn, info: paint.plain, debug: paint.dim };
  return mark(
    colours[event.level],
    event.level === 'info' || event.level === 'debug' ? ' ' : '!',
    subject + event.text,
  );
}

function mark(colour: (text: string) => string, sign: string, text: string): string {
  return `${colour(sign)} ${escapeText(text)}`;
}

function* closing(summary: RunSummary, paint: Paint, columns: number): Generator<string> {
  yield* resultTable(summary.rows, paint, columns);
  const failures = orderedFailures(summary);
  for (const failure of failures.slice(0, MAX_FAILURE_BLOCKS)) {
    yield '';
    yield paint.bad(escapeText(`${failure.error.reason}${failure.tolerated ? ' (tolerated)' : ''}`));
    for (const { label, text } of factsOf(failure, summary))
      if (label !== 'reason') yield `${paint.dim(`${label}:`.padEnd(10))}${escapeText(text)}`;
    for (const problem of listProblems(failure.error)) yield escapeText(`  ${problem}`);
  }
  if (failures.length > MAX_FAILURE_BLOCKS) yield `+${failures.length - MAX_FAILURE_BLOCKS} more failures`;
  if (summary.rows.length > 0 || failures.length > 0) yield '';
  const colour = summary.exitCode === 0 ? paint.good : paint.bad;
  yield colour(escapeText(headline(summary)));
}
