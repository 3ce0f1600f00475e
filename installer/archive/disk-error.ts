import { errorCode, InstallError } from '../core/errors.ts';
import type { Reason } from '../core/reasons.ts';
import { quote } from './path-policy.ts';

const REASON_OF: Readonly<Record<string, Reason>> = {
  ENOSPC: 'VolumeFull',
  EROFS: 'VolumeNotWritable',
  EACCES: 'VolumeNotWritable',
  EPERM: 'VolumeNotWritable',
  // A file system that folds names in a way we do not know: exclusive creation notices.
  EEXIST: 'PathCollision',
  ENAMETOOLONG: 'PathTooDeep',
};
/** Quota exceeded; Node has no name for it and says "Unknown system error -122". */
const EDQUOT = -122;

/** A failed file operation on scratch space as the reason it stands for, by its code; `what` is `write`, `create`, …, `path` foreign text. */
export function diskError(thrown: unknown, what: string, path: string): InstallError {
  if (thrown instanceof InstallError) return thrown;
  const code = errnoOf(thrown) === EDQUOT ? 'EDQUOT' : errorCode(thrown);
  // Without a code it is no system error, so it is a bug and must stay one.
  if (code === undefined) return new InstallError('Internal', `could not ${what} ${quote(path)}`, { cause: thrown });
  const reason = code === 'EDQUOT' ? 'VolumeFull' : (REASON_OF[code] ?? 'CommitFailed');
  return new InstallError(reason, `could not ${what} ${quote(path)} on disk: ${code}`, {
    cause: thrown,
    details: {
      path: quote(path),
      code,
      ...(reason === 'CommitFailed' ? { fix: 'look the code up; the volume may be failing' } : {}),
    },
  });
}

function errnoOf(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('errno' in thrown)) return undefined;
  return typeof thrown.errno === 'number' ? thrown.errno : undefined;
}
