import { pino } from 'pino';
import type { LogSettings } from '../core/settings.ts';
import { toLogLines, type FieldValue } from './log-line.ts';
import type { ReporterParts, Sink } from './reporter.ts';

/**
 * pino's lines: `level` as a word, `time` in ISO 8601, the fields, `msg`. Texts are escaped before they come here, because pino leaves
 * DEL, C1, U+2028 and bidirectional marks as they are.
 */
export function createJsonSink(settings: LogSettings, parts: ReporterParts): Sink {
  const { io, redact, write } = parts;
  const logger = pino(
    {
      level: settings.level,
      base: null,
      timestamp: () => `,"time":"${io.clock.now().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => write(redactJson(line, redact)) },
  );
  return {
    event(event) {
      for (const line of toLogLines(event, io.set())) {
        const fields = line.fields.map(([name, value]) => [name, redactValue(value, redact)] as const);
        logger[line.level](Object.fromEntries(fields), redact(line.msg));
      }
    },
    end: () => undefined,
  };
}

/** A number that holds a secret becomes text, so that the line stays JSON. */
function redactValue(value: FieldValue, redact: (text: string) => string): FieldValue {
  const text = String(value);
  const clean = redact(text);
  return clean === text ? value : clean;
}

/** The finished line. A secret that spans JSON syntax costs the whole line: half a line would be neither JSON nor safe. */
function redactJson(line: string, redact: (text: string) => string): string {
  const clean = redact(line);
  if (clean === line || isJson(clean)) return clean;
  return `{"level":"error","msg":"a log line was withheld because a secret could not be removed from it"}\n`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return text.endsWith('\n');
  } catch {
    return false;
  }
}
