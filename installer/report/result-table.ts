import type { ResultRow } from '../core/events.ts';
import { escapeText } from '../core/redact.ts';
import { cut, widthOf, type Paint } from './paint.ts';
import { formatBytes, formatDuration } from './summary.ts';

/** Rows beyond this are counted; failed ones are never left out before others. */
const MAX_ROWS = 100;
const GAP = '  ';
/** Below this a package name cannot be told from another. */
const MIN_NAME_WIDTH = 16;

interface Column {
  readonly title: string;
  readonly isRight: boolean;
  readonly text: (row: ResultRow) => string;
}

const NAME: Column = { title: 'plugin', isRight: false, text: (row) => (row.name === '' ? row.package : row.name) };
/** In the order they are printed. */
const COLUMNS: readonly Column[] = [
  { title: '#', isRight: true, text: (row) => String(row.index) },
  NAME,
  { title: 'version', isRight: false, text: (row) => row.version },
  { title: 'status', isRight: false, text: (row) => row.status },
  { title: 'size', isRight: true, text: (row) => (row.bytes === undefined ? '' : formatBytes(row.bytes)) },
  { title: 'files', isRight: true, text: (row) => (row.files === undefined ? '' : String(row.files)) },
  { title: 'time', isRight: true, text: (row) => formatDuration(row.ms) },
  { title: 'reason', isRight: false, text: (row) => row.reason ?? '' },
];
/** What a narrow terminal does without, first to go first. */
const DISPENSABLE: readonly string[] = ['files', 'time', 'size', 'version', '#', 'reason'];

/** The results as a table no wider than `columns`: least important columns are left out, then names are cut. Empty for no rows. */
export function resultTable(rows: readonly ResultRow[], paint: Paint, columns: number): readonly string[] {
  if (rows.length === 0) return [];
  const shown = pick(rows);
  const cells = shown.map((row) => new Map(COLUMNS.map((column) => [column, escapeText(column.text(row))])));
  const widths = new Map(
    COLUMNS.map((column) => [
      column,
      Math.max(widthOf(column.title), ...cells.map((cell) => widthOf(cell.get(column) ?? ''))),
    ]),
  );
  const layout = fit(columns, widths, cells);
  const line = (text: (column: Column) => string): string =>
    layout
      .map(({ column, width }) => pad(cut(text(column), width), width, column.isRight))
      .join(GAP)
      .trimEnd();
  const body = shown.map((row, index) => paint[COLOURS[row.status]](line((column) => cells[index]?.get(column) ?? '')));
  const more = rows.length > shown.length ? [`… and ${rows.length - shown.length} more`] : [];
  return ['', paint.dim(line((column) => column.title)), ...body, ...more];
}

/** All rows, or the failed ones and as many others as there is room for, in list order. */
function pick(rows: readonly ResultRow[]): readonly ResultRow[] {
  if (rows.length <= MAX_ROWS) return rows;
  const failed = rows.filter((row) => isFailed(row)).slice(0, MAX_ROWS);
  const others = rows.filter((row) => !isFailed(row)).slice(0, MAX_ROWS - failed.length);
  const chosen = new Set([...failed, ...others]);
  return rows.filter((row) => chosen.has(row));
}

function isFailed(row: ResultRow): boolean {
  return row.status === 'rejected' || row.status === 'aborted';
}

interface Placed {
  readonly column: Column;
  readonly width: number;
}

function fit(
  columns: number,
  widths: ReadonlyMap<Column, number>,
  cells: readonly ReadonlyMap<Column, string>[],
): readonly Placed[] {
  const isUsed = (column: Column): boolean => cells.some((cell) => cell.get(column) !== '');
  let kept = COLUMNS.filter((column) => isUsed(column));
  const widthWithout = (): number =>
    kept.reduce((total, column) => total + (column === NAME ? 0 : (widths.get(column) ?? 0) + GAP.length), 0);
  const nameWidth = widths.get(NAME) ?? 0;
  for (const title of DISPENSABLE)
    if (widthWithout() + Math.min(nameWidth, MIN_NAME_WIDTH) > columns)
      kept = kept.filter((column) => column.title !== title);
  const room = Math.max(1, columns - widthWithout());
  return kept.map((column) => ({
    column,
    width: column === NAME ? Math.min(nameWidth, room) : (widths.get(column) ?? 0),
  }));
}

function pad(text: string, width: number, isRight: boolean): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)));
  return isRight ? blanks + text : text + blanks;
}

const COLOURS: Readonly<Record<ResultRow['status'], keyof Paint>> = {
  installed: 'good',
  verified: 'good',
  cached: 'plain',
  skipped: 'dim',
  rejected: 'bad',
  aborted: 'bad',
};
