/** System errors of the volume → reasons, once and by number, never by text. */
import { errorCode, InstallError, type ErrorDetails } from '../core/errors.ts';
import type { Reason } from '../core/reasons.ts';

/** EDQUOT: libuv has no name for it. */
const EDQUOT = 122;

const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS']);

/** True when the volume, a quota or its inodes are used up. */
export function isVolumeFull(thrown: unknown): boolean {
  return errorCode(thrown) === 'ENOSPC' || errorNumber(thrown) === EDQUOT;
}

/**
 * What a failed file operation means: VolumeFull, VolumeNotWritable, else CommitFailed. InstallErrors pass unchanged. `doing` says what
 * was tried (`put the new set in place`).
 */
export function stageError(thrown: unknown, doing: string, details: ErrorDetails = {}): InstallError {
  if (thrown instanceof InstallError) return thrown;
  const code = errorCode(thrown);
  if (code === undefined && errorNumber(thrown) === undefined) return asBug(thrown);
  const text = `could not ${doing}: ${describe(thrown)}`;
  return new InstallError(reasonOf(thrown), text, {
    details: { code, ...exactFix(thrown), ...details },
    cause: thrown,
  });
}

/** One refused path below a writable root is a foreign one: another user's directory can be neither moved nor removed. */
function exactFix(thrown: unknown): ErrorDetails {
  const code = errorCode(thrown);
  if ((code !== 'EACCES' && code !== 'EPERM') || !isObject(thrown) || typeof thrown['path'] !== 'string') return {};
  const path = thrown['path'];
  return { path, fix: `let uid ${process.getuid?.() ?? -1} own ${path}, or remove it from the volume` };
}

function reasonOf(thrown: unknown): Reason {
  if (isVolumeFull(thrown)) return 'VolumeFull';
  return DENIED.has(errorCode(thrown) ?? '') ? 'VolumeNotWritable' : 'CommitFailed';
}

/** Node's own text names the call and the paths: `ENOSPC: no space left on device, write`. */
function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function asBug(thrown: unknown): InstallError {
  return new InstallError('Internal', describe(thrown), { cause: thrown });
}

function errorNumber(thrown: unknown): number | undefined {
  return isObject(thrown) && typeof thrown['errno'] === 'number' ? Math.abs(thrown['errno']) : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
