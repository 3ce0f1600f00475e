import { expect, test } from 'vitest';
import type { Outcome, PluginDir, SealedSet } from '../../../installer/core/types.ts';
import { seal, type SealRefusal } from '../../../installer/run/set.ts';
import { readyOutcome, rejectedOutcome, testEntry } from '../../support/entries.ts';

const IDENTITY = {
  run: 'run-1',
  set: 'sha256:0123456789ab',
  completedAt: '2026-01-02T03:04:05.000Z',
  tool: 'test 1',
  rules: '1',
};
const APP_CONFIG = { mergeOf: () => ({}) };

function sealed(outcomes: readonly Outcome[]): SealedSet {
  const result = seal(outcomes, APP_CONFIG, IDENTITY);
  if (!('ready' in result)) throw new Error(`refused: ${result.map(({ error }) => error.reason).join()}`);
  return result;
}

function refusals(outcomes: readonly Outcome[]): readonly SealRefusal[] {
  const result = seal(outcomes, APP_CONFIG, IDENTITY);
  return 'ready' in result ? [] : result;
}

test('a complete set is sealed with a ledger record for each plugin', () => {
  const set = sealed([readyOutcome(testEntry(0)), readyOutcome(testEntry(3))]);
  expect(set.ledger).toMatchObject({ ...IDENTITY, schemaVersion: 1, rejected: [] });
  expect(set.ledger.plugins.map(({ dir, index }) => [dir, index])).toEqual([
    ['plugin-0', 0],
    ['plugin-3', 3],
  ]);
});

test('an empty list seals an empty set', () => {
  expect(sealed([]).ready).toEqual([]);
});

test('a failure that policy does not tolerate refuses the set', () => {
  const found = refusals([readyOutcome(testEntry(0)), rejectedOutcome(testEntry(1), 'IntegrityMismatch')]);
  expect(found.map(({ entry, error }) => [entry.index, error.reason])).toEqual([[1, 'IntegrityMismatch']]);
});

test('a tolerated failure leaves the plugin out and is named in the ledger', () => {
  const set = sealed([
    readyOutcome(testEntry(0)),
    rejectedOutcome(testEntry(1, { continueOnError: true }), 'IntegrityMismatch'),
  ]);
  expect(set.ready).toHaveLength(1);
  expect(set.ledger.rejected).toEqual([{ package: 'npm:plugin-1@1.0.0', index: 1, reason: 'integrity_mismatch' }]);
});

test.each(['VolumeNotWritable', 'VolumeFull', 'SizeBudgetExceeded', 'Internal'] as const)(
  'continueOnError does not cover %s',
  (reason) => {
    expect(refusals([rejectedOutcome(testEntry(0, { continueOnError: true }), reason)])).toHaveLength(1);
  },
);

test('two plugins with one directory are refused with both positions', () => {
  const dir = 'acme-todo' as PluginDir;
  const [conflict] = refusals([readyOutcome(testEntry(0), { dir }), readyOutcome(testEntry(4), { dir })]);
  expect(conflict?.error.reason).toBe('DirectoryConflict');
  expect(conflict?.error.message).toContain('plugins[0] (list.yaml:2:5)');
  expect(conflict?.error.message).toContain('plugins[4] (list.yaml:6:5)');
});

test('directories that differ only in case conflict', () => {
  const outcomes = [
    readyOutcome(testEntry(0), { dir: 'Todo' as PluginDir }),
    readyOutcome(testEntry(1), { dir: 'todo' as PluginDir }),
  ];
  expect(refusals(outcomes).map(({ error }) => error.reason)).toEqual(['DirectoryConflict']);
});

test('two families that cannot share a root are refused', () => {
  const outcomes = [readyOutcome(testEntry(0)), readyOutcome(testEntry(1), { family: 'forgeportal' })];
  expect(refusals(outcomes).map(({ error }) => error.reason)).toEqual(['MixedFormats']);
});

test('a family without a directory of its own may join any other', () => {
  expect(sealed([readyOutcome(testEntry(0)), readyOutcome(testEntry(1), { family: 'port' })]).ready).toHaveLength(2);
});
