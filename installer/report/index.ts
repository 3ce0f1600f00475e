/** The registry of reporters; each is loaded only when it is the one in use (pino costs a cold start 20 ms). */
import type { RunEvent } from '../core/events.ts';
import type { LogSettings } from '../core/settings.ts';
import { createLogfmtSink } from './logfmt.ts';
import { createRedactor } from './redactor.ts';
import type { Reporter, ReporterParts, ReportIo, Sink } from './reporter.ts';

type SinkFactory = (settings: LogSettings, parts: ReporterParts) => Promise<Sink>;

export const REPORTERS: Readonly<Record<LogSettings['format'], SinkFactory>> = {
  logfmt: (settings, parts) => Promise.resolve(createLogfmtSink(settings, parts)),
  json: async (settings, parts) => (await import('./json.ts')).createJsonSink(settings, parts),
  pretty: async (settings, parts) => (await import('./pretty.ts')).createPrettySink(settings, parts),
};

/**
 * The reporter of `settings.format` on `io.stdout` (docs/contracts.md, "Logs"). Secrets of `io.secrets` are removed from every finished
 * line. Nothing that the reporter does throws; a stream that cannot be written loses text, not the run.
 */
export async function createReporter(settings: LogSettings, io: ReportIo): Promise<Reporter> {
  let unwritten: Promise<void> = Promise.resolve();
  const write = (text: string): void => {
    const written = new Promise<void>((resolve) => {
      io.stdout.write(text, () => resolve());
    });
    unwritten = unwritten.then(() => written);
  };
  const sink = await REPORTERS[settings.format](settings, { write, io, redact: createRedactor(io.secrets) });
  return sequence(sink, () => unwritten);
}

function sequence(sink: Sink, flushed: () => Promise<void>): Reporter {
  let isCompleted = false;
  let isEnded = false;
  const emit = (event: RunEvent): void => {
    if (isCompleted) return; // `completed` is the last line, whatever a late step still has to say
    isCompleted = event.event === 'completed';
    sink.event(event);
  };
  return {
    emit,
    finish(summary) {
      emit({ event: 'completed', summary });
      if (!isEnded) sink.end(summary);
      isEnded = true;
      return flushed();
    },
  };
}
