import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { frozenFrom, systemError, watchedFiles } from '../../support/faulty-files.ts';
import { stageRun, type StageRun } from '../../support/stage-run.ts';
import { topLevel, volumeState } from '../../support/volume-state.ts';

const A1 = { dir: 'acme-a', version: '1.0.0' };
const A2 = { dir: 'acme-a', version: '2.0.0' };
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'recover-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A run that dies ahead of the first step for which `isLast` holds. */
async function dies(isLast: (call: string, path: string) => boolean, plugins: StageRun['plugins']): Promise<void> {
  const files: StageRun['files'] = (files) => {
    let isDead = false;
    return watchedFiles(files, ({ call, path }) => {
      isDead ||= isLast(call, path);
      if (isDead) throw systemError('EIO');
    });
  };
  await stageRun({ root, plugins, files, owner: { processStart: '1' } }).catch(() => undefined);
  expect(topLevel(root)).toContain('.portal-plugins');
}

const isLedgerRename = (call: string, path: string): boolean =>
  call === 'rename' && path.endsWith('new/portal-plugins.json');

test('nothing to repair is nothing to mention', async () => {
  const { found, events } = await stageRun({ root, plugins: [A1] });
  expect(found).toBe('nothing');
  expect(events).toEqual([]);
});

test('scratch of a run that died before its journal is removed, and mentioned', async () => {
  await dies((_, path) => path.endsWith('journal.tmp'), [A1]);
  const { found, events } = await stageRun({ root, plugins: [] });
  expect(found).toBe('scratch');
  expect(events).toMatchObject([{ event: 'note', level: 'info' }]);
  expect(topLevel(root)).toEqual(['portal-plugins.json']);
});

test('moves of a run that died before its commit point are taken back', async () => {
  await stageRun({ root, plugins: [A1] });
  const before = volumeState(root);
  await dies(isLedgerRename, [A2]);
  expect(volumeState(root)).not.toEqual(before);
  const { found } = await stageRun({ root, plugins: [A1] });
  expect(found).toBe('undone');
  expect(volumeState(root)).toEqual(before);
});

test('the set of a run that died after its commit point stays', async () => {
  await stageRun({ root, plugins: [A1] });
  await dies((call, path) => call === 'remove' && path.endsWith('journal.json'), [A2]);
  const { found, committed } = await stageRun({ root, plugins: [A2] });
  expect(found).toBe('committed');
  expect(committed.staged.map(({ change }) => change)).toEqual(['cached']);
});

test('a run that died while it removed its scratch after giving up the lock blocks nobody', async () => {
  await dies((call, path) => call === 'remove' && path.includes('/gone-'), [A1]);
  const { found, committed } = await stageRun({ root, plugins: [A1] });
  expect(found).toBe('scratch');
  expect(committed.staged.map(({ change }) => change)).toEqual(['cached']);
  expect(topLevel(root)).toEqual(['acme-a', 'portal-plugins.json']);
});

test('a journal that cannot be read is dropped, and every plugin is checked', async () => {
  await stageRun({ root, plugins: [A1] });
  await dies(isLedgerRename, [A2]);
  const [holder = ''] = readdirSync(join(root, '.portal-plugins/lock'));
  writeFileSync(join(root, '.portal-plugins/lock', holder, 'journal.json'), '');
  const { found, committed } = await stageRun({ root, plugins: [A1] });
  expect(found).toBe('unreadable');
  expect(committed.staged.map(({ change }) => change)).toEqual(['installed']);
  expect(topLevel(root)).toEqual(['acme-a', 'portal-plugins.json']);
});

test('a repair that fails is reported, leaves the journal, and is finished by the next run', async () => {
  await stageRun({ root, plugins: [A1] });
  const before = volumeState(root);
  await dies(isLedgerRename, [A2]);
  const frozen = { root, plugins: [A1], files: (files: Files) => frozenFrom(files, 5) };
  await expect(stageRun({ ...frozen, owner: { processStart: '1' } })).rejects.toMatchObject({
    reason: 'CommitFailed',
    details: { code: 'EIO' },
  });
  const { found } = await stageRun({ root, plugins: [A1] });
  expect(found).toBe('undone');
  expect(volumeState(root)).toEqual(before);
});

test('scratch that cannot be removed is a warning of a run that has succeeded', async () => {
  const { notice } = await stageRun({ root, plugins: [A1], files: busyScratch });
  expect(notice).toMatchObject({ reason: 'CleanupFailed', details: { code: 'EBUSY' } });
  await stageRun({ root, plugins: [A1] });
  expect(topLevel(root)).toEqual(['acme-a', 'portal-plugins.json']);
});

test('a set whose durability is in doubt keeps its journal, and the next run finds it complete', async () => {
  const { notice } = await stageRun({
    root,
    plugins: [A1],
    files: syncFailsAfterCommit,
    settings: { fsync: 'on' },
    owner: { processStart: '1' },
  });
  expect(notice).toMatchObject({ reason: 'CleanupFailed', details: { code: 'EIO' } });
  const { found, committed } = await stageRun({ root, plugins: [A1] });
  expect(found).toBe('committed');
  expect(committed.staged.map(({ change }) => change)).toEqual(['cached']);
  expect(topLevel(root)).toEqual(['acme-a', 'portal-plugins.json']);
});

test('a committed set stays when its ledger cannot be read back', async () => {
  await stageRun({ root, plugins: [A1] });
  const { notice } = await stageRun({ root, plugins: [A2], files: ledgerIsLost, owner: { processStart: '1' } });
  expect(notice).toMatchObject({ reason: 'CleanupFailed', details: { code: 'EIO' } });
  const { found, committed } = await stageRun({ root, plugins: [A2] });
  expect(found).toBe('committed');
  expect(committed.staged.map(({ change }) => change)).toEqual(['cached']);
});

test('a committed set stays however long a text in its ledger is', async () => {
  const long = { dir: 'acme-a', version: `1.0.0-${'x'.repeat(20_000)}` };
  await stageRun({ root, plugins: [long] });
  expect(topLevel(root)).toEqual(['acme-a', 'portal-plugins.json']);
  const { committed } = await stageRun({ root, plugins: [long] });
  expect(committed.staged.map(({ change }) => change)).toEqual(['cached']);
});

test('a set whose ledger would be too large to be read again is not committed', async () => {
  await stageRun({ root, plugins: [A1] });
  const before = volumeState(root);
  const plugins = [{ dir: 'acme-a', version: 'x'.repeat(33 * 1024 * 1024), files: { 'dist/deep/er/file.txt': '' } }];
  await expect(stageRun({ root, plugins })).rejects.toMatchObject({
    reason: 'CommitFailed',
    details: { limit: 32 * 1024 * 1024 },
  });
  expect(volumeState(root)).toEqual(before);
});

test('directories closed to their owner are removed as well', async () => {
  mkdirSync(join(root, 'foreign/closed/deep'), { recursive: true });
  mkdirSync(join(root, 'foreign/closed/deep/x'), 0o500);
  const { committed, notice } = await stageRun({ root, plugins: [] });
  expect(committed.removed).toEqual(['foreign']);
  expect(notice).toBeUndefined();
  expect(topLevel(root)).toEqual(['portal-plugins.json']);
});

type Files = Parameters<NonNullable<StageRun['files']>>[0];

function busyScratch(files: Files): Files {
  return watchedFiles(files, ({ call, path }) => {
    if (call === 'remove' && path.includes('/gone-')) throw systemError('EBUSY');
  });
}

function syncFailsAfterCommit(files: Files): Files {
  return watchedFiles(files, ({ call, path }) => {
    if (call === 'sync' && path === root && topLevel(root).includes('portal-plugins.json')) throw systemError('EIO');
  });
}

function ledgerIsLost(files: Files): Files {
  let isCommitted = false;
  return {
    ...files,
    rename(from, to) {
      files.rename(from, to);
      isCommitted ||= isLedgerRename('rename', from);
    },
    read(path, maxBytes) {
      if (isCommitted && path === join(root, 'portal-plugins.json')) throw systemError('EIO');
      return files.read(path, maxBytes);
    },
  };
}
