import type { Clock } from '../core/context.ts';

/** Somewhere text goes: stdout, or a buffer in tests. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** The machine a command runs on, handed down by `main.ts`; nothing below it reads globals. */
export interface Machine {
  readonly clock: Clock;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly cwd: string;
  /** Aborts with `Terminated`, `Interrupted` or a bug as its reason. */
  readonly signal: AbortSignal;
  /** Version of this program. */
  readonly version: string;
  /** Called when a new set is in place: from then on a signal no longer decides the exit code. */
  onCommitted(): void;
}
