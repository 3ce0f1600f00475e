import * as fc from 'fast-check';
import { test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import type { Failure } from '../../installer/core/events.ts';
import { REASONS, type Reason } from '../../installer/core/reasons.ts';
import { createRedactor } from '../../installer/report/redactor.ts';
import { TERMINATION_BYTES, terminationMessage } from '../../installer/report/termination.ts';
import { fuzzParameters } from '../support/fuzz.ts';
import { summaryOf } from '../support/run-summary.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 3000 }),
  fc.string({ unit: 'grapheme', maxLength: 600 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)), maxLength: 100 }),
  fc.nat(4000).map((length) => '🧩'.repeat(length)),
);
const problem = text.filter((line) => line !== '');
const reasons = Object.keys(REASONS) as Reason[]; // keys of a constant table
const failures: fc.Arbitrary<Failure> = fc
  .record({
    reason: fc.constantFrom(...reasons.filter((reason) => REASONS[reason].exit !== 0)),
    message: text,
    details: fc.record(
      {
        expected: text,
        computed: text,
        from: text,
        cause: text,
        fix: text,
        problems: fc.array(problem, { maxLength: 30 }),
      },
      { requiredKeys: [] },
    ),
    entry: fc.option(fc.record({ package: text, index: fc.nat(), path: text, kind: fc.constant('oci') }), {
      nil: undefined,
    }),
    tolerated: fc.boolean(),
  })
  .map(({ reason, message, details, entry, tolerated }) => ({
    error: new InstallError(reason, message, { details }),
    tolerated,
    ...(entry === undefined ? {} : { entry }),
  }));
const summaries = fc
  .record({ failures: fc.array(failures, { maxLength: 40 }), continueOnError: fc.boolean() })
  .map(({ failures, continueOnError }) => summaryOf(failures, { continueOnError }));

test('the message is at most 2,000 bytes of valid UTF-8, and every line of it says something', () => {
  fc.assert(
    fc.property(summaries, (summary) => {
      const message = terminationMessage(summary, (line) => line);
      const lines = message.split('\n');
      return (
        Buffer.byteLength(message) <= TERMINATION_BYTES &&
        message.isWellFormed() &&
        lines.every((line) => line !== '' && !/[\u0000-\u001f\u007f-\u009f]/.test(line))
      );
    }),
    fuzzParameters(),
  );
});

test('the first line stands alone: a reason or success, whatever follows', () => {
  fc.assert(
    fc.property(summaries, (summary) => {
      const [first = ''] = terminationMessage(summary, (line) => line).split('\n');
      return summary.exitCode === 0
        ? first.startsWith('ok: ')
        : reasons.some((reason) => first.startsWith(`${reason}: `));
    }),
    fuzzParameters(),
  );
});

test('every failure is shown or counted', () => {
  fc.assert(
    fc.property(summaries, (summary) => {
      const lines = terminationMessage(summary, (line) => line).split('\n');
      const isList = summary.failures.some(
        ({ error, entry }) => entry === undefined && Array.isArray(error.details['problems']),
      );
      if (summary.exitCode === 0 || isList) return true;
      const more = Number(/^\+(\d+) more, see logs$/.exec(lines.at(-2) ?? '')?.[1] ?? 0);
      // Each shown block begins with `reason:`, the first one is named by the headline.
      const shown =
        lines.filter((line) => line.startsWith('reason:')).length + (more === summary.failures.length ? 0 : 1);
      return shown + more === summary.failures.length;
    }),
    fuzzParameters(),
  );
});

test('no secret survives the cutting of lines', () => {
  const secrets = fc.string({ unit: fc.constantFrom(...'abcXYZ019_-'.split('')), minLength: 8, maxLength: 40 });
  fc.assert(
    fc.property(secrets, fc.nat(700), (secret, offset) => {
      const error = new InstallError('RegistryUnavailable', `${' '.repeat(offset)}${secret}`, {
        details: { cause: `${' '.repeat(offset)}${secret}` },
      });
      const message = terminationMessage(
        summaryOf([{ error, tolerated: false }]),
        createRedactor(() => [secret]),
      );
      // Half of it would be as bad: no piece of 6 characters may be left either.
      return (
        !message.includes(secret.slice(0, 6)) ||
        'RegistryUnavailable cause: fix: exit: sha256:'.includes(secret.slice(0, 6))
      );
    }),
    fuzzParameters(),
  );
});
