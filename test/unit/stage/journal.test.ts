import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NODE_FILES } from '../../../installer/stage/file-operations.ts';
import { journalPath, readJournal, writeJournal, type Journal, type Move } from '../../../installer/stage/journal.ts';

let run: string;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'journal-'));
});
afterEach(() => {
  rmSync(run, { recursive: true, force: true });
});

const journal = (...moves: Move[]): Journal => ({ schemaVersion: 1, run: 'r', moves });

test('survives being written and read, also with odd names', () => {
  const whole = journal(
    { kind: 'make', path: 'node_modules' },
    { kind: 'out', path: '.hidden', to: 'old/0' },
    { kind: 'out', path: 'a\nb "c" …', to: 'old/1' },
    { kind: 'out', path: '...', to: 'old/2' },
    { kind: 'in', from: '3/tree', path: 'node_modules/@acme/x' },
    { kind: 'replace', from: 'new/x', path: 'x', saved: 'old/3' },
    { kind: 'replace', from: 'new/y', path: 'y' },
  );
  writeJournal(NODE_FILES, run, whole);
  expect(readJournal(NODE_FILES, run)).toEqual(whole);
  expect(readdirSync(run)).toEqual(['journal.json']);
});

test('absent is undefined', () => {
  expect(readJournal(NODE_FILES, run)).toBeUndefined();
});

test.each([
  '',
  '{',
  '{"schemaVersion":2,"run":"r","moves":[]}',
  '{"schemaVersion":1,"run":"r","moves":[{"kind":"copy"}]}',
])('%j is unreadable', (content) => {
  writeFileSync(journalPath(run), content);
  expect(readJournal(NODE_FILES, run)).toBe('unreadable');
});

test('a directory in its place is unreadable', () => {
  mkdirSync(journalPath(run));
  expect(readJournal(NODE_FILES, run)).toBe('unreadable');
});

test.each(['/etc', '../x', 'a/../b', '.', '', 'a/', 'a//b', 'a/.', 'a\0b'])('the path %j is unreadable', (path) => {
  writeFileSync(journalPath(run), JSON.stringify(journal({ kind: 'in', from: '3/tree', path })));
  expect(readJournal(NODE_FILES, run)).toBe('unreadable');
});
