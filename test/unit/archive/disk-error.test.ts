import { expect, test } from 'vitest';
import { diskError } from '../../../installer/archive/disk-error.ts';
import { InstallError } from '../../../installer/core/errors.ts';

test.each([
  ['ENOSPC', -28, 'VolumeFull', 74],
  ['Unknown system error -122', -122, 'VolumeFull', 74], // EDQUOT, as Node shows it
  ['EROFS', -30, 'VolumeNotWritable', 73],
  ['EACCES', -13, 'VolumeNotWritable', 73],
  ['EPERM', -1, 'VolumeNotWritable', 73],
  ['EEXIST', -17, 'PathCollision', 65],
  ['ENAMETOOLONG', -36, 'PathTooDeep', 65],
  ['EIO', -5, 'CommitFailed', 73],
  ['EMFILE', -24, 'CommitFailed', 73],
])('%s (%i) is %s, exit %i', (code, errno, reason, exit) => {
  const cause = Object.assign(new Error('x'), { code, errno });
  const error = diskError(cause, 'write', 'a\nb');
  expect(error).toMatchObject({ reason, exit, cause, details: { path: '"a\\u000ab"' } });
  expect(error.details['code']).toBe(errno === -122 ? 'EDQUOT' : code);
});

test('an error without a code stays a bug, and one of ours stays itself', () => {
  expect(diskError(new TypeError('x'), 'write', 'a').reason).toBe('Internal');
  const own = new InstallError('LinkEscape', 'x');
  expect(diskError(own, 'write', 'a')).toBe(own);
});
