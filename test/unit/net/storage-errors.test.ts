import { expect, test } from 'vitest';
import type { AbsPath } from '../../../installer/core/types.ts';
import { storageError } from '../../../installer/net/storage-errors.ts';

const PATH = '/scratch/archive-0' as AbsPath;

test.each([
  ['ENOSPC', 'VolumeFull'],
  ['EROFS', 'VolumeNotWritable'],
  ['EACCES', 'VolumeNotWritable'],
  ['EPERM', 'VolumeNotWritable'],
  ['EIO', 'CommitFailed'],
  ['EMFILE', 'CommitFailed'],
  ['EFBIG', 'CommitFailed'],
  ['EEXIST', 'CommitFailed'],
])('%s is %s with path and code', (code, reason) => {
  const cause = Object.assign(new Error('x'), { code });
  expect(storageError(cause, PATH)).toMatchObject({
    reason,
    cause,
    details: { path: PATH, code },
    transient: undefined,
  });
});

test('a quota is VolumeFull although Node has no name for it', () => {
  const cause = Object.assign(new Error('x'), { code: 'Unknown system error -122', errno: -122 });
  expect(storageError(cause, PATH)).toMatchObject({ reason: 'VolumeFull', details: { code: 'EDQUOT' } });
});

test.each(['EMFILE', 'EFBIG', 'EIO'])('%s has a fix of its own', (code) => {
  const error = storageError(Object.assign(new Error('x'), { code }), PATH);
  expect(error.details['fix']).toBeTypeOf('string');
});

test('what is no system error is a bug', () => {
  expect(storageError(new TypeError('x'), PATH).reason).toBe('Internal');
});
