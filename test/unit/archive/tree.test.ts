import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { openTree } from '../../../installer/archive/tree.ts';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';
import type { AbsPath, Tree } from '../../../installer/core/types.ts';
import { temporaryDirectory } from '../../support/unpacking.ts';

let tree: Tree;

beforeEach(() => {
  const base = temporaryDirectory();
  const root = join(base, 'tree') as AbsPath;
  mkdirSync(join(root, 'dist', 'static'), { recursive: true });
  writeFileSync(join(base, 'secret'), 'secret');
  writeFileSync(join(base, 'tree-sibling'), 'secret');
  writeFileSync(join(root, 'package.json'), '{"a":"ü"}');
  writeFileSync(join(root, 'dist', 'b.js'), 'b');
  writeFileSync(join(root, 'dist', 'a.js'), 'a');
  writeFileSync(join(root, 'dist', 'static', 'x.node'), '');
  symlinkSync('dist/a.js', join(root, 'main.js'));
  symlinkSync('dist', join(root, 'lib'));
  symlinkSync('../secret', join(root, 'out'));
  symlinkSync('../tree-sibling', join(root, 'sibling'));
  symlinkSync('loop', join(root, 'loop'));
  symlinkSync('.', join(root, 'self'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
  tree = openTree(root, DEFAULT_LIMITS);
});

describe('a tree', () => {
  test('reads files, through honest links too, and tolerates ./', async () => {
    expect(await tree.readText('package.json', 100)).toBe('{"a":"ü"}');
    expect(await tree.readText('./dist/a.js', 100)).toBe('a');
    expect(await tree.readText('main.js', 100)).toBe('a');
    expect(await tree.readText('lib/b.js', 100)).toBe('b');
  });

  test.each([
    'missing',
    'dist',
    'package.json/x',
    'out',
    'sibling',
    'loop',
    'fifo',
    '../secret',
    'dist/../../secret',
    '/etc/passwd',
    '',
    'a\0b',
    'x'.repeat(5000),
  ])('has no text at %j', async (path) => {
    expect(await tree.readText(path, 100)).toBeUndefined();
    expect(await tree.isFile(path)).toBe(false);
  });

  test('reads a file of exactly the limit and refuses one byte more', async () => {
    expect(await tree.readText('package.json', 10)).toBe('{"a":"ü"}');
    await expect(tree.readText('package.json', 9)).rejects.toMatchObject({
      reason: 'EntryTooLarge',
      details: { value: 10, limit: 9 },
    });
  });

  test('tells files from directories', async () => {
    expect(await Promise.all(['main.js', 'dist', 'lib', 'fifo'].map((path) => tree.isFile(path)))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(await Promise.all(['main.js', 'dist', 'lib', ''].map((path) => tree.isDirectory(path)))).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  test('lists names sorted, and nothing for what is no directory of its own', async () => {
    expect(await tree.list('dist')).toEqual(['a.js', 'b.js', 'static']);
    expect(await tree.list('missing')).toEqual([]);
    expect(await tree.list('main.js')).toEqual([]);
    expect(await tree.list('..')).toEqual([]);
  });

  test('finds files by path without following links', async () => {
    expect(await tree.findFile((path) => path.endsWith('.node'))).toBe('dist/static/x.node');
    expect(await tree.findFile((path) => path.endsWith('.wasm'))).toBeUndefined();
    const seen: string[] = [];
    await tree.findFile((path) => seen.push(path) < 0);
    expect(seen).toEqual(['package.json', 'dist/a.js', 'dist/b.js', 'dist/static/x.node']);
  });

  test('gives up looking for a file in more names than a plugin may have', async () => {
    const bounded = openTree(tree.root, { ...DEFAULT_LIMITS, files: 3 });
    await expect(bounded.findFile(() => false)).rejects.toMatchObject({ reason: 'TooManyEntries' });
  });

  test('of a directory that is gone is empty', async () => {
    const gone = openTree('/nonexistent/tree' as AbsPath, DEFAULT_LIMITS);
    expect(await gone.list('')).toEqual([]);
    expect(await gone.readText('package.json', 10)).toBeUndefined();
    expect(await gone.findFile(() => true)).toBeUndefined();
  });
});
