import { expect, test } from 'vitest';
import type { AbsPath, Entry, Ledger, LedgerRecord } from '../../../installer/core/types.ts';
import { reuse } from '../../../installer/run/reuse.ts';
import { testEntry, testRecord, testReference } from '../../support/entries.ts';

function tryReuse(entry: Entry, record: LedgerRecord, isIntact = true): string | undefined {
  const ledger: Ledger = {
    schemaVersion: 1,
    run: 'r',
    set: 's',
    completedAt: 't',
    tool: 't',
    plugins: [record],
    outputs: [],
    rejected: [],
  };
  return reuse(entry, { ledger, root: '/root' as AbsPath, isIntact: () => isIntact })?.state;
}

test('an entry with the pin of the ledger and intact files is kept', () => {
  expect(tryReuse(testEntry(0), testRecord(testEntry(0)))).toBe('kept');
});

test('the position in the list does not matter', () => {
  expect(
    tryReuse(
      testEntry(7, { package: 'npm:a@1', pin: 'p' }),
      testRecord(testEntry(0, { package: 'npm:a@1', pin: 'p' })),
    ),
  ).toBe('kept');
});

test.each([
  ['another reference', testEntry(0, { package: 'npm:other@1.0.0' }), true],
  ['another pin', testEntry(0, { pin: 'integrity:sha512-other' }), true],
  ['a pin that was taken away', testEntry(0, { pin: undefined }), true],
  ['another format', testEntry(0, { format: 'backstage' }), true],
  ['files that are not intact', testEntry(0), false],
])('nothing is kept with %s', (_, entry, isIntact) => {
  expect(tryReuse(entry, testRecord(testEntry(0)), isIntact)).toBeUndefined();
});

test('Always looks an unpinned entry up again and keeps a pinned one', () => {
  const unpinned = testEntry(0, { pin: undefined, pullPolicy: 'Always' });
  expect(tryReuse(unpinned, testRecord(unpinned))).toBeUndefined();
  expect(tryReuse({ ...unpinned, pullPolicy: 'IfNotPresent' }, testRecord(unpinned))).toBe('kept');
  const pinned = testEntry(0, { pullPolicy: 'Always' });
  expect(tryReuse(pinned, testRecord(pinned))).toBe('kept');
});

test('an unpinned local reference is read again', () => {
  const local = testEntry(0, { pin: undefined, reference: testReference('./dir', { isLocal: true }) });
  expect(tryReuse(local, testRecord(local))).toBeUndefined();
});

test('an unpinned URL with a query is not taken for another one that is redacted alike', () => {
  const entry = testEntry(0, { package: 'https://host.example/a.tgz?…', pin: undefined });
  expect(tryReuse(entry, testRecord(entry))).toBeUndefined();
});
