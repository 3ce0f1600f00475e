/** Whatever a header says: what the policy lets through stays inside, and is one name on every file system. */
import { join, posix } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { foldName } from '../../installer/archive/path-policy.ts';
import { judgeEntry, type TarEntry } from '../../installer/archive/policy.ts';
import { InstallError } from '../../installer/core/errors.ts';
import { DEFAULT_LIMITS } from '../../installer/core/limits.ts';
import { REASONS } from '../../installer/core/reasons.ts';
import { fuzzRuns } from '../support/fuzz-runs.ts';

const ROOT = '/root/of/plugin';

/** Pieces that matter to path parsers, mixed with anything. */
const piece = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '..',
      '.',
      '',
      'a',
      'B',
      'package',
      'node_modules',
      '.bin',
      '...',
      '.wh.a',
      'C:',
      '~',
      '%2e%2e',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '\\',
      '\0',
      '\n',
      '\u202e',
      '\ufeff',
      '\ufffd',
      'é',
      '\u00df',
      '\ud800',
      '\u2028',
      '..\\',
      '\u2024\u2024',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
);
const path = fc
  .tuple(
    fc.constantFrom('', '', '/', './', '../', '//', '\\\\', 'c:'),
    fc.array(piece, { maxLength: 80 }),
    fc.constantFrom('', '/', '//'),
  )
  .map(([start, pieces, end]) => start + pieces.join('/') + end);
const entry: fc.Arbitrary<TarEntry> = fc.record({
  path,
  type: fc.oneof(
    fc.constantFrom('0', '1', '2', '5', 'S', '7'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  mode: fc.option(fc.nat(0o177777), { nil: undefined }),
  size: fc.oneof(fc.nat(10_000), fc.maxSafeNat()),
  target: path,
});

const judge = (given: TarEntry): ReturnType<typeof judgeEntry> =>
  judgeEntry(given, { entries: 0, plugins: 1 }, DEFAULT_LIMITS);

function demandInside(accepted: string): void {
  const absolute = join(ROOT, accepted);
  expect(absolute === ROOT || absolute.startsWith(`${ROOT}/`)).toBe(true);
  expect(posix.normalize(accepted === '' ? '.' : accepted)).toBe(accepted === '' ? '.' : accepted);
  expect(accepted).not.toMatch(/[\u0000-\u001f\u007f-\u009f\\\ufffd]|^\/|\/$/);
  expect(Buffer.byteLength(accepted)).toBeLessThanOrEqual(1024);
  expect(Buffer.from(accepted).toString()).toBe(accepted);
}

describe('the archive policy', () => {
  test('refuses with a reason of unpacking or accepts a path inside the plugin', () => {
    const property = fc.property(entry, (given) => {
      const decision = judge(given);
      if (decision instanceof InstallError) {
        expect(REASONS[decision.reason].stage).toBe('unpack');
        expect(decision.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
        return;
      }
      demandInside(decision.path);
      if (decision.kind === 'hardlink') demandInside(decision.target);
      if (decision.kind === 'symlink') {
        const led = join(ROOT, posix.dirname(decision.path), decision.target);
        expect(led === ROOT || led === `${ROOT}/` || led.startsWith(`${ROOT}/`)).toBe(true);
      }
      if (decision.kind === 'file') {
        expect([0o644, 0o755]).toContain(decision.mode);
        expect(decision.size).toBeLessThanOrEqual(DEFAULT_LIMITS.fileBytes);
      }
    });
    fc.assert(property, fuzzRuns(5000));
  });

  test('gives one answer to one header, and the same when its own answer comes back', () => {
    const property = fc.property(entry, (given) => {
      const decision = judge(given);
      if (decision instanceof InstallError || decision.path === '') return;
      const again = judge({ ...given, path: decision.path });
      expect(again).toEqual(decision);
    });
    fc.assert(property, fuzzRuns(3000));
  });

  test('folds a name to a key that folding leaves alone, whatever its case and form', () => {
    const property = fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }), (name) => {
      const key = foldName(name);
      expect(foldName(key)).toBe(key);
      for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD'] as const) expect(foldName(name.normalize(form))).toBe(key);
      expect(foldName(name.toUpperCase())).toBe(key);
      expect(foldName(name.toLowerCase())).toBe(key);
    });
    fc.assert(property, fuzzRuns(5000));
  });
});
