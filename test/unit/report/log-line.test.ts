import { describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import type { RunEvent } from '../../../installer/core/events.ts';
import { toLogLines, type LogLine } from '../../../installer/report/log-line.ts';
import {
  COMPUTED,
  EXPECTED,
  failureOf,
  integrityMismatch,
  runFailure,
  SET,
  summaryOf,
} from '../../support/run-summary.ts';

const subject = { package: 'oci://ghcr.io/acme/todo:1', index: 1 };

function fieldsOf(line: LogLine | undefined): Readonly<Record<string, unknown>> {
  return Object.fromEntries(line?.fields ?? []);
}

function rejected(error: InstallError, kind: string): RunEvent {
  return { event: 'plugin_rejected', error, durationMs: 7, tolerated: false, kind, path: 'plugins[1]', ...subject };
}

describe('fields that scripts of Butler Portal match', () => {
  test('startup', () => {
    const [line] = toLogLines(
      {
        event: 'startup',
        configFile: '/etc/list.yaml',
        root: '/dynamic-plugins-root',
        continueOnError: false,
        pluginCount: 3,
        allowedSources: 2,
        version: '1.0.0',
      },
      SET,
    );
    expect(line).toMatchObject({ level: 'info' });
    expect(fieldsOf(line)).toMatchObject({
      event: 'startup',
      set: SET,
      config_file: '/etc/list.yaml',
      root: '/dynamic-plugins-root',
      continue_on_error: false,
      plugin_count: 3,
      allowed_sources: 2,
    });
  });

  test('permissive mode is a warning', () => {
    const [line] = toLogLines({ event: 'startup_permissive_mode' }, SET);
    expect(line?.level).toBe('warn');
    expect(fieldsOf(line)).toMatchObject({ reason: 'allowedSources_unset_permissive' });
  });

  test('an installed plugin carries digest_verified=ok', () => {
    const [line] = toLogLines(
      {
        event: 'plugin_installed',
        name: '@acme/todo',
        version: '1.4.2',
        dest: 'acme-todo',
        integrity: EXPECTED,
        bytes: 10,
        files: 2,
        durationMs: 5,
        verifyOnly: false,
        ...subject,
      },
      SET,
    );
    expect(fieldsOf(line)).toMatchObject({
      integrity: EXPECTED,
      digest_verified: 'ok',
      name: '@acme/todo',
      dest: 'acme-todo',
    });
  });

  test.each([
    ['oci', 'AuthRefused', { reason: 'oci_pull_failed', code: 'auth_refused' }],
    ['oci', 'UnexpectedContent', { reason: 'oci_pull_failed', code: 'unexpected_content' }],
    ['oci', 'IntegrityMismatch', { reason: 'integrity_mismatch' }],
    ['oci', 'SourceNotAllowed', { reason: 'source_not_allowed' }],
    ['npm', 'AuthRefused', { reason: 'auth_refused' }],
  ] as const)('%s %s is logged as %j', (kind, reason, expected) => {
    const fields = fieldsOf(toLogLines(rejected(new InstallError(reason, 'failed'), kind), SET)[0]);
    expect({ reason: fields['reason'], code: fields['code'] }).toEqual({ code: undefined, ...expected });
  });

  test('a failed run says continueOnError_false, and completed is still last', () => {
    const lines = toLogLines({ event: 'completed', summary: summaryOf([failureOf(integrityMismatch())]) }, SET);
    expect(lines.map((line) => fieldsOf(line)['event'])).toEqual([undefined, 'completed']);
    expect(lines[0]?.msg).toContain('continueOnError_false');
  });

  test('a tolerated failure does not say continueOnError_false', () => {
    const summary = summaryOf([failureOf(integrityMismatch(), 3, { tolerated: true })], { continueOnError: true });
    expect(toLogLines({ event: 'completed', summary }, SET)).toHaveLength(1);
  });

  test('completed counts', () => {
    const [line] = toLogLines({ event: 'completed', summary: summaryOf([], { skipped: 1, removed: 2 }) }, SET);
    expect(line?.level).toBe('info');
    expect(fieldsOf(line)).toMatchObject({
      installed: 2,
      cached: 5,
      rejected: 0,
      skipped: 1,
      removed: 2,
      exitCode: 0,
      durationMs: 3400,
    });
  });
});

test('msg alone states expected and computed value of an integrity failure in full, cause and fix', () => {
  const [line] = toLogLines(rejected(integrityMismatch(), 'npm'), SET);
  for (const part of [subject.package, EXPECTED, COMPUTED, 'stale or wrong', 'check the release'])
    expect(line?.msg).toContain(part);
});

test('msg does not repeat what the message of the error says already', () => {
  const error = new InstallError('IntegrityMismatch', 'expected EEEE, computed CCCC, because of X', {
    details: { expected: 'EEEE', computed: 'CCCC', cause: 'because of X' },
  });
  const [line] = toLogLines(rejected(error, 'npm'), SET);
  for (const part of ['EEEE', 'CCCC', 'because of X']) expect(line?.msg.split(part)).toHaveLength(2);
});

test('details become fields of their own but never replace a field of the event', () => {
  const error = new InstallError('PackageJsonInvalid', 'main is wrong', {
    details: {
      file: 'package.json',
      jsonPath: 'main',
      event: 'completed',
      level: 'info',
      ts: 'x',
      'a b': 'y',
      items: ['a', 'b'],
    },
  });
  const [line] = toLogLines(rejected(error, 'npm'), SET);
  const names = line?.fields.map(([name]) => name) ?? [];
  expect(new Set(names).size).toBe(names.length);
  expect(names).not.toContain('a b');
  expect(fieldsOf(line)).toMatchObject({
    event: 'plugin_rejected',
    file: 'package.json',
    jsonPath: 'main',
    items: 'a, b',
  });
});

test('each problem of a list is a line of its own without an event name', () => {
  const problems = ['list.yaml:1:1 first', 'list.yaml:2:1 second'];
  const failure = runFailure('ListInvalid', 'list.yaml:1:1 first (and 1 more)', { problems, count: 2 });
  const lines = toLogLines({ event: 'completed', summary: summaryOf([failure]) }, '');
  expect(lines.map((line) => [line.level, line.msg]).slice(0, 2)).toEqual(
    problems.map((problem) => ['error', problem]),
  );
  expect(fieldsOf(lines[0])).toEqual({ reason: 'list_invalid' });
  expect(fieldsOf(lines[2])).toMatchObject({ event: 'completed', exitCode: 78 });
});

test('notes and heartbeats carry no event name', () => {
  const [line] = toLogLines({ event: 'note', level: 'info', text: 'downloading', subject, bytes: 5, total: 10 }, SET);
  expect(fieldsOf(line)).toEqual({ package: subject.package, index: 1, set: SET, bytes: 5, total: 10 });
});

test('progress is never logged', () => {
  expect(toLogLines({ event: 'progress', step: 'fetch', ...subject }, SET)).toEqual([]);
});
