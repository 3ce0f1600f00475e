import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import type { AbsPath, Inventory } from '../../../installer/core/types.ts';
import { checkInventory, hashTree } from '../../../installer/stage/inventory.ts';
import { preparePlugin } from '../../../installer/stage/prepare.ts';
import { testContext } from '../../support/context.ts';
import { validated, writeTree } from '../../support/sealed-set.ts';
import { topLevel, volumeState } from '../../support/volume-state.ts';

const SPEC = { dir: 'acme-a', version: '1.0.0' };
let scratch: AbsPath;
let tree: AbsPath;
let inventory: Inventory;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'inventory-')) as AbsPath;
  tree = join(scratch, 'tree') as AbsPath;
  writeTree(tree, { 'package.json': '{}', 'dist/a.js': 'aaaa', 'dist/b.js': 'bbbb', 'dist/deep/c.js': '' });
  chmodSync(join(tree, 'dist/b.js'), 0o755);
  symlinkSync('a.js', join(tree, 'dist/link.js'));
  ({ inventory } = await preparePlugin(validated(tree, 0, SPEC), testContext({ scratch })));
});
afterEach(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const check = (mode: 'fast' | 'full' = 'fast'): ReturnType<typeof checkInventory> =>
  checkInventory(tree, inventory, mode);

test('counts files and links, and the bytes of files', () => {
  expect(inventory).toMatchObject({ files: 5, bytes: 10, treeDigest: hashTree(tree) });
});

test('is intact right after it was taken, by the fast comparison alone', () => {
  expect(check()).toEqual({ isIntact: true, by: 'fast' });
});

test('is intact after the plugin directory was renamed into place', () => {
  const place = join(scratch, 'acme-a') as AbsPath;
  renameSync(tree, place);
  expect(checkInventory(place, inventory, 'fast')).toEqual({ isIntact: true, by: 'fast' });
});

test('full hashes every file', () => {
  expect(check('full')).toEqual({ isIntact: true, by: 'full' });
});

test('leaves nothing but the plugin in scratch', () => {
  expect(topLevel(scratch)).toEqual(['tree']);
});

describe('newer change times alone', () => {
  test('are settled by hashing: touched files are intact', () => {
    later();
    utimesSync(join(tree, 'dist/a.js'), 0, 0);
    expect(check()).toEqual({ isIntact: true, by: 'full' });
  });

  test('are settled by hashing: group bits that kubelet adds for fsGroup are no difference', () => {
    later();
    chmodSync(join(tree, 'dist/a.js'), 0o664);
    chmodSync(join(tree, 'dist/b.js'), 0o775);
    chmodSync(join(tree, 'dist'), 0o2775);
    expect(check()).toEqual({ isIntact: true, by: 'full' });
  });

  test('are settled by hashing: a restored copy is intact', () => {
    later();
    const copy = join(scratch, 'copy') as AbsPath;
    cpSync(tree, copy, { recursive: true, verbatimSymlinks: true });
    expect(checkInventory(copy, inventory, 'fast')).toEqual({ isIntact: true, by: 'full' });
  });
});

describe('is not intact', () => {
  test.each<[string, () => void]>([
    ['when the directory is missing', () => rmSync(tree, { recursive: true })],
    ['when the directory was emptied', () => emptied()],
    ['when a file is missing', () => rmSync(join(tree, 'dist/a.js'))],
    ['when a file was truncated', () => truncateSync(join(tree, 'dist/a.js'), 1)],
    ['when a file was emptied', () => truncateSync(join(tree, 'dist/a.js'))],
    ['when a file has grown', () => appendFileSync(join(tree, 'dist/a.js'), 'x')],
    ['when a file was added', () => writeFileSync(join(tree, 'dist/x.js'), '')],
    ['when a file was edited in place, with the same size', () => writeFileSync(join(tree, 'dist/a.js'), 'AAAA')],
    ['when two files changed places', () => swap()],
    ['when a file lost its executable bits', () => chmodSync(join(tree, 'dist/b.js'), 0o644)],
    ['when a directory is closed to others', () => chmodSync(join(tree, 'dist/deep'), 0o700)],
    ['when a file is no longer readable for all', () => chmodSync(join(tree, 'dist/a.js'), 0o600)],
    ['when a link points elsewhere', () => relink()],
    ['when a file became a link to the same content', () => fileToLink()],
    ['when the directory became a link to an equal one', () => dirToLink()],
    ['when the directory became a file', () => dirToFile()],
    ['when a file became a FIFO', () => fileToFifo()],
  ])('%s', (_, change) => {
    later();
    change();
    expect(check()).toMatchObject({ isIntact: false, why: expect.any(String) });
    expect(check('full')).toMatchObject({ isIntact: false });
  });
});

test.each<[string, () => void, RegExp]>([
  ['a missing file', () => rmSync(join(tree, 'dist/a.js')), /4 files, expected 5/],
  ['a truncated file', () => truncateSync(join(tree, 'dist/a.js'), 1), /7 bytes, expected 10/],
  ['an edited file', () => writeFileSync(join(tree, 'dist/a.js'), 'AAAA'), /content/],
])('%s is described by what differs', (_, change, why) => {
  later();
  change();
  expect(check()).toEqual({ isIntact: false, why: expect.stringMatching(why) });
});

test('full sees that the plugin directory itself is closed to others', () => {
  chmodSync(tree, 0o750);
  expect(check('full')).toMatchObject({ isIntact: false });
});

test('an edit that forged the modification time is found all the same', () => {
  later();
  writeFileSync(join(tree, 'dist/a.js'), 'AAAA');
  utimesSync(join(tree, 'dist/a.js'), 0, 0);
  expect(check()).toMatchObject({ isIntact: false });
});

describe('preparing', () => {
  test('makes the plugin directory readable for all', async () => {
    chmodSync(tree, 0o700);
    await preparePlugin(validated(tree, 0, SPEC), testContext({ scratch }));
    expect(volumeState(scratch)['tree']).toBe('dir 0755');
  });

  test('stops when the run was aborted', async () => {
    const reason = new InstallError('Terminated', 'stop');
    const attempt = preparePlugin(
      validated(tree, 0, SPEC),
      testContext({ scratch, signal: AbortSignal.abort(reason) }),
    );
    await expect(attempt).rejects.toBe(reason);
  });

  test('fails with the volume’s reason when scratch is gone', async () => {
    const context = testContext({ scratch: join(scratch, 'gone') as AbsPath });
    await expect(preparePlugin(validated(tree, 0, SPEC), context)).rejects.toMatchObject({
      reason: 'CommitFailed',
      details: { code: 'ENOENT' },
    });
  });
});

/** Changes within one tick of the kernel's clock (4 ms) cannot be told apart by any ctime: wait until it has moved on. */
function later(): void {
  const until = performance.now() + 25;
  while (performance.now() < until);
}

function emptied(): void {
  rmSync(tree, { recursive: true });
  mkdirSync(tree);
}

function swap(): void {
  renameSync(join(tree, 'dist/a.js'), join(tree, 'dist/x'));
  renameSync(join(tree, 'dist/b.js'), join(tree, 'dist/a.js'));
  renameSync(join(tree, 'dist/x'), join(tree, 'dist/b.js'));
}

function relink(): void {
  rmSync(join(tree, 'dist/link.js'));
  symlinkSync('b.js', join(tree, 'dist/link.js'));
}

function fileToLink(): void {
  renameSync(join(tree, 'dist/a.js'), join(scratch, 'outside.js'));
  symlinkSync(join(scratch, 'outside.js'), join(tree, 'dist/a.js'));
}

function dirToLink(): void {
  renameSync(tree, join(scratch, 'elsewhere'));
  symlinkSync('elsewhere', tree);
}

function dirToFile(): void {
  rmSync(tree, { recursive: true });
  writeFileSync(tree, '');
}

function fileToFifo(): void {
  rmSync(join(tree, 'dist/deep/c.js'));
  execFileSync('mkfifo', [join(tree, 'dist/deep/c.js')]);
}
