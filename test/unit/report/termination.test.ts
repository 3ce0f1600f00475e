import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import {
  TERMINATION_BYTES,
  terminationMessage,
  writeTerminationMessage,
} from '../../../installer/report/termination.ts';
import { COMPUTED, EXPECTED, failureOf, integrityMismatch, runFailure, summaryOf } from '../../support/run-summary.ts';

const plain = (text: string): string => text;
const linesOf = (text: string): readonly string[] => text.split('\n');

describe('the message', () => {
  test('a failed plugin is told as docs/contracts.md shows it', () => {
    expect(terminationMessage(summaryOf([failureOf(integrityMismatch())]), plain)).toMatchInlineSnapshot(`
      "IntegrityMismatch: 1 of 7 plugins failed, portal not started (continueOnError=false)
      plugin:   @acme/backstage-plugin-todo@1.4.2  (dynamicPlugins.plugins[3])
      source:   https://npm.acme.internal/@acme/backstage-plugin-todo/-/backstage-plugin-todo-1.4.2.tgz
      expected: sha512-EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE==
      computed: sha512-CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC==
      cause:    the registry's own record matches the download, so the pinned value is stale or wrong
      fix:      check the release, then set dynamicPlugins.plugins[3].integrity to the computed value
      exit:     65  set: sha256:3f9a0c1d22ab"
    `);
  });

  test('success is one line', () => {
    expect(terminationMessage(summaryOf(), plain)).toMatchInlineSnapshot(
      `"ok: 7 plugins (5 cached, 2 fetched, 1.9 MB) in 3.4s set=sha256:3f9a0c1d22ab"`,
    );
  });

  test('success with a tolerated failure is one line that names it', () => {
    const summary = summaryOf([failureOf(integrityMismatch(), 3, { tolerated: true })], {
      installed: 1,
      cached: 5,
      continueOnError: true,
    });
    expect(terminationMessage(summary, plain)).toMatchInlineSnapshot(
      `"ok: 6 plugins (5 cached, 1 fetched, 1.9 MB), 1 rejected (IntegrityMismatch dynamicPlugins.plugins[3]) in 3.4s set=sha256:3f9a0c1d22ab"`,
    );
  });

  test('a list with several problems shows one line each', () => {
    const problems = [
      'values.yaml:4:7 dynamicPlugins.plugins[0].integrity: is missing. Fix: add it',
      'values.yaml:9:5 dynamicPlugins.plugins[2].pakage: is not a known key. Fix: write package',
    ];
    const failure = runFailure('ListInvalid', `${problems[0]} (and 1 more)`, { problems, count: 2 });
    expect(terminationMessage(summaryOf([failure], { set: '' }), plain)).toMatchInlineSnapshot(`
      "ListInvalid: 2 problems in the plugin list, portal not started
      values.yaml:4:7 dynamicPlugins.plugins[0].integrity: is missing. Fix: add it
      values.yaml:9:5 dynamicPlugins.plugins[2].pakage: is not a known key. Fix: write package
      exit:     78"
    `);
  });

  test('problems that were not collected count among those that are left', () => {
    const problems = Array.from({ length: 100 }, (_, index) => `values.yaml:${index}:1 ${'x'.repeat(200)}`);
    const failure = runFailure('ListInvalid', 'many', { problems: [...problems, '… and 4900 more'], count: 5000 });
    const lines = linesOf(terminationMessage(summaryOf([failure], { set: '' }), plain));
    const shown = lines.filter((line) => line.startsWith('values.yaml')).length;
    expect(lines).toContain(`+${5000 - shown} more, see logs`);
  });

  test('a failure of the run says what failed in the first line', () => {
    const failure = runFailure('VolumeNotWritable', '/dynamic-plugins-root cannot be written: EROFS');
    const [first, second] = linesOf(terminationMessage(summaryOf([failure]), plain));
    expect(first).toBe('VolumeNotWritable: /dynamic-plugins-root cannot be written: EROFS, portal not started');
    expect(second).toMatch(/^fix: {6}\S/);
  });

  test('the failure that decides the exit code comes first, tolerated ones last', () => {
    const tolerated = failureOf(new InstallError('AuthRefused', 'refused'), 0, { tolerated: true });
    const later = failureOf(new InstallError('RegistryUnavailable', 'down'), 1);
    const deciding = failureOf(integrityMismatch(), 2);
    const lines = linesOf(terminationMessage(summaryOf([tolerated, later, deciding]), plain));
    expect(lines[0]).toMatch(/^IntegrityMismatch: 3 of 7 plugins failed/);
    expect(lines.filter((line) => line.startsWith('plugin:')).map((line) => /\[(\d)\]/.exec(line)?.[1])).toEqual([
      '2',
      '1',
      '0',
    ]);
    expect(lines).toContain('reason:   AuthRefused (tolerated)');
  });

  test('blocks that do not fit are counted', () => {
    const failures = Array.from({ length: 12 }, (_, index) => failureOf(integrityMismatch(), index));
    const text = terminationMessage(summaryOf(failures), plain);
    const shown = linesOf(text).filter((line) => line.startsWith('plugin:')).length;
    expect(shown).toBeGreaterThan(1);
    expect(linesOf(text).at(-2)).toBe(`+${12 - shown} more, see logs`);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(TERMINATION_BYTES);
  });

  test('both hashes stay whole however long everything else is', () => {
    const long = 'x'.repeat(5000);
    const error = integrityMismatch({ from: long, cause: long, fix: long });
    const entry = { package: long, index: 0, path: long, kind: 'npm' };
    const text = terminationMessage(summaryOf([failureOf(error, 0, { entry })]), plain);
    expect(linesOf(text)).toEqual(
      expect.arrayContaining([
        `expected: ${EXPECTED}`,
        `computed: ${COMPUTED}`,
        'exit:     65  set: sha256:3f9a0c1d22ab',
      ]),
    );
  });

  test.each([
    ['continueOnError=false', false, integrityMismatch()],
    ['continueOnError=false on the entry', true, integrityMismatch()],
    ['continueOnError does not cover this', true, new InstallError('SizeBudgetExceeded', 'too large')],
  ])('the policy that applied is named: %s', (policy, continueOnError, error) => {
    const [first] = linesOf(terminationMessage(summaryOf([failureOf(error)], { continueOnError }), plain));
    expect(first?.endsWith(`(${policy})`)).toBe(true);
  });

  test('commands other than install do not speak of the portal', () => {
    const [first] = linesOf(
      terminationMessage(summaryOf([failureOf(integrityMismatch())], { command: 'verify' }), plain),
    );
    expect(first).toBe('IntegrityMismatch: 1 of 7 plugins failed (continueOnError=false)');
  });

  test('a secret is removed before a line is cut, so that no half of it stays', () => {
    const secret = 'hunter2-hunter2-hunter2';
    const error = new InstallError('RegistryUnavailable', `${'x'.repeat(590 - 10)}${secret}`);
    const text = terminationMessage(summaryOf([failureOf(error)]), (line) => line.replaceAll(secret, '***'));
    expect(text).not.toContain('hunter2');
  });
});

describe('writing it', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'termination-'));
  });
  afterEach(async () => rm(directory, { recursive: true, force: true }));

  test('replaces what an earlier attempt left in the file', async () => {
    const path = join(directory, 'log');
    await writeFile(path, 'a much longer message of the attempt before');
    expect(await writeTerminationMessage(path, 'ok')).toBeUndefined();
    expect(await readFile(path, 'utf8')).toBe('ok');
  });

  test('does not follow a link and says so', async () => {
    const target = join(directory, 'target');
    await writeFile(target, 'precious');
    await symlink(target, join(directory, 'log'));
    expect(await writeTerminationMessage(join(directory, 'log'), 'ok')).toMatchObject({
      reason: 'TerminationLogUnavailable',
    });
    expect(await readFile(target, 'utf8')).toBe('precious');
  });

  test('a path in no directory is a notice, not an error', async () => {
    expect(await writeTerminationMessage(join(directory, 'absent', 'log'), 'ok')).toMatchObject({
      reason: 'TerminationLogUnavailable',
    });
  });

  test('a directory in its place is a notice, not an error', async () => {
    expect(await writeTerminationMessage(directory, 'ok')).toMatchObject({ reason: 'TerminationLogUnavailable' });
  });
});
