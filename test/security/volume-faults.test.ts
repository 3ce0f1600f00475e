/** What the volume and the environment of the process may do to unpacking. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, type TestContext } from 'vitest';
import { unpackArchives } from '../../installer/archive/index.ts';
import { InstallError } from '../../installer/core/errors.ts';
import type { AbsPath } from '../../installer/core/types.ts';
import { testContext } from '../support/context.ts';
import { directory, file, hardlink, tgz } from '../support/tar-builder.ts';
import { unpackInProcess } from '../support/unpack-process.ts';
import { fetched, temporaryDirectory } from '../support/unpacking.ts';
import { volumeState } from '../support/volume-state.ts';
import { asUnprivileged } from '../support/unprivileged.ts';

const archive = tgz(
  directory('package/d/'),
  file('package/d/a', 'x'),
  file('package/run', 'x', { mode: 0o755 }),
  hardlink('package/again', 'package/run'),
  file('package/large', Buffer.alloc(300_000, 'large')),
);

async function unpackInto(into: string, bytes: Buffer): Promise<InstallError | 'ok'> {
  const path = join(temporaryDirectory(), 'archive');
  writeFileSync(path, bytes);
  const input = {
    archives: [fetched(path, bytes.length)],
    layout: 'package',
    wanted: [undefined],
    into: into as AbsPath,
  } as const;
  try {
    await unpackArchives(input, testContext());
    return 'ok';
  } catch (error) {
    if (error instanceof InstallError) return error;
    throw error;
  }
}

const modes = async (prelude: string): Promise<readonly string[]> => {
  const { reason, state } = await unpackInProcess(archive, { prelude });
  expect(reason).toBe('ok');
  return Object.entries(state).map(([path, shown]) => `${path} ${shown.split(' ').slice(0, 2).join(' ')}`);
};

describe('modes are exact', () => {
  const expected = ['again file 0755', 'd dir 0755', 'd/a file 0644', 'large file 0644', 'run file 0755'];

  test.each(['umask 000', 'umask 002', 'umask 022', 'umask 077', 'umask 777'])('under %s', async (prelude) => {
    expect(await modes(prelude)).toEqual(expected);
  });

  test('below a set-gid directory, as fsGroup makes volumes', async () => {
    const into = temporaryDirectory();
    chmodSync(into, 0o2775);
    expect(await unpackInto(into, archive)).toBe('ok');
    expect(statSync(join(into, 'd')).mode & 0o7777).toBe(0o755);
    expect(statSync(join(into, 'd', 'a')).mode & 0o7777).toBe(0o644);
  });
});

test('times and owners of the archive are not taken over', async () => {
  const into = temporaryDirectory();
  const before = Date.now() - 5000;
  expect(await unpackInto(into, archive)).toBe('ok');
  expect(statSync(join(into, 'run')).mtimeMs).toBeGreaterThan(before);
  expect(statSync(join(into, 'run')).uid).toBe(process.getuid?.());
});

test('a write that fails in the middle fails the plugin and leaves nothing', async () => {
  // A file-size limit of 128 KiB: the kernel cuts the write short, then says EFBIG.
  const { reason, details, state } = await unpackInProcess(archive, { prelude: 'ulimit -f 256' });
  expect({ reason, code: details?.['code'], path: details?.['path'] }).toEqual({
    reason: 'CommitFailed',
    code: 'EFBIG',
    path: '"large"',
  });
  expect(state).toEqual({});
});

test('too many open files are an error of the plugin, not of the process', async () => {
  const { reason } = await unpackInProcess(archive, { prelude: 'ulimit -n 64' });
  expect(reason).toBe('ok'); // one file at a time: even 64 descriptors are enough
});

/** Path of a small tmpfs; skips the test, saying why, where none can be mounted. */
function mountSmall(context: TestContext, options: string): string {
  const path = mkdtempSync(join(tmpdir(), 'small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    return context.skip(`cannot mount a tmpfs: ${String(error).split('\n')[0]}`);
  }
  onTestFinished(() => {
    execFileSync('umount', [path]);
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

test('a full volume is VolumeFull, wherever it happens, and what was written is removed', async (context) => {
  const large = tgz(...Array.from({ length: 40 }, (_, index) => file(`package/${index}`, Buffer.alloc(50_000, index))));
  const mounted = mountSmall(context, 'size=1m');
  const into = join(mounted, 'tree');
  mkdirSync(into);
  const error = await unpackInto(into, large);
  expect(error).toMatchObject({ reason: 'VolumeFull', exit: 74, details: { code: 'ENOSPC' } });
  expect(volumeState(into)).toEqual({});
});

test('a volume without inodes is VolumeFull', async (context) => {
  const mounted = mountSmall(context, 'size=8m,nr_inodes=20');
  const many = tgz(...Array.from({ length: 40 }, (_, index) => file(`package/d${index}/x`)));
  expect(await unpackInto(mounted, many)).toMatchObject({ reason: 'VolumeFull' });
});

test('a read-only volume is VolumeNotWritable', async (context) => {
  const mounted = mountSmall(context, 'size=1m,ro');
  expect(await unpackInto(mounted, archive)).toMatchObject({
    reason: 'VolumeNotWritable',
    exit: 73,
    details: { code: 'EROFS' },
  });
});

test('a directory that is not ours to write is VolumeNotWritable', async () => {
  const into = temporaryDirectory();
  chmodSync(into, 0o555);
  expect(await asUnprivileged(() => unpackInto(into, archive))).toMatchObject({
    reason: 'VolumeNotWritable',
    details: { code: 'EACCES' },
  });
});

test('an archive that vanished is an error of the volume', async () => {
  const input = {
    archives: [fetched('/nonexistent/archive', 1)],
    layout: 'package',
    wanted: [undefined],
    into: temporaryDirectory(),
  } as const;
  await expect(unpackArchives(input, testContext())).rejects.toMatchObject({
    reason: 'CommitFailed',
    details: { code: 'ENOENT' },
  });
});
