import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReporter } from '../../installer/report/index.ts';
import { toLogLines } from '../../installer/report/log-line.ts';
import { formatLogfmt } from '../../installer/report/logfmt.ts';
import { instantClock } from '../support/clock.ts';
import { fuzzParameters } from '../support/fuzz.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { everyEvent, SET, summaryOf } from '../support/run-summary.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '=', ' ', '\n', '\r', '\u2028', '\u202e', '\u001b', 'a'),
    maxLength: 30,
  }),
  fc.string({ unit: fc.integer({ min: 0xd700, max: 0xe0ff }).map((code) => String.fromCharCode(code)), maxLength: 10 }),
);

/** An independent reader of logfmt: pairs `name=value` or `name="…"` separated by one blank; throws when anything is left over. */
function parseLogfmt(line: string): readonly (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  let rest = `${line} `;
  while (rest !== '') {
    const pair = /^(\w+)=(?:"((?:[^"\\]|\\["\\])*)"|([^\s"=\\]*)) /.exec(rest);
    if (pair === null) throw new Error(`not logfmt from here on: ${rest}`);
    pairs.push([pair[1] ?? '', pair[3] ?? (pair[2] ?? '').replaceAll(/\\(["\\])/g, '$1')]);
    rest = rest.slice(pair[0].length);
  }
  return pairs;
}

test('every value is read back as it was meant', () => {
  fc.assert(
    fc.property(text, (text) => {
      for (const event of everyEvent(text))
        for (const line of toLogLines(event, SET)) {
          const pairs = parseLogfmt(formatLogfmt(line, new Date(0), (value) => value));
          const own = pairs.filter(([name]) => !['ts', 'level', 'msg'].includes(name));
          expect(own).toHaveLength(line.fields.length);
          expect(Object.fromEntries(own)).toEqual(
            Object.fromEntries(line.fields.map(([name, value]) => [name, String(value)])),
          );
          expect(Object.fromEntries(pairs)).toMatchObject({ level: line.level, msg: line.msg });
        }
    }),
    fuzzParameters(),
  );
});

test.each(['logfmt', 'json'] as const)('%s writes the same number of lines whatever the text', async (format) => {
  const countOf = async (text: string): Promise<number> => {
    const stdout = memoryStream();
    const io = { stdout, clock: instantClock(), set: () => SET, secrets: () => [] };
    const reporter = await createReporter({ format, level: 'debug', color: false }, io);
    for (const event of everyEvent(text)) reporter.emit(event);
    await reporter.finish(summaryOf());
    return stdout.text().split(/[\n\r\u0085\u2028\u2029\v\f]/).length;
  };
  const expected = await countOf('x');
  await fc.assert(
    fc.asyncProperty(text, async (text) => (await countOf(text)) === expected),
    fuzzParameters(),
  );
});
