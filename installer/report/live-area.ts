import type { RunEvent } from '../core/events.ts';
import { escapeText } from '../core/redact.ts';
import { cut } from './paint.ts';
import { formatBytes } from './summary.ts';

export interface Screen {
  readonly isTerminal: boolean;
  readonly columns: () => number;
  readonly rows: () => number;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
  readonly write: (text: string) => void;
  readonly redact: (text: string) => string;
}

export interface LiveArea {
  /** A line that stays, above the area. */
  print(line: string): void;
  /** Follows plugins by their events and redraws, at most every REDRAW_MS. */
  track(event: RunEvent): void;
  /** Removes the area for good. */
  close(): void;
}

/** 12 frames a second look alive and cost nothing on a slow link. */
const REDRAW_MS = 80;
/** More lines than running plugins are rare; the rest is counted. */
const MAX_LINES = 8;
const BAR_WIDTH = 20;

const UP_AND_CLEAR = (lines: number): string => (lines === 0 ? '' : `\u001b[${lines}A\u001b[0J`);

/** A few lines at the bottom of a terminal, one for each running plugin. Without a terminal only `print` does anything. */
export function createLiveArea(screen: Screen): LiveArea {
  const running = new Map<number, Running>();
  let drawn = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let isOpen = screen.isTerminal;

  const draw = (above: string): void => {
    const lines = isOpen ? frame(running, screen) : [];
    screen.write(UP_AND_CLEAR(drawn) + above + lines.map((line) => `${line}\n`).join(''));
    drawn = lines.length;
    drawnAt = screen.monotonic();
  };
  return {
    print: (line) => draw(`${screen.redact(line)}\n`),
    track(event) {
      if (!isOpen) return;
      const isSettled = follow(running, event);
      if (isSettled || screen.monotonic() - drawnAt >= REDRAW_MS) draw('');
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      draw('');
    },
  };
}

interface Running {
  readonly package: string;
  readonly step: string;
  readonly bytes: number | undefined;
  readonly total: number | undefined;
}

const ENDINGS: ReadonlySet<RunEvent['event']> = new Set(['plugin_cached', 'plugin_installed', 'plugin_rejected']);

/** Updates the running plugins; true when one began or ended. */
function follow(running: Map<number, Running>, event: RunEvent): boolean {
  if (event.event === 'progress') {
    running.set(event.index, { package: event.package, step: event.step, bytes: event.bytes, total: event.total });
    return false;
  }
  if (event.event === 'plugin_started') {
    running.set(event.index, { package: event.package, step: 'start', bytes: undefined, total: undefined });
    return true;
  }
  return 'index' in event && ENDINGS.has(event.event) && running.delete(event.index);
}

function frame(running: ReadonlyMap<number, Running>, screen: Screen): readonly string[] {
  // One row stays free: a terminal that is filled to its last row scrolls, and the area would be left behind.
  const room = Math.max(1, Math.min(MAX_LINES, screen.rows() - 2));
  const plugins = [...running.values()];
  const shown = plugins.length > room ? plugins.slice(0, room - 1) : plugins;
  const lines = shown.map((plugin) => lineOf(plugin));
  if (plugins.length > shown.length) lines.push(`  … and ${plugins.length - shown.length} more`);
  // A line as wide as the terminal wraps on some, and the area would grow.
  return lines.map((line) => cut(screen.redact(escapeText(line)), Math.max(1, screen.columns() - 1)));
}

function lineOf(plugin: Running): string {
  const done = plugin.bytes === undefined ? '' : ` ${formatBytes(plugin.bytes)}`;
  const isMeasured = plugin.bytes !== undefined && plugin.total !== undefined && plugin.total > 0;
  const share = isMeasured ? Math.min(1, (plugin.bytes ?? 0) / (plugin.total ?? 1)) : 0;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = isMeasured
    ? ` [${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] of ${formatBytes(plugin.total ?? 0)}`
    : '';
  return `  ${plugin.step.padEnd(8)}${done}${bar} ${plugin.package}`;
}
