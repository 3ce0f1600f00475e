/** Every registered reporter keeps the promises of docs/contracts.md, "Logs". */
import { describe, expect, test } from 'vitest';
import type { LogSettings } from '../../installer/core/settings.ts';
import { createReporter, REPORTERS } from '../../installer/report/index.ts';
import type { Reporter, TextStream } from '../../installer/report/reporter.ts';
import { instantClock } from '../support/clock.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { everyEvent, failureOf, integrityMismatch, SET, summaryOf } from '../support/run-summary.ts';

const FORMATS = Object.keys(REPORTERS) as LogSettings['format'][]; // keys of a constant table

async function reporterOn(
  stdout: TextStream,
  format: LogSettings['format'],
  secrets: readonly string[] = [],
): Promise<Reporter> {
  const io = { stdout, clock: instantClock(), set: () => SET, secrets: () => secrets };
  return createReporter({ format, level: 'debug', color: true }, io);
}

describe.each(FORMATS)('%s', (format) => {
  test('takes every event and writes whole lines without control characters', async () => {
    const stdout = memoryStream();
    const reporter = await reporterOn(stdout, format);
    for (const event of everyEvent('text')) reporter.emit(event);
    await reporter.finish(summaryOf([failureOf(integrityMismatch())]));
    expect(stdout.text()).toMatch(/^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]+\n$/);
  });

  test('finish alone reports the end, and nothing comes after it', async () => {
    const stdout = memoryStream();
    const reporter = await reporterOn(stdout, format);
    await reporter.finish(summaryOf());
    const after = stdout.text();
    expect(after).toContain('ok: 7 plugins');
    reporter.emit({ event: 'note', level: 'error', text: 'too late' });
    await reporter.finish(summaryOf());
    expect(stdout.text()).toBe(after);
  });

  test('finish waits until the stream has taken everything', async () => {
    const pending: (() => void)[] = [];
    const stdout: TextStream = { write: (_, written) => pending.push(written ?? ((): void => undefined)) };
    const reporter = await reporterOn(stdout, format);
    let isFinished = false;
    const finished = (async (): Promise<void> => {
      await reporter.finish(summaryOf());
      isFinished = true;
    })();
    await Promise.resolve();
    expect(isFinished).toBe(false);
    while (pending.length > 0) pending.pop()?.();
    await finished;
    expect(isFinished).toBe(true);
  });

  test('no secret survives', async () => {
    const stdout = memoryStream();
    const reporter = await reporterOn(stdout, format, ['s3cret-"value"']);
    for (const event of everyEvent('a s3cret-"value" b')) reporter.emit(event);
    await reporter.finish(summaryOf());
    expect(stdout.text()).not.toContain('s3cret');
    expect(stdout.text()).toContain('***');
  });

  test('an integrity failure is told with both values in full', async () => {
    const stdout = memoryStream();
    const reporter = await reporterOn(stdout, format);
    const { error, entry, tolerated } = failureOf(integrityMismatch());
    const subject = { package: entry?.package ?? '', index: 3, kind: 'npm', path: entry?.path ?? '' };
    reporter.emit({ event: 'plugin_rejected', error, durationMs: 1, tolerated, ...subject });
    await reporter.finish(summaryOf([failureOf(integrityMismatch())]));
    for (const value of [error.details['expected'], error.details['computed'], entry?.package])
      expect(stdout.text()).toContain(value);
  });
});

test.each(FORMATS)('%s writes format specifiers in a text as they are', async (format) => {
  const stdout = memoryStream();
  const reporter = await reporterOn(stdout, format);
  reporter.emit({ event: 'note', level: 'warn', text: '100%% %s %d %j %o' });
  await reporter.finish(summaryOf());
  expect(stdout.text()).toContain('100%% %s %d %j %o');
});

describe.each(['logfmt', 'json'] as const)('%s', (format) => {
  test('completed is the last line', async () => {
    const stdout = memoryStream();
    const reporter = await reporterOn(stdout, format);
    for (const event of everyEvent('text')) reporter.emit(event);
    await reporter.finish(summaryOf());
    expect(stdout.lines().at(-1)).toMatch(/event=completed|"event":"completed"/);
    expect(stdout.text().match(/event=completed|"event":"completed"/g)).toHaveLength(1);
  });
});

test('json and logfmt write the same fields for every event', async () => {
  const [logfmt, json] = [memoryStream(), memoryStream()];
  for (const [stdout, format] of [
    [logfmt, 'logfmt'],
    [json, 'json'],
  ] as const) {
    const reporter = await reporterOn(stdout, format);
    for (const event of everyEvent('text')) reporter.emit(event);
    await reporter.finish(summaryOf());
  }
  const names = logfmt
    .lines()
    .map((line) => [...line.matchAll(/(?:^| )(\w+)=(?:"(?:[^"\\]|\\.)*"|[^" ]*)/g)].map(([, name]) => name));
  const parsed = json.lines().map((line) => Object.keys(JSON.parse(line) as Record<string, unknown>));
  expect(names.map((line) => new Set(line.map((name) => (name === 'ts' ? 'time' : name))))).toEqual(
    parsed.map((line) => new Set(line)),
  );
});

test('every json line is an object with level, time in UTC and msg', async () => {
  const stdout = memoryStream();
  const reporter = await reporterOn(stdout, 'json');
  for (const event of everyEvent('text')) reporter.emit(event);
  await reporter.finish(summaryOf());
  for (const line of stdout.lines())
    expect(JSON.parse(line)).toMatchObject({
      level: expect.stringMatching(/^(?:debug|info|warn|error)$/) as string,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      msg: expect.stringMatching(/\S/) as string,
    });
});
