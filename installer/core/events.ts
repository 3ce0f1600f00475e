/** One variant per log event; the list of names is closed (docs/contracts.md, "Logs"). Texts are complete without the fields. */
import type { InstallError } from './errors.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

interface Subject {
  /** The reference as written, redacted. */
  readonly package: string;
  /** Position in `plugins[]`. */
  readonly index: number;
}

export type RunEvent =
  | {
      readonly event: 'startup';
      readonly configFile: string;
      readonly root: string;
      readonly continueOnError: boolean;
      readonly pluginCount: number;
      readonly allowedSources: number;
      readonly version: string;
    }
  | { readonly event: 'startup_permissive_mode' }
  | ({ readonly event: 'plugin_started' } & Subject)
  | ({
      readonly event: 'plugin_retry';
      readonly attempt: number;
      readonly attempts: number;
      readonly code: string;
      readonly waitMs: number;
      readonly message: string;
    } & Subject)
  | ({
      readonly event: 'plugin_cached';
      readonly name: string;
      readonly version: string;
      readonly dest: string;
    } & Subject)
  | ({
      readonly event: 'plugin_installed';
      readonly name: string;
      readonly version: string;
      readonly dest: string;
      readonly integrity: string;
      readonly bytes: number;
      readonly files: number;
      readonly durationMs: number;
      readonly verifyOnly: boolean;
    } & Subject)
  | ({ readonly event: 'plugin_skipped' } & Subject)
  | ({
      readonly event: 'plugin_rejected';
      readonly error: InstallError;
      readonly durationMs: number;
      readonly tolerated: boolean;
      readonly kind: string;
      readonly path: string;
    } & Subject)
  | { readonly event: 'plugin_removed'; readonly dest: string }
  | { readonly event: 'completed'; readonly summary: RunSummary }
  /** A note without an event name: heartbeat, warnings, debug lines. */
  | {
      readonly event: 'note';
      readonly level: Level;
      readonly text: string;
      readonly subject?: Subject;
      readonly reason?: string;
      readonly bytes?: number;
      readonly total?: number | undefined;
    }
  /** Progress for the live display only; never logged. */
  | ({
      readonly event: 'progress';
      readonly step: 'resolve' | 'fetch' | 'verify' | 'unpack' | 'validate' | 'prepare';
      readonly bytes?: number;
      readonly total?: number | undefined;
    } & Subject);

/** One failed plugin, or the failure of the whole run (`entry` absent). */
export interface Failure {
  readonly error: InstallError;
  readonly entry?: { readonly package: string; readonly index: number; readonly path: string; readonly kind: string };
  readonly tolerated: boolean;
}

/** What a run came to; input of the termination message and of the result table. */
export interface RunSummary {
  readonly command: string;
  readonly exitCode: number;
  readonly set: string;
  readonly installed: number;
  readonly cached: number;
  readonly rejected: number;
  readonly skipped: number;
  readonly removed: number;
  /** Enabled entries. */
  readonly total: number;
  /** Archive bytes transferred in this run. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly continueOnError: boolean;
  readonly failures: readonly Failure[];
  readonly rows: readonly ResultRow[];
}

/** One line of the result table. */
export interface ResultRow {
  readonly index: number;
  readonly package: string;
  readonly name: string;
  readonly version: string;
  /** `aborted`: not finished because another failure or a signal ended the run. */
  readonly status: 'installed' | 'cached' | 'verified' | 'rejected' | 'skipped' | 'aborted';
  readonly bytes: number | undefined;
  readonly files: number | undefined;
  readonly ms: number;
  readonly reason: string | undefined;
}
