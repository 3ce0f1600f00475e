import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import type { Ledger } from '../../../installer/core/types.ts';
import { stageRun, type StageRun } from '../../support/stage-run.ts';
import { systemError, watchedFiles, type Step } from '../../support/faulty-files.ts';
import { topLevel, volumeState } from '../../support/volume-state.ts';

const APP_CONFIG = 'app-config.dynamic-plugins.yaml';
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stage-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const run = (rest: Omit<StageRun, 'root'>): ReturnType<typeof stageRun> => stageRun({ root, ...rest });
const A1 = { dir: 'acme-a', version: '1.0.0' };
const A2 = { dir: 'acme-a', version: '2.0.0' };
const B1 = { dir: 'acme-b', version: '1.0.0' };
const C1 = { dir: 'acme-c', version: '1.0.0' };
const config = (content: string): { name: string; content: string } => ({ name: APP_CONFIG, content });
const ledger = (): Ledger => JSON.parse(readFileSync(join(root, 'portal-plugins.json'), 'utf8')) as Ledger;

test('stages plugins, app-config and ledger and nothing else', async () => {
  const { committed, notice } = await run({ plugins: [A1, B1], outputs: [config('a: 1\n')] });
  expect(committed.staged.map(({ change }) => change)).toEqual(['installed', 'installed']);
  expect(committed.removed).toEqual([]);
  expect(notice).toBeUndefined();
  expect(topLevel(root)).toEqual(['acme-a', 'acme-b', APP_CONFIG, 'portal-plugins.json']);
});

test('gives files 0644 and directories 0755 under umask 077', async () => {
  const before = process.umask(0o077);
  try {
    await run({ plugins: [A1], outputs: [config('a: 1\n')] });
  } finally {
    process.umask(before);
  }
  const modes = new Set(Object.values(volumeState(root)).map((text) => text.split(' ', 2).join(' ')));
  expect([...modes].toSorted()).toEqual(['dir 0755', 'file 0644']);
});

test('records hashes of the set-level files in the ledger', async () => {
  await run({ plugins: [], outputs: [config('a: 1\n')] });
  const [hash] = volumeState(root)[APP_CONFIG]?.split(' ').slice(-1) ?? [];
  expect(ledger().outputs).toEqual([{ name: APP_CONFIG, sha256: hash }]);
});

test('replaces a changed plugin, keeps an equal one and removes an obsolete one', async () => {
  await run({ plugins: [A1, B1, C1] });
  const { committed } = await run({ plugins: [A2, B1] });
  expect(committed.staged.map(({ change }) => change)).toEqual(['installed', 'cached']);
  expect(committed.removed).toEqual(['acme-c']);
  expect(topLevel(root)).toEqual(['acme-a', 'acme-b', 'portal-plugins.json']);
  expect(readFileSync(join(root, 'acme-a/dist/index.js'), 'utf8')).toContain('2.0.0');
});

test('does not move a kept plugin', async () => {
  await run({ plugins: [A1, B1] });
  const moved: string[] = [];
  const files: StageRun['files'] = (files) => watchedFiles(files, ({ path }) => moved.push(path));
  await run({ plugins: [A2, B1], files });
  expect(moved.filter((path) => path.startsWith(join(root, 'acme-b')))).toEqual([]);
  expect(moved).toContain(join(root, 'acme-a'));
});

test('writes nothing outside the working directory when the volume already is what the set demands', async () => {
  await run({ plugins: [A1, B1], outputs: [config('a: 1\n')] });
  const before = volumeState(root);
  const touched: string[] = [];
  const files: StageRun['files'] = (files) => watchedFiles(files, ({ path }) => touched.push(path));
  const { committed } = await run({ plugins: [A1, B1], outputs: [config('a: 1\n')], files });
  expect(committed.staged.map(({ change }) => change)).toEqual(['cached', 'cached']);
  expect(touched.filter((path) => !path.startsWith(join(root, '.portal-plugins')))).toEqual([]);
  expect(touched.filter((path) => path.endsWith('journal.json'))).toEqual([]);
  expect(volumeState(root)).toEqual(before);
});

test('writes app-config again when somebody removed or edited it', async () => {
  await run({ plugins: [A1], outputs: [config('a: 1\n')] });
  const whole = volumeState(root, ['portal-plugins.json']);
  rmSync(join(root, APP_CONFIG));
  await run({ plugins: [A1], outputs: [config('a: 1\n')] });
  expect(volumeState(root, ['portal-plugins.json'])).toEqual(whole);
  writeFileSync(join(root, APP_CONFIG), 'a: 2\n');
  await run({ plugins: [A1], outputs: [config('a: 1\n')] });
  expect(volumeState(root, ['portal-plugins.json'])).toEqual(whole);
});

test('retires a set-level file that this run does not write', async () => {
  await run({ plugins: [], outputs: [config('a: 1\n'), { name: 'forgeportal.dynamic-plugins.yaml', content: 'x' }] });
  const { committed } = await run({ plugins: [], outputs: [config('a: 1\n')] });
  expect(topLevel(root)).toEqual([APP_CONFIG, 'portal-plugins.json']);
  expect(committed.removed).toEqual([]);
});

describe('a volume of another installer', () => {
  test('loses directories, links and hidden things, keeps plain files and lost+found', async () => {
    mkdirSync(join(root, 'foreign/dist'), { recursive: true });
    mkdirSync(join(root, '.hidden'));
    writeFileSync(join(root, '.hidden-file'), '');
    symlinkSync('/nonexistent', join(root, 'dangling'));
    symlinkSync('foreign', join(root, 'relative'));
    mkdirSync(join(root, 'lost+found'), 0o700);
    writeFileSync(join(root, 'install-dynamic-plugins.lock'), '');
    const { committed } = await run({ plugins: [A1] });
    expect(committed.removed).toEqual(['.hidden', '.hidden-file', 'dangling', 'foreign', 'relative']);
    expect(topLevel(root)).toEqual(['acme-a', 'install-dynamic-plugins.lock', 'lost+found', 'portal-plugins.json']);
  });

  test('gives way where a plugin, app-config or the ledger belong', async () => {
    symlinkSync('/etc', join(root, 'acme-a'));
    mkdirSync(join(root, APP_CONFIG, 'x'), { recursive: true });
    symlinkSync('/etc/passwd', join(root, 'portal-plugins.json'));
    writeFileSync(join(root, 'acme-b'), 'a plain file');
    await run({ plugins: [A1, B1], outputs: [config('a: 1\n')] });
    expect(topLevel(root)).toEqual(['acme-a', 'acme-b', APP_CONFIG, 'portal-plugins.json']);
    const state = volumeState(root);
    expect(topLevel(root).map((name) => state[name]?.split(' ', 1)[0])).toEqual(['dir', 'dir', 'file', 'file']);
  });

  test('leaves again as it was when the commit fails', async () => {
    mkdirSync(join(root, 'foreign/dist'), { recursive: true });
    symlinkSync('/nonexistent', join(root, 'dangling'));
    writeFileSync(join(root, APP_CONFIG), 'theirs', { mode: 0o600 });
    chmodSync(join(root, 'foreign'), 0o700);
    const before = volumeState(root);
    await expect(run({ plugins: [A1], outputs: [config('a: 1\n')], files: failAtLedger })).rejects.toMatchObject({
      reason: 'CommitFailed',
    });
    expect(volumeState(root)).toEqual(before);
  });
});

describe('plugins below node_modules', () => {
  const X1 = { dir: 'node_modules/@acme/x', version: '1.0.0' };
  const Y1 = { dir: 'node_modules/y', version: '1.0.0' };

  test('get their parents, and lose their neighbours', async () => {
    mkdirSync(join(root, 'node_modules/@acme/stale'), { recursive: true });
    const { committed } = await run({ plugins: [X1, Y1] });
    expect(committed.removed).toEqual(['node_modules/@acme/stale']);
    expect(topLevel(join(root, 'node_modules'))).toEqual(['@acme', 'y']);
    expect(topLevel(join(root, 'node_modules/@acme'))).toEqual(['x']);
  });

  test('take empty parents along when they go, and are reported by name', async () => {
    await run({ plugins: [X1, Y1] });
    const { committed } = await run({ plugins: [] });
    expect(topLevel(root)).toEqual(['portal-plugins.json']);
    expect(committed.removed).toEqual(['node_modules/@acme/x', 'node_modules/y']);
  });

  test('leave no parent behind when the commit fails', async () => {
    writeFileSync(join(root, 'node_modules'), 'a file in the place of a directory');
    const before = volumeState(root);
    await expect(run({ plugins: [X1], files: failAtLedger })).rejects.toMatchObject({ reason: 'CommitFailed' });
    expect(volumeState(root)).toEqual(before);
  });
});

test.each([APP_CONFIG, 'portal-plugins.json', 'lost+found'])(
  'refuses a plugin that would be written to %s',
  async (dir) => {
    const attempt = run({ plugins: [{ dir, version: '1.0.0' }], outputs: [config('a: 1\n')] });
    await expect(attempt).rejects.toMatchObject({ reason: 'DirectoryConflict', details: { dir } });
    expect(topLevel(root)).toEqual([]);
  },
);

describe.each([
  ['ENOSPC', undefined, 'VolumeFull', 'off'],
  ['Unknown system error -122', -122, 'VolumeFull', 'off'],
  ['EROFS', undefined, 'VolumeNotWritable', 'off'],
  ['EACCES', undefined, 'VolumeNotWritable', 'off'],
  ['EIO', undefined, 'CommitFailed', 'on'],
] as const)('%s while the set is put in place', (code, errno, reason, fsync) => {
  const settings = { fsync };

  test(`is ${reason} at every step, and the previous set is back byte for byte`, async () => {
    const { before, steps } = await changedVolume(settings);
    for (let at = 1; at <= steps; at += 1) {
      const files: StageRun['files'] = (files) => failOnce(files, at, () => systemError(code, errno));
      await expect(change({ files, settings }), `step ${at}`).rejects.toMatchObject({ reason });
      expect(volumeState(root), `step ${at}`).toEqual(before);
    }
    await change({});
    expect(volumeState(root)).not.toEqual(before);
  });
});

describe('an abort', () => {
  test('before the commit point takes everything back and rejects with its reason, at every step', async () => {
    const { before, steps } = await changedVolume();
    const reason = new InstallError('Terminated', 'stopped');
    for (let at = 1; at <= steps; at += 1) {
      const controller = new AbortController();
      const files: StageRun['files'] = (files) => atCommitStep(files, at, () => controller.abort(reason));
      const attempt = change({ files, signal: controller.signal });
      // The last step is the rename of the ledger: once it has begun, it happens.
      if (at === steps) await attempt;
      else await expect(attempt, `step ${at}`).rejects.toBe(reason);
      if (at < steps) expect(volumeState(root), `step ${at}`).toEqual(before);
    }
    expect(ledger().plugins.map(({ version }) => version)).toEqual(['2.0.0', '1.0.0']);
  });
});

test('makes no further move once it was aborted', async () => {
  await run({ plugins: [A1, B1, C1] });
  const controller = new AbortController();
  const moved: string[] = [];
  const files: StageRun['files'] = (files) =>
    watchedFiles(files, ({ call, path }) => {
      if (call === 'rename' && path.startsWith(join(root, 'acme-'))) moved.push(path.slice(root.length + 1));
      if (moved.length === 1) controller.abort(new InstallError('Terminated', 'stopped'));
    });
  const plugins = [A2, { ...B1, version: '2.0.0' }, { ...C1, version: '2.0.0' }];
  await expect(run({ plugins, files, signal: controller.signal })).rejects.toMatchObject({ reason: 'Terminated' });
  // Out, and out of the way again: acme-b and acme-c have not moved.
  expect(new Set(moved)).toEqual(new Set(['acme-a']));
});

test('succeeds when the rename of the ledger is reported as failed although it happened', async () => {
  await run({ plugins: [A1] });
  const { committed } = await run({ plugins: [A2], files: failAfterLedger });
  expect(committed.staged.map(({ change }) => change)).toEqual(['installed']);
  expect(ledger().plugins.map(({ version }) => version)).toEqual(['2.0.0']);
});

test('says so when taking back fails too, and the next run repairs the volume', async () => {
  const { before } = await changedVolume();
  let isBroken = false;
  const files: StageRun['files'] = (files) => ({
    ...files,
    rename(from, to) {
      isBroken ||= from.endsWith('new/portal-plugins.json');
      if (isBroken) throw systemError('EIO');
      files.rename(from, to);
    },
  });
  // A start time of another process: to the next run this one is dead.
  await expect(change({ files, owner: { processStart: '1' } })).rejects.toMatchObject({
    reason: 'CommitFailed',
    details: { undo: expect.any(String) },
  });
  expect(topLevel(root)).toContain('.portal-plugins');
  await expect(run({ plugins: [], files: failAtLedger })).rejects.toMatchObject({ reason: 'CommitFailed' });
  expect(volumeState(root)).toEqual(before);
});

/** A volume with a previous set, and how many steps the commit of `change` takes on it. */
async function changedVolume(
  settings: StageRun['settings'] & object = {},
): Promise<{ before: ReturnType<typeof volumeState>; steps: number }> {
  await run({ plugins: [A1, B1, C1], outputs: [config('a: 1\n'), { name: 'old.yaml', content: 'o' }] });
  const before = volumeState(root);
  const steps: Step[] = [];
  const count: StageRun['files'] = (files) =>
    watchedFiles(files, (step) => {
      if (isCommitStep(step)) steps.push(step);
      if (step.call === 'rename' && step.path.endsWith('new/portal-plugins.json')) throw systemError('EIO');
    });
  await expect(change({ files: count, settings })).rejects.toMatchObject({ reason: 'CommitFailed' });
  const ledgerRename = steps.findIndex(
    ({ call, path }) => call === 'rename' && path.endsWith('new/portal-plugins.json'),
  );
  return { before, steps: ledgerRename + 1 };
}

async function change(rest: Omit<StageRun, 'root' | 'plugins'>): Promise<unknown> {
  return run({ plugins: [A2, B1], outputs: [{ name: 'new.yaml', content: 'n' }, config('a: 2\n')], ...rest });
}

/** Commit and undo, but neither lock nor clean-up. */
function isCommitStep({ call, path }: Step): boolean {
  return call !== 'overwrite' && (/\/(?:new|old|tree)(?:\/|$)|journal/.test(path) || !path.includes('.portal-plugins'));
}

type Files = Parameters<NonNullable<StageRun['files']>>[0];

function atCommitStep(files: Files, at: number, act: () => void): Files {
  let seen = 0;
  return watchedFiles(files, (step) => {
    if (isCommitStep(step) && ++seen === at) act();
  });
}

function failOnce(files: Files, at: number, error: () => Error): Files {
  return atCommitStep(files, at, () => {
    throw error();
  });
}

function failAtLedger(files: Files): Files {
  return watchedFiles(files, ({ call, path }) => {
    if (call === 'rename' && path.endsWith('new/portal-plugins.json')) throw systemError('EIO');
  });
}

/** NFS: the answer to a rename is lost, the repeated request finds nothing to rename. */
function failAfterLedger(files: Files): Files {
  return {
    ...files,
    rename(from, to) {
      files.rename(from, to);
      if (to.endsWith('portal-plugins.json')) throw systemError('ENOENT');
    },
  };
}
