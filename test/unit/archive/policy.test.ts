import { describe, expect, test } from 'vitest';
import { judgeBytes, judgeEntry, judgeRatio, type TarEntry } from '../../../installer/archive/policy.ts';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';

const MIB = 1024 * 1024;
const base: TarEntry = { path: 'package/a', type: '0', mode: 0o644, size: 5, target: '' };
const judge = (entry: Partial<TarEntry>, entries = 0, plugins = 1): unknown =>
  judgeEntry({ ...base, ...entry }, { entries, plugins }, DEFAULT_LIMITS);

describe('judgeEntry', () => {
  test.each([
    [{}, { kind: 'file', path: 'package/a', mode: 0o644, size: 5 }],
    [{ mode: 0o755 }, { kind: 'file', path: 'package/a', mode: 0o755, size: 5 }],
    [{ mode: undefined }, { kind: 'file', path: 'package/a', mode: 0o644, size: 5 }],
    [
      { type: '5', path: './package/' },
      { kind: 'directory', path: 'package' },
    ],
    [
      { type: '5', path: './' },
      { kind: 'directory', path: '' },
    ],
    [
      { type: '2', target: 'b' },
      { kind: 'symlink', path: 'package/a', target: 'b' },
    ],
    [
      { type: '1', target: './package/b' },
      { kind: 'hardlink', path: 'package/a', target: 'package/b' },
    ],
    [
      { type: '2', path: 'p/node_modules/.bin/x', target: '/abs' },
      { kind: 'dropped', path: 'p/node_modules/.bin/x' },
    ],
  ])('%j is %j', (entry, decision) => expect(judge(entry)).toEqual(decision));

  test.each([
    [{ path: '../a' }, 'PathEscape'],
    [{ path: 'p/node_modules/.bin/../../../x', type: '2' }, 'PathEscape'],
    [{ type: '2', path: 'p/.bin/x', target: '/abs' }, 'LinkEscape'],
    [{ type: '2', path: 'p/node_modules/.binx/x', target: '/abs' }, 'LinkEscape'],
    [{ type: '1', path: 'p/node_modules/.bin/x', target: '/abs' }, 'LinkEscape'],
    [{ type: '3' }, 'EntryTypeForbidden'],
    [{ type: 'S' }, 'ArchiveUnsupported'],
    [{ size: DEFAULT_LIMITS.fileBytes + 1 }, 'EntryTooLarge'],
  ])('%j is refused as %s', (entry, reason) => expect(judge(entry)).toMatchObject({ reason }));

  test('the limit on entries is the first thing that counts, and counts for each plugin', () => {
    expect(judge({ path: '/x' }, DEFAULT_LIMITS.files)).toMatchObject({ reason: 'TooManyEntries' });
    expect(judge({}, DEFAULT_LIMITS.files, 2)).toMatchObject({ kind: 'file' });
    expect(judge({}, DEFAULT_LIMITS.files * 2, 2)).toMatchObject({ reason: 'TooManyEntries' });
  });
});

test('judgeBytes allows exactly the budget of all plugins', () => {
  expect(judgeBytes(DEFAULT_LIMITS.unpackedBytes * 2, 2, DEFAULT_LIMITS)).toBeUndefined();
  expect(judgeBytes(DEFAULT_LIMITS.unpackedBytes * 2 + 1, 2, DEFAULT_LIMITS)).toMatchObject({
    reason: 'SizeBudgetExceeded',
  });
});

test.each([
  [0, 16 * MIB, true],
  [1, 16 * MIB + 1, false],
  [MIB, 100 * MIB, true],
  [MIB, 100 * MIB + 1, false],
  [0, 17 * MIB, false],
])('judgeRatio of %i consumed and %i produced bytes passes: %j', (consumed, produced, passes) => {
  expect(judgeRatio(consumed, produced, DEFAULT_LIMITS) === undefined).toBe(passes);
});
