/** The stage layer on real volumes: full, read-only, of another user, mounted in all ways Kubernetes mounts (docs/testing.md). */
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import { openVolume } from '../../installer/stage/volume.ts';
import { mountBind, mountObstacle, mountTmpfs } from '../support/mounts.ts';
import { stageProcess } from '../support/stage-process.ts';
import { STAGE, stageRun } from '../support/stage-run.ts';
import { topLevel, volumeState } from '../support/volume-state.ts';

if (mountObstacle !== undefined) process.stdout.write(`skipped, ${mountObstacle}: tests with real mounts\n`);
const onMounts = describe.skipIf(mountObstacle !== undefined);

const NOBODY = 65_532;
const PLUGIN = (version: string, bytes = 10): Parameters<typeof stageRun>[0]['plugins'][number] => ({
  dir: 'acme-a',
  version,
  files: { 'dist/big.js': version.padEnd(bytes, 'x') },
});
const OUTPUTS = (text: string): { name: string; content: string }[] => [
  { name: 'app-config.dynamic-plugins.yaml', content: text },
];

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'volumes-'));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

onMounts('a full volume', () => {
  test('keeps the previous set byte for byte, wherever the space runs out', async () => {
    using volume = mountTmpfs('size=2m');
    const root = volume.path;
    await stageRun({ root, plugins: [PLUGIN('1.0.0', 300_000)], outputs: OUTPUTS('a: 1\n') });
    const before = volumeState(root);
    const reasons = new Set<string>();
    // From no free page to just enough, page by page at the end: the lock, scratch, set-level files, journal, moves.
    for (let free = 0; free <= 140; free += free < 40 ? 1 : 10) {
      const ballast = join(root, 'ballast');
      fill(ballast, root, free);
      const outcome = await stageRun({ root, plugins: [PLUGIN('2.0.0', 300_000)], outputs: OUTPUTS('a: 2\n') }).then(
        () => 'ok',
        (thrown: unknown) => (thrown instanceof InstallError ? thrown.reason : fullDisk(thrown)),
      );
      rmSync(ballast);
      reasons.add(outcome);
      if (outcome === 'ok') break;
      expect(volumeState(root), `${free} pages free`).toEqual(before);
    }
    expect([...reasons].toSorted()).toEqual(['VolumeFull', 'ok']);
  });

  test('is taken over from a dead run that filled it', async () => {
    using volume = mountTmpfs('size=2m');
    const root = volume.path;
    await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
    const dead = stageRun({
      root,
      plugins: [],
      owner: { processStart: '1' },
      whileHeld(locked) {
        fill(join(locked.scratch, 'archive-0'), root, 0);
        throw new Error('killed');
      },
      files: (files) => ({
        ...files,
        remove: () => refuse(),
        removeDirectory: () => refuse(),
        rename: renameOnce((from, to) => files.rename(from, to)),
      }),
    });
    await expect(dead).rejects.toThrow('killed');
    expect(statfsSync(root).bfree).toBe(0);
    const { found } = await stageRun({ root, plugins: [PLUGIN('2.0.0', 300_000)] });
    expect(found).toBe('scratch');
    expect(topLevel(root)).toEqual(['acme-a', 'portal-plugins.json']);
  });

  test('reports no free space when it is opened', async () => {
    using volume = mountTmpfs('size=2m');
    fill(join(volume.path, 'ballast'), volume.path, 3);
    const { freeBytes, totalBytes } = await openVolume(volume.path, STAGE, 'read');
    expect([freeBytes, totalBytes]).toEqual([3 * 4096, 2 * 1024 * 1024]);
  });

  test('is VolumeFull as well when inodes run out', async () => {
    using volume = mountTmpfs('size=2m,nr_inodes=12');
    await expect(stageRun({ root: volume.path, plugins: [], outputs: [] })).resolves.toBeDefined();
    const full = stageRun({ root: volume.path, plugins: [], outputs: many(12) });
    await expect(full).rejects.toMatchObject({ reason: 'VolumeFull' });
    expect(topLevel(volume.path)).toEqual(['portal-plugins.json']);
  });
});

onMounts('a read-only volume', () => {
  test('is VolumeNotWritable, and can still be opened for reading', async () => {
    using volume = mountTmpfs('size=1m');
    volume.remount('ro');
    await expect(openVolume(volume.path, STAGE, 'write')).rejects.toMatchObject({
      reason: 'VolumeNotWritable',
      details: { code: 'EROFS', fix: expect.stringContaining('readOnly') },
    });
    await expect(openVolume(volume.path, STAGE, 'read')).resolves.toMatchObject({ fileSystem: 'tmpfs' });
  });

  test('keeps its set when it turns read-only during the commit, and the next run repairs it', async () => {
    using volume = mountTmpfs('size=1m');
    const root = volume.path;
    await stageRun({ root, plugins: [PLUGIN('1.0.0')], outputs: OUTPUTS('a: 1\n') });
    const before = volumeState(root);
    const attempt = stageRun({
      root,
      plugins: [PLUGIN('2.0.0')],
      outputs: OUTPUTS('a: 2\n'),
      owner: { processStart: '1' },
      files: (files) => ({
        ...files,
        rename(from, to) {
          if (to.endsWith('portal-plugins.json')) volume.remount('ro');
          files.rename(from, to);
        },
      }),
    });
    await expect(attempt).rejects.toMatchObject({ reason: 'CommitFailed', details: { code: 'EROFS' } });
    volume.remount('rw');
    const { found } = await stageRun({ root, plugins: [PLUGIN('1.0.0')], outputs: OUTPUTS('a: 1\n') });
    expect(found).toBe('undone');
    expect(volumeState(root)).toEqual(before);
  });
});

onMounts('the root as a mount', () => {
  test('on a bind mount of a subdirectory is staged like any other', async () => {
    const source = join(base, 'pvc/sub');
    const root = join(base, 'root');
    mkdirSync(source, { recursive: true });
    mkdirSync(root);
    using _ = mountBind(source, root);
    await stageRun({ root, plugins: [PLUGIN('1.0.0')], outputs: OUTPUTS('a: 1\n') });
    await stageRun({ root, plugins: [PLUGIN('2.0.0')], outputs: OUTPUTS('a: 2\n') });
    expect(topLevel(source)).toEqual(['acme-a', 'app-config.dynamic-plugins.yaml', 'portal-plugins.json']);
  });

  test('leaves a directory alone that somebody mounted below it', async () => {
    using volume = mountTmpfs('size=1m');
    const root = volume.path;
    mkdirSync(join(root, 'mounted'));
    using _ = mountBind(base, join(root, 'mounted'));
    const { committed } = await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
    expect(committed.removed).toEqual([]);
    expect(topLevel(root)).toEqual(['acme-a', 'mounted', 'portal-plugins.json']);
  });

  test('keeps the previous set when a mount is in the place of a plugin', async () => {
    using volume = mountTmpfs('size=1m');
    const root = volume.path;
    mkdirSync(join(root, 'acme-a'));
    using _ = mountBind(base, join(root, 'acme-a'));
    const before = volumeState(root);
    await expect(stageRun({ root, plugins: [PLUGIN('1.0.0')] })).rejects.toMatchObject({
      reason: 'CommitFailed',
      details: { code: 'EBUSY' },
    });
    expect(volumeState(root)).toEqual(before);
  });

  test('on memory is not fsynced by default, on a disk it is', async () => {
    using volume = mountTmpfs('size=1m');
    const auto = { ...STAGE, fsync: 'auto' } as const;
    await expect(openVolume(volume.path, auto, 'read')).resolves.toMatchObject({ isSynced: false });
    await expect(openVolume(volume.path, { ...auto, fsync: 'on' }, 'read')).resolves.toMatchObject({ isSynced: true });
  });

  test('is taken as it is after kubelet applied fsGroup: nothing is staged again', async () => {
    using volume = mountTmpfs('size=1m');
    const root = volume.path;
    await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
    applyFsGroup(root);
    const { committed } = await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
    expect(committed.staged.map(({ change }) => change)).toEqual(['cached']);
  });
});

const asRoot = describe.skipIf(process.getuid?.() !== 0);
if (process.getuid?.() !== 0) process.stdout.write('skipped, only root may become another user: tests as uid 65532\n');

asRoot('another user', () => {
  let root: string;
  beforeEach(() => {
    chmodSync(base, 0o755);
    root = join(base, 'root');
    mkdirSync(root);
  });

  test('without write permission gets VolumeNotWritable with its ids and the remedy', async () => {
    const exit = await stageProcess({ root: root, plugins: [], uid: NOBODY });
    expect(exit).toMatchObject({
      code: 73,
      report: { reason: 'VolumeNotWritable', details: { uid: NOBODY, gid: NOBODY, code: 'EACCES' } },
    });
    expect(exit.report.details?.['fix']).toContain(`fsGroup: ${NOBODY}`);
    expect(topLevel(root)).toEqual([]);
  });

  test('with a group-writable root, as fsGroup makes it, stages like the owner', async () => {
    chownSync(root, 0, NOBODY);
    chmodSync(root, 0o2775);
    const exit = await stageProcess({ root: root, plugins: [PLUGIN('1.0.0')], uid: NOBODY });
    expect(exit).toMatchObject({ code: 0 });
    expect(topLevel(root)).toEqual(['acme-a', 'portal-plugins.json']);
    expect(volumeState(root)['acme-a']).toBe('dir 0755');
  });

  test('cannot move a foreign directory, says whose path it is, and leaves everything as it was', async () => {
    chownSync(root, NOBODY, NOBODY);
    mkdirSync(join(root, 'foreign/dist'), { recursive: true });
    writeFileSync(join(root, 'foreign/dist/x'), '');
    const before = volumeState(root);
    const exit = await stageProcess({ root: root, plugins: [PLUGIN('1.0.0')], uid: NOBODY });
    expect(exit).toMatchObject({
      code: 73,
      report: { reason: 'VolumeNotWritable', details: { path: join(root, 'foreign') } },
    });
    expect(volumeState(root)).toEqual(before);
  });
});

test('a copied volume (a restored snapshot) is kept after its content was hashed', async () => {
  const root = join(base, 'root');
  mkdirSync(root);
  await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
  const copy = join(base, 'copy');
  cpSync(root, copy, { recursive: true });
  const { committed } = await stageRun({ root: copy, plugins: [PLUGIN('1.0.0')] });
  expect(committed.staged.map(({ change }) => change)).toEqual(['cached']);
});

test('fsync of everything changes nothing about the result', async () => {
  const roots = ['off', 'on'].map((name) => join(base, name));
  for (const root of roots) {
    mkdirSync(root);
    await stageRun({
      root,
      plugins: [PLUGIN('1.0.0')],
      outputs: OUTPUTS('a: 1\n'),
      settings: { fsync: root.endsWith('on') ? 'on' : 'off' },
    });
  }
  const [off, on] = roots.map((root) => volumeState(root, ['portal-plugins.json']));
  expect(on).toEqual(off);
});

/** Takes all free pages of a small tmpfs but `freePages`. */
function fill(path: string, root: string, freePages: number): void {
  const { bfree, bsize } = statfsSync(root);
  writeFileSync(path, Buffer.alloc(Math.max(0, bfree - freePages) * bsize));
}

/** Unpacking into a full volume fails before the stage layer is asked: the test's own writes. */
function fullDisk(thrown: unknown): string {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
  return code === 'ENOSPC' ? 'VolumeFull' : String(thrown);
}

function many(count: number): { name: string; content: string }[] {
  return Array.from({ length: count }, (_, index) => ({ name: `output-${index}.yaml`, content: 'x' }));
}

/** What kubelet does to every file of a PVC at mount time: owner, group bits, set-group-id on directories. */
function applyFsGroup(root: string): void {
  for (const [path, text] of Object.entries(volumeState(root))) {
    const file = join(root, path);
    chownSync(file, 0, NOBODY);
    chmodSync(file, text.startsWith('dir') ? 0o2775 : 0o664);
  }
}

function refuse(): never {
  throw Object.assign(new Error('EIO: frozen'), { code: 'EIO' });
}

/** The rename that takes the lock still works; the one that gives it up does not. */
function renameOnce(rename: (from: string, to: string) => void): (from: string, to: string) => void {
  let isUsed = false;
  return (from, to) => {
    if (isUsed) refuse();
    isUsed = true;
    rename(from, to);
  };
}
