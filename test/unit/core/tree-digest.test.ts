import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fileLine, linkLine, treeDigest } from '../../../installer/core/tree-digest.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const file = { path: 'dist/index.js', mode: 0o644, size: 2, sha256: sha256('ab') };

describe('tree digest', () => {
  test('a file line holds mode, size, hash and path', () => {
    expect(fileLine(file)).toBe(`0644 2 ${sha256('ab')} dist/index.js`);
    expect(fileLine({ ...file, mode: 0o100755 })).toBe(`0755 2 ${sha256('ab')} dist/index.js`);
  });

  test('a blank cannot move from the target of a link to its path', () => {
    expect(linkLine('a b', 'c')).not.toBe(linkLine('a', 'b c'));
  });

  test('the digest is sha256 over the sorted lines, each ended by a line feed', () => {
    const lines = [fileLine(file), linkLine('dist', 'lib')];
    expect(treeDigest(lines)).toBe(sha256(`${lines[0]}\n${lines[1]}\n`));
    expect(treeDigest(lines.toReversed())).toBe(treeDigest(lines));
  });

  test('an empty tree has the digest of nothing', () => {
    expect(treeDigest([])).toBe(sha256(''));
  });

  test.each([
    ['content', { ...file, sha256: sha256('ba') }],
    ['mode', { ...file, mode: 0o755 }],
    ['path', { ...file, path: 'dist/index.mjs' }],
    ['size', { ...file, size: 3 }],
  ])('another %s gives another digest', (_what, changed) => {
    expect(treeDigest([fileLine(changed)])).not.toBe(treeDigest([fileLine(file)]));
  });
});
