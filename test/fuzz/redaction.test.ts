import * as fc from 'fast-check';
import { test } from 'vitest';
import type { LogSettings } from '../../installer/core/settings.ts';
import { createReporter } from '../../installer/report/index.ts';
import { createRedactor } from '../../installer/report/redactor.ts';
import { instantClock } from '../support/clock.ts';
import { fuzzParameters } from '../support/fuzz.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { everyEvent, SET, summaryOf } from '../support/run-summary.ts';

/** `~` occurs in no field name, constant text or time stamp of a line, so whatever holds one is the secret. */
const secret = fc
  .string({ unit: fc.constantFrom(...'aZ9+/=%"\\ é~'.split('')), minLength: 3, maxLength: 30 })
  .map((text) => `~${text}~`);
const noise = fc.string({ unit: fc.constantFrom(...'aZ9+/=% "\\é'.split('')), maxLength: 20 });
const FORMS: readonly ((text: string) => string)[] = [
  (text) => text,
  encodeURIComponent,
  (text) => Buffer.from(text).toString('base64'),
  (text) => Buffer.from(text).toString('base64url'),
  (text) => Buffer.from(`user:${text}`).toString('base64'),
  (text) => Buffer.from(`u:${text}:more`).toString('base64url'),
];

test('no form of a secret survives in any text', () => {
  fc.assert(
    fc.property(secret, fc.array(noise), fc.constantFrom(...FORMS), (secret, parts, form) => {
      const text = parts.join(form(secret)) + form(secret);
      const clean = createRedactor(() => [secret])(text);
      // The core of an encoded form, without the characters that its surroundings decide.
      const core = form(secret).replace(/=+$/, '').slice(8, -1);
      return !clean.includes(form(secret)) && (core.length < 5 || form(secret) === secret || !clean.includes(core));
    }),
    fuzzParameters(),
  );
});

test('several secrets that overlap are removed whole', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 4, maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(short, { maxLength: 4 }),
      fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 60 }),
      (secrets, text) => {
        const clean = createRedactor(() => secrets)(text);
        return secrets.every((secret) => !clean.includes(secret));
      },
    ),
    fuzzParameters(),
  );
});

test.each(['logfmt', 'json', 'pretty'] as const)(
  'no secret survives in a finished line of %s',
  async (format: LogSettings['format']) => {
    await fc.assert(
      fc.asyncProperty(secret, noise, async (secret, before) => {
        const stdout = memoryStream();
        const io = { stdout, clock: instantClock(), set: () => SET, secrets: () => [secret] };
        const reporter = await createReporter({ format, level: 'debug', color: false }, io);
        for (const event of everyEvent(`${before}${secret}`)) reporter.emit(event);
        await reporter.finish(summaryOf());
        return !stdout.text().includes('~');
      }),
      fuzzParameters(),
    );
  },
);
