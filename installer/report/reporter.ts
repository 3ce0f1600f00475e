import type { Clock } from '../core/context.ts';
import type { RunEvent, RunSummary } from '../core/events.ts';

/** Turns events into text on one stream. Receives everything, never rejects and never decides anything about the run. */
export interface Reporter {
  /** Called for each event in order; `completed` last. */
  emit(event: RunEvent): void;
  /**
   * Ends the report: emits `completed` unless that was done, and resolves when everything is handed to the stream. A second call
   * only waits.
   */
  finish(summary: RunSummary): Promise<void>;
}

/** The part of a stream that reporters use; `process.stdout` is one. */
export interface TextStream {
  /** `written` is called when the text left the process or can never do so. */
  write(text: string, written?: () => void): unknown;
  readonly isTTY?: boolean | undefined;
  /** Width of the terminal in columns. */
  readonly columns?: number | undefined;
  /** Height of the terminal in rows. */
  readonly rows?: number | undefined;
}

export interface ReportIo {
  readonly stdout: TextStream;
  readonly clock: Clock;
  /** `sha256:` + 12 hex of the list; empty before the list is read. */
  readonly set: () => string;
  /** Every secret loaded so far. */
  readonly secrets: () => readonly string[];
}

/** What one kind of reporter is made of. */
export interface ReporterParts {
  /** Hands text over; the text is complete lines, or terminal control of `pretty`. */
  readonly write: (text: string) => void;
  readonly io: ReportIo;
  /** Removes secrets from finished text. */
  readonly redact: (text: string) => string;
}

/** What one format adds: text for each event, and an ending. */
export interface Sink {
  event(event: RunEvent): void;
  end(summary: RunSummary): void;
}
