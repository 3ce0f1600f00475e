/** CWE-117: text of strangers (package names, error messages, paths) must not forge a log line or drive a terminal. */
import { expect, test } from 'vitest';
import type { LogSettings } from '../../installer/core/settings.ts';
import { createReporter } from '../../installer/report/index.ts';
import { terminationMessage } from '../../installer/report/termination.ts';
import { InstallError } from '../../installer/core/errors.ts';
import { instantClock } from '../support/clock.ts';
import { parseLogfmt } from '../support/logfmt.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { everyEvent, failureOf, runFailure, SET, summaryOf } from '../support/run-summary.ts';

const ATTACKS: readonly (readonly [string, string])[] = [
  ['line feed', 'x\nts=2026-01-01T00:00:00Z level=info event=completed installed=7'],
  ['carriage return', 'x\rlevel=info event=completed'],
  ['ESC, clear screen', 'x\u001b[2J\u001b[H'],
  ['one-byte CSI', 'x\u009b2J'],
  ['DEL', 'x\u007f\u007f\u007f'],
  ['next line (C1)', 'x\u0085event=completed'],
  ['line separator', 'x\u2028event=completed'],
  ['paragraph separator', 'x\u2029event=completed'],
  ['right-to-left override', 'x\u202egpj.exe'],
  ['isolate', 'x\u2066y\u2069'],
  ['zero-width space', 'x\u200by'],
  ['byte order mark', 'x\ufeffy'],
  ['NUL', 'x\u0000y'],
  ['lone surrogate', 'x\ud800y'],
  ['quote and space', 'x" level=info event=completed msg="'],
  ['JSON syntax', 'x","event":"completed","y":"'],
  ['OSC hyperlink', '\u001b]8;;https://evil.example\u0007click\u001b]8;;\u0007'],
];
const FORBIDDEN =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/u;

async function logOf(format: LogSettings['format'], text: string): Promise<{ text: string; lines: readonly string[] }> {
  const stdout = memoryStream();
  const io = { stdout, clock: instantClock(), set: () => SET, secrets: () => [] };
  const reporter = await createReporter({ format, level: 'debug', color: true }, io);
  const events = everyEvent(text);
  for (const event of events) reporter.emit(event);
  const last = events.at(-1);
  await reporter.finish(last?.event === 'completed' ? last.summary : summaryOf());
  return { text: stdout.text(), lines: stdout.lines() };
}

test.each(ATTACKS)('%s reaches no reporter raw and adds no line', async (_, attack) => {
  for (const format of ['logfmt', 'json', 'pretty'] as const) {
    const [harmless, attacked] = [await logOf(format, 'x'), await logOf(format, attack)];
    expect(attacked.text).not.toMatch(FORBIDDEN);
    expect(attacked.lines).toHaveLength(harmless.lines.length);
  }
});

test.each(ATTACKS)('%s forges no field of a logfmt line', async (_, attack) => {
  const { lines } = await logOf('logfmt', attack);
  const parsed = lines.map((line) => parseLogfmt(line)).flat(); // throws on what is not logfmt
  expect(parsed.filter((fields) => fields['event'] === 'completed')).toHaveLength(1);
  for (const line of lines) {
    const bare = line.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
    const names = [...bare.matchAll(/(?:^| )(\w+)=/g)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
  }
});

test.each(ATTACKS)('%s forges no field of a json line', async (_, attack) => {
  const { lines } = await logOf('json', attack);
  const events = lines.map((line) => (JSON.parse(line) as { event?: string }).event);
  expect(events.filter((event) => event === 'completed')).toHaveLength(1);
});

test.each(ATTACKS)('%s adds no line to the termination message', (_, attack) => {
  expect(messageOf(attack)).not.toMatch(FORBIDDEN);
  expect(messageOf(attack).split('\n')).toHaveLength(messageOf('x').split('\n').length);
});

function messageOf(text: string): string {
  const error = new InstallError('PathEscape', text, { details: { from: text, cause: text, fix: text } });
  const entry = { package: text, index: 0, path: text, kind: 'npm' };
  return terminationMessage(
    summaryOf([failureOf(error, 0, { entry }), runFailure('VolumeFull', text)]),
    (line) => line,
  );
}
