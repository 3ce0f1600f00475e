import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { accessError, openVolume } from '../../../installer/stage/volume.ts';
import type { AbsPath } from '../../../installer/core/types.ts';
import { systemError } from '../../support/faulty-files.ts';
import { STAGE } from '../../support/stage-run.ts';
import { topLevel } from '../../support/volume-state.ts';

let base: string;
let root: string;
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'volume-')));
  root = join(base, 'root');
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

test('a real directory opens, and stays as it is', async () => {
  mkdirSync(root);
  const volume = await openVolume(root, STAGE, 'write');
  expect(volume).toMatchObject({ root, isSynced: false });
  expect(volume.freeBytes).toBeGreaterThan(0);
  expect(volume.totalBytes).toBeGreaterThanOrEqual(volume.freeBytes);
  expect(topLevel(root)).toEqual([]);
});

test('a link above the root is resolved', async () => {
  mkdirSync(root);
  symlinkSync(base, join(base, 'parent'));
  await expect(openVolume(join(base, 'parent/root'), STAGE, 'read')).resolves.toMatchObject({ root });
});

describe('VolumeMissing, with the remedy, when the root', () => {
  test.each<[string, () => string]>([
    ['does not exist', () => root],
    ['is a file', () => fileRoot()],
    ['is below a file', () => join(fileRoot(), 'x')],
    ['is a link to a directory', () => linkRoot('.')],
    ['is a link to a directory, written with a slash', () => `${linkRoot('.')}/`],
    ['is a dangling link', () => linkRoot('nowhere')],
  ])('%s', async (_, make) => {
    const path = make();
    for (const mode of ['read', 'write'] as const) {
      await expect(openVolume(path, STAGE, mode)).rejects.toMatchObject({
        reason: 'VolumeMissing',
        details: { root: path.replace(/\/$/, ''), fix: expect.stringMatching(/mount/) },
      });
    }
  });
});

test('a link is named as what it is, because mounting a volume there would not help', async () => {
  await expect(openVolume(linkRoot('.'), STAGE, 'write')).rejects.toMatchObject({
    details: { fix: expect.stringContaining('real directory') },
  });
});

test.each([
  ['on', true],
  ['off', false],
] as const)('fsync %s is obeyed on any volume', async (fsync, isSynced) => {
  mkdirSync(root);
  await expect(openVolume(root, { ...STAGE, fsync }, 'read')).resolves.toMatchObject({ isSynced });
});

test.each([
  ['EROFS', 'VolumeNotWritable', 'readOnly'],
  ['EACCES', 'VolumeNotWritable', 'fsGroup'],
  ['EPERM', 'VolumeNotWritable', 'fsGroup'],
  ['ENOSPC', 'VolumeFull', 'raise the size'],
  ['EIO', 'CommitFailed', 'cause'],
] as const)('%s while writing is %s, and the fix speaks of %s', (code, reason, fix) => {
  const error = accessError('/dynamic-plugins-root' as AbsPath, systemError(code));
  expect(error.reason).toBe(reason);
  expect(error.fix).toContain(fix);
});

function fileRoot(): string {
  writeFileSync(root, '');
  return root;
}

function linkRoot(target: string): string {
  symlinkSync(target, root);
  return root;
}
