import { errorCode, InstallError } from '../core/errors.ts';
import type { Reason } from '../core/reasons.ts';
import type { AbsPath } from '../core/types.ts';

/** libuv has no name for it: `code` then reads "Unknown system error -122". Linux, errno(3). */
const EDQUOT = -122;

/** What to do where the reason's general fix would mislead. */
const FIXES: Readonly<Record<string, string>> = {
  EMFILE: 'raise the limit of open files (RLIMIT_NOFILE) or lower PORTAL_PLUGINS_CONCURRENCY',
  ENFILE: 'the node has no file handles left: look for what holds them',
  EFBIG: 'raise the limit of the file size (RLIMIT_FSIZE) or use a file system that stores larger files',
  EIO: 'the volume reports input/output errors: replace it',
  ESTALE: 'the network volume lost the directory: check the file server',
  ENOENT: 'something removed the working directory during the run: only one installer may use the volume',
  EEXIST: 'something writes to the working directory: only one installer may use the volume',
};

const REASONS_OF: Readonly<Record<string, Reason>> = {
  ENOSPC: 'VolumeFull',
  EDQUOT: 'VolumeFull',
  EROFS: 'VolumeNotWritable',
  EACCES: 'VolumeNotWritable',
  EPERM: 'VolumeNotWritable',
};

/**
 * An error of the scratch file as a reason, by its code: VolumeFull, VolumeNotWritable, else CommitFailed with the code and a fix of its
 * own. Anything without a code is a bug (`Internal`).
 */
export function storageError(thrown: unknown, path: AbsPath): InstallError {
  const code = isQuota(thrown) ? 'EDQUOT' : errorCode(thrown);
  if (code === undefined)
    return new InstallError('Internal', `the archive could not be written to ${path}`, { cause: thrown });
  const fix = FIXES[code];
  return new InstallError(REASONS_OF[code] ?? 'CommitFailed', `the archive could not be written to ${path} (${code})`, {
    details: { path, code, ...(fix === undefined ? {} : { fix }) },
    cause: thrown,
  });
}

function isQuota(thrown: unknown): boolean {
  return typeof thrown === 'object' && thrown !== null && 'errno' in thrown && thrown.errno === EDQUOT;
}
