import { REASONS, type Reason } from './reasons.ts';

/** Facts about a failure, for logs and the termination message; never a secret, URLs redacted before they come here. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Set on failures that another attempt may cure; read only by `net/retry`. */
export interface Transient {
  /** Short machine-readable cause for the `plugin_retry` line: `ECONNRESET`, `503`, `body_idle_timeout`. */
  readonly code: string;
  /** Wait the server asked for (Retry-After), in milliseconds. */
  readonly retryAfterMs?: number;
}

export interface InstallErrorOptions {
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
  readonly transient?: Transient;
}

/**
 * The only error class. `reason` is a key of REASONS and decides everything programmatic; `message` is for people: what failed, on what,
 * expected and found, no capital, no full stop. `details.fix` overrides the reason's general fix with an exact one; `details.cause`
 * states why, where evidence shows it.
 */
export class InstallError extends Error {
  override readonly name = 'InstallError';
  readonly reason: Reason;
  readonly details: ErrorDetails;
  readonly transient: Transient | undefined;

  constructor(reason: Reason, message: string, options: InstallErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.details = options.details ?? {};
    this.transient = options.transient;
  }

  /** Exit code of this failure when it alone decides (docs/contracts.md, "Exit codes"). */
  get exit(): number {
    return REASONS[this.reason].exit;
  }

  /** The exact fix if the thrower knew one, else the reason's. */
  get fix(): string {
    const exact = this.details['fix'];
    return typeof exact === 'string' ? exact : REASONS[this.reason].fix;
  }
}

/** Turns anything thrown into an InstallError: unknown errors are bugs (`Internal`), never swallowed. */
export function asInstallError(thrown: unknown): InstallError {
  if (thrown instanceof InstallError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new InstallError('Internal', text, { cause: thrown });
}

/** The `code` of a system error (`ENOSPC`), or undefined. Decisions are made by code, never by message text. */
export function errorCode(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
