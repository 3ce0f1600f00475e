/** Symbolic links where the installer works: none may lead a write, a read or a deletion out of the plugin root. */
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stageRun } from '../support/stage-run.ts';
import { topLevel, volumeState, type VolumeState } from '../support/volume-state.ts';

const PLUGIN = { dir: 'acme-a', version: '1.0.0' };
const APP_CONFIG = { name: 'app-config.dynamic-plugins.yaml', content: 'a: 1\n' };
let base: string;
let root: string;
let outside: string;
let untouched: VolumeState;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'root-symlink-'));
  root = join(base, 'root');
  outside = join(base, 'outside');
  mkdirSync(join(outside, 'acme-a/dist'), { recursive: true });
  mkdirSync(join(outside, 'lock'));
  writeFileSync(join(outside, 'acme-a/package.json'), 'theirs');
  writeFileSync(join(outside, 'file'), 'theirs');
  untouched = volumeState(outside);
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

test('a root that is a link is refused before anything is written behind it', async () => {
  symlinkSync(outside, root);
  await expect(stageRun({ root, plugins: [PLUGIN] })).rejects.toMatchObject({ reason: 'VolumeMissing' });
  expect(volumeState(outside)).toEqual(untouched);
});

test.each([
  ['the working directory', '.portal-plugins'],
  ['a plugin directory', 'acme-a'],
  ['the ledger', 'portal-plugins.json'],
  ['app-config', 'app-config.dynamic-plugins.yaml'],
  ['an unknown name', 'unknown'],
])('a link in the place of %s is replaced or removed, and nothing behind it is touched', async (_, name) => {
  for (const target of [outside, join(outside, 'file'), join(outside, 'missing')]) {
    mkdirSync(root);
    symlinkSync(target, join(root, name));
    await stageRun({ root, plugins: [PLUGIN], outputs: [APP_CONFIG] });
    expect(volumeState(outside)).toEqual(untouched);
    expect(topLevel(root)).toEqual(['acme-a', 'app-config.dynamic-plugins.yaml', 'portal-plugins.json']);
    expect(Object.values(volumeState(root)).filter((text) => text.startsWith('link'))).toEqual([]);
    rmSync(root, { recursive: true });
  }
});

test.each([
  ['the lock directory', 'lock'],
  ['a holder of the lock', 'lock/33333333-3333-4333-8333-333333333333'],
  ['another run’s scratch', 'gone-33333333-3333-4333-8333-333333333333'],
])('a link in the place of %s is removed, and nothing behind it is touched', async (_, path) => {
  mkdirSync(join(root, '.portal-plugins', path, '..'), { recursive: true });
  symlinkSync(outside, join(root, '.portal-plugins', path));
  await stageRun({ root, plugins: [PLUGIN] });
  expect(volumeState(outside)).toEqual(untouched);
  expect(topLevel(root)).toEqual(['acme-a', 'portal-plugins.json']);
});

test('a kept plugin that became a link to an equal directory is staged again', async () => {
  mkdirSync(root);
  await stageRun({ root, plugins: [PLUGIN] });
  rmSync(join(outside, 'acme-a'), { recursive: true });
  const moved = join(outside, 'acme-a');
  mkdirSync(moved);
  for (const name of topLevel(join(root, 'acme-a'))) symlinkSync(join(root, 'acme-a', name), join(moved, name));
  rmSync(join(root, 'acme-a'), { recursive: true });
  symlinkSync(moved, join(root, 'acme-a'));
  const { committed } = await stageRun({ root, plugins: [PLUGIN] });
  expect(committed.staged.map(({ change }) => change)).toEqual(['installed']);
  expect(volumeState(root)['acme-a']).toBe('dir 0755');
});

test('a journal that names paths outside is not followed', async () => {
  const dead = join(root, '.portal-plugins/lock/33333333-3333-4333-8333-333333333333');
  mkdirSync(dead, { recursive: true });
  const owner = { run: '33333333-3333-4333-8333-333333333333', host: 'h', pid: 4_194_304, startedAt: '' };
  const self = { pidNamespace: namespaceOfSelf(), bootId: bootOfSelf() };
  writeFileSync(join(dead, `owner-${owner.run}.json`), JSON.stringify({ ...owner, ...self }));
  const moves = [{ kind: 'in', from: 'x', path: '../outside/file' }];
  writeFileSync(join(dead, 'journal.json'), JSON.stringify({ schemaVersion: 1, run: 'r', moves }));
  const { found } = await stageRun({ root, plugins: [] });
  expect(found).toBe('unreadable');
  expect(volumeState(outside)).toEqual(untouched);
});

function bootOfSelf(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function namespaceOfSelf(): string {
  return readlinkSync('/proc/self/ns/pid');
}
