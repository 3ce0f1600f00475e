import { expect, test } from 'vitest';
import { formatLogfmt } from '../../../installer/report/logfmt.ts';
import { toLogLines } from '../../../installer/report/log-line.ts';
import { createReporter } from '../../../installer/report/index.ts';
import { instantClock } from '../../support/clock.ts';
import { memoryStream } from '../../support/memory-stream.ts';
import { failureOf, integrityMismatch, SET, summaryOf } from '../../support/run-summary.ts';

const AT = new Date('2026-01-02T03:04:05.678Z');

test('a line has ts, level, the common fields, msg, then its own fields', () => {
  const [line] = toLogLines({ event: 'plugin_removed', dest: 'acme todo' }, SET);
  expect(line === undefined ? '' : formatLogfmt(line, AT, (text) => text)).toBe(
    `ts=2026-01-02T03:04:05.678Z level=info event=plugin_removed set=${SET} msg="plugin removed: acme todo is not part of the new set" dest="acme todo"`,
  );
});

test.each([
  ['', '""'],
  ['plain-1.0/x:y', 'plain-1.0/x:y'],
  ['sha512-AA==', '"sha512-AA=="'],
  ['a "quoted" \\ text', '"a \\"quoted\\" \\\\ text"'],
  ['é', '"é"'],
])('the value %j is written as %s', (value, written) => {
  const line = { level: 'info', msg: 'x', fields: [['dest', value]] } as const;
  expect(formatLogfmt(line, AT, (text) => text).endsWith(` msg=x dest=${written}`)).toBe(true);
});

test('lines below the configured level are not written', async () => {
  const stdout = memoryStream();
  const io = { stdout, clock: instantClock(), set: () => SET, secrets: () => [] };
  const reporter = await createReporter({ format: 'logfmt', level: 'error', color: false }, io);
  reporter.emit({ event: 'note', level: 'warn', text: 'not this' });
  await reporter.finish(summaryOf([failureOf(integrityMismatch())]));
  expect(stdout.lines().map((line) => /level=(\w+)/.exec(line)?.[1])).toEqual(['error']);
});
