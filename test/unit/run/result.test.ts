import { expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import type { RunSummary } from '../../../installer/core/events.ts';
import { failedBeforeList, summarise, type RunEnd } from '../../../installer/run/result.ts';
import { readyOutcome, rejectedOutcome, testEntry, testList } from '../../support/entries.ts';

function summaryOf(end: Partial<RunEnd>): RunSummary {
  const entries = (end.outcomes ?? []).map(({ entry }) => entry);
  const nothing = { aborted: [], refusals: [], runError: undefined, removed: [], durationMs: 7 };
  return summarise({ command: 'install', list: testList(entries), outcomes: [], isDone: true, ...nothing, ...end });
}

test('a finished run counts what is on the volume', () => {
  const summary = summaryOf({ outcomes: [readyOutcome(testEntry(0)), readyOutcome(testEntry(1))], removed: ['old'] });
  expect(summary).toMatchObject({
    exitCode: 0,
    installed: 0,
    cached: 2,
    rejected: 0,
    removed: 1,
    total: 2,
    failures: [],
  });
  expect(summary.rows.map(({ status }) => status)).toEqual(['cached', 'cached']);
});

test('a failed run has installed nothing, and names every failure in list order', () => {
  const outcomes = [
    rejectedOutcome(testEntry(2), 'AuthRefused'),
    readyOutcome(testEntry(1)),
    rejectedOutcome(testEntry(0), 'IntegrityMismatch'),
  ];
  const summary = summaryOf({ outcomes, isDone: false });
  expect(summary).toMatchObject({ exitCode: 65, installed: 0, cached: 0, rejected: 2 });
  expect(summary.failures.map(({ entry }) => entry?.index)).toEqual([0, 2]);
  expect(summary.rows.map(({ status }) => status)).toEqual(['rejected', 'cached', 'rejected']);
});

test('tolerated failures leave the exit code at 0', () => {
  const tolerant = testEntry(0, { continueOnError: true });
  expect(summaryOf({ outcomes: [rejectedOutcome(tolerant, 'IntegrityMismatch')] })).toMatchObject({
    exitCode: 0,
    rejected: 1,
  });
});

test('a refusal of the whole set marks the entry it blames', () => {
  const entry = testEntry(1);
  const error = new InstallError('DirectoryConflict', 'both');
  const summary = summaryOf({
    outcomes: [readyOutcome(testEntry(0)), readyOutcome(entry)],
    refusals: [{ entry, error }],
    isDone: false,
  });
  expect(summary.exitCode).toBe(78);
  expect(summary.rows[1]).toMatchObject({ status: 'rejected', reason: 'DirectoryConflict' });
  const verified = summaryOf({
    outcomes: [readyOutcome(testEntry(0)), readyOutcome(entry)],
    command: 'verify',
    refusals: [{ entry, error }],
    isDone: false,
  });
  expect(verified).toMatchObject({ cached: 1, rejected: 1 });
});

test('a failure of the run leads the failures and decides by precedence', () => {
  const runError = new InstallError('Terminated', 'stop');
  const summary = summaryOf({ outcomes: [rejectedOutcome(testEntry(0), 'AuthRefused')], runError, isDone: false });
  expect(summary.exitCode).toBe(143);
  expect(summary.failures[0]?.error).toBe(runError);
});

test('a failed verify still says what passed', () => {
  const outcomes = [readyOutcome(testEntry(0)), rejectedOutcome(testEntry(1), 'IntegrityMismatch')];
  const summary = summaryOf({ command: 'verify', outcomes, isDone: false });
  expect(summary.exitCode).toBe(65);
  expect(summary.rows.map(({ status }) => status)).toEqual(['verified', 'rejected']);
});

test('verify says verified', () => {
  expect(summaryOf({ command: 'verify', outcomes: [readyOutcome(testEntry(0))] }).rows[0]?.status).toBe('verified');
});

test('a failure before the list is known still has an exit code', () => {
  expect(failedBeforeList('install', new InstallError('ListInvalid', 'bad'), 3)).toMatchObject({
    exitCode: 78,
    total: 0,
    set: '',
  });
});
