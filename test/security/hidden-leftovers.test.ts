/**
 * Nothing hidden, no link and no foreign directory may be left at the top of the plugin root: the portal's scanner loads a hidden
 * directory that has a package.json, and a dangling link crashes it (docs/plugins.md).
 */
import { lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import { systemError, watchedFiles } from '../support/faulty-files.ts';
import { stageRun, type StageRun } from '../support/stage-run.ts';
import { topLevel, volumeState } from '../support/volume-state.ts';

const PLUGIN = (version: string): StageRun['plugins'][number] => ({ dir: 'acme-a', version });
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'leftovers-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** What the scanner stumbles over. */
function obstacles(allowed: readonly string[]): readonly string[] {
  return topLevel(root).filter((name) => {
    const stat = lstatSync(join(root, name));
    return name.startsWith('.') || stat.isSymbolicLink() || (stat.isDirectory() && !allowed.includes(name));
  });
}

test('a hidden plugin that the scanner would load is gone after a run', async () => {
  mkdirSync(join(root, '.evil/dist'), { recursive: true });
  writeFileSync(
    join(root, '.evil/package.json'),
    JSON.stringify({ name: 'evil', backstage: { role: 'backend-plugin' } }),
  );
  const { committed } = await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
  expect(committed.removed).toEqual(['.evil']);
  expect(obstacles(['acme-a'])).toEqual([]);
});

test('leftovers of other installers are gone after a run', async () => {
  await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
  mkdirSync(join(root, 'plugin-of-another-installer'));
  mkdirSync(join(root, '.tmp-extract'));
  mkdirSync(join(root, '@acme/plugin'), { recursive: true });
  mkdirSync(join(root, 'node_modules/x'), { recursive: true });
  symlinkSync('/nonexistent', join(root, 'dangling'));
  symlinkSync('acme-a', join(root, 'alias'));
  writeFileSync(join(root, 'install-dynamic-plugins.lock'), '');
  await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
  expect(obstacles(['acme-a'])).toEqual([]);
});

test('scratch of killed runs is gone after a run, however it got there', async () => {
  const working = join(root, '.portal-plugins');
  for (const name of ['wait-1', 'gone-2', 'lock/not-a-run', 'anything/deep'])
    mkdirSync(join(working, name), { recursive: true });
  await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
  expect(obstacles(['acme-a'])).toEqual([]);
});

describe('a run that ends without success leaves nothing of its own', () => {
  const cases: readonly (readonly [string, Partial<StageRun>, string])[] = [
    ['whose commit fails', { files: failAtLedger }, 'CommitFailed'],
    ['that is aborted while it holds the lock', aborted(), 'Terminated'],
    [
      'that was aborted before it began',
      { signal: AbortSignal.abort(new InstallError('Interrupted', 'stop')) },
      'Interrupted',
    ],
    ['whose plugin fails', { whileHeld: () => throwing(new InstallError('PathEscape', 'x')) }, 'PathEscape'],
  ];

  test.each(cases)('%s', async (_, run, reason) => {
    await stageRun({ root, plugins: [PLUGIN('1.0.0')] });
    const before = volumeState(root);
    await expect(stageRun({ root, plugins: [PLUGIN('2.0.0')], ...run })).rejects.toMatchObject({ reason });
    expect(volumeState(root)).toEqual(before);
  });

  test('that gives up waiting leaves only the holder’s working directory', async () => {
    await stageRun({
      root,
      plugins: [PLUGIN('1.0.0')],
      async whileHeld() {
        const working = topLevel(join(root, '.portal-plugins'));
        const late = stageRun({ root, plugins: [], patienceMs: 1 });
        await expect(late).rejects.toMatchObject({ reason: 'LockBusy' });
        expect(topLevel(join(root, '.portal-plugins'))).toEqual(working);
      },
    });
    expect(obstacles(['acme-a'])).toEqual([]);
  });
});

type Files = Parameters<NonNullable<StageRun['files']>>[0];

function failAtLedger(files: Files): Files {
  return watchedFiles(files, ({ call, path }) => {
    if (call === 'rename' && path.endsWith('new/portal-plugins.json')) throw systemError('EIO');
  });
}

function aborted(): Partial<StageRun> {
  const controller = new AbortController();
  return { signal: controller.signal, whileHeld: () => controller.abort(new InstallError('Terminated', 'stop')) };
}

function throwing(error: Error): never {
  throw error;
}
