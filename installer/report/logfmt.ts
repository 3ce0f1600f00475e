import type { LogSettings } from '../core/settings.ts';
import { isLogged, toLogLines, type FieldValue, type LogLine } from './log-line.ts';
import type { ReporterParts, Sink } from './reporter.ts';

/** One line for each log line, `ts` first, `msg` before the event's own fields: https://brandur.org/logfmt, as Go's loggers write it. */
export function createLogfmtSink(settings: LogSettings, parts: ReporterParts): Sink {
  const { io, redact, write } = parts;
  return {
    event(event) {
      for (const line of toLogLines(event, io.set()))
        if (isLogged(line.level, settings.level)) write(`${redact(formatLogfmt(line, io.clock.now(), redact))}\n`);
    },
    end: () => undefined,
  };
}

/** Names that stand before `msg`. */
const LEADING: ReadonlySet<string> = new Set(['event', 'package', 'index', 'set']);

/** The line without its line feed. `clean` sees each text before it is quoted, since quoting would hide a secret that holds a quote. */
export function formatLogfmt(line: LogLine, at: Date, clean: (text: string) => string): string {
  const pairs: (readonly [string, FieldValue])[] = [
    ['ts', at.toISOString()],
    ['level', line.level],
    ...line.fields.filter(([name]) => LEADING.has(name)),
    ['msg', line.msg],
    ...line.fields.filter(([name]) => !LEADING.has(name)),
  ];
  return pairs.map(([name, value]) => `${name}=${formatValue(value, clean)}`).join(' ');
}

/** Printable ASCII without blank, `"`, `=` and backslash needs no quotes. */
const BARE = /^[\u0021\u0023-\u003c\u003e-\u005b\u005d-\u007e]+$/;

function formatValue(value: FieldValue, clean: (text: string) => string): string {
  if (typeof value !== 'string') return String(value);
  const text = clean(value);
  return BARE.test(text) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
