import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NODE_FILES, type FileOperations } from '../../../installer/stage/file-operations.ts';
import { removeTree, syncTrees } from '../../../installer/stage/trees.ts';
import { systemError } from '../../support/faulty-files.ts';
import { writeTree } from '../../support/sealed-set.ts';
import { topLevel, volumeState } from '../../support/volume-state.ts';

let base: string;
const never = new AbortController().signal;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'trees-'));
  writeTree(join(base, 'tree'), { 'a/b/c.txt': 'c', 'a/d.txt': 'd', 'e.txt': 'e' });
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

test('removes links and not what they point to', async () => {
  writeTree(join(base, 'outside'), { 'x.txt': 'x' });
  symlinkSync('../outside', join(base, 'tree/link'));
  const outside = volumeState(join(base, 'outside'));
  expect(await removeTree(NODE_FILES, join(base, 'tree'))).toBe(true);
  expect(topLevel(base)).toEqual(['outside']);
  expect(volumeState(join(base, 'outside'))).toEqual(outside);
});

test('removing what is not there succeeds', async () => {
  expect(await removeTree(NODE_FILES, join(base, 'nothing'))).toBe(true);
});

test('two that remove the same tree do not disturb each other', async () => {
  for (let index = 0; index < 2000; index += 1) writeFileSync(join(base, `tree/a/${index}`), '');
  const both = [removeTree(NODE_FILES, join(base, 'tree')), removeTree(NODE_FILES, join(base, 'tree'))];
  expect(await Promise.all(both)).toContain(true);
  expect(topLevel(base)).toEqual([]);
});

test('what appears meanwhile stays, and the answer says so', async () => {
  const files: FileOperations = {
    ...NODE_FILES,
    removeDirectory(path) {
      if (path.endsWith('/a/b')) mkdirSync(join(path, 'new'));
      NODE_FILES.removeDirectory(path);
    },
  };
  expect(await removeTree(files, join(base, 'tree'))).toBe(false);
  expect(Object.keys(volumeState(base))).toEqual(['tree', 'tree/a', 'tree/a/b', 'tree/a/b/new']);
});

test('lets the event loop turn while it removes many files', async () => {
  for (let index = 0; index < 3000; index += 1) writeFileSync(join(base, `tree/a/${index}`), '');
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  await removeTree(NODE_FILES, join(base, 'tree'));
  clearInterval(timer);
  expect(turns).toBeGreaterThan(1);
});

test('fsyncs every file and every directory once, and follows no link', async () => {
  symlinkSync('/etc', join(base, 'tree/link'));
  const synced: string[] = [];
  await syncTrees({ ...NODE_FILES, sync: async (path) => note(synced, path) }, [join(base, 'tree')], never);
  const expected = ['tree', 'tree/a', 'tree/a/b', 'tree/a/b/c.txt', 'tree/a/d.txt', 'tree/e.txt'];
  expect(synced.toSorted()).toEqual(expected.map((path) => join(base, path)));
});

test('reports the first fsync that fails, after all others have ended', async () => {
  let running = 0;
  const sync: FileOperations['sync'] = async (path) => {
    running += 1;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    running -= 1;
    if (path.endsWith('d.txt')) throw systemError('EIO');
  };
  const attempt = syncTrees({ ...NODE_FILES, sync }, [join(base, 'tree')], never);
  await expect(attempt).rejects.toMatchObject({ code: 'EIO' });
  expect(running).toBe(0);
});

test('stops with the signal’s reason', async () => {
  const reason = new Error('stop');
  await expect(syncTrees(NODE_FILES, [join(base, 'tree')], AbortSignal.abort(reason))).rejects.toBe(reason);
});

async function note(list: string[], path: string): Promise<void> {
  list.push(path);
  await Promise.resolve();
}
