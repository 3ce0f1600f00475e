import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseChallenges } from '../../installer/oci/challenge.ts';
import { fuzzParameters } from '../support/fuzz.ts';

const token = fc.string({ unit: fc.constantFrom(...'abcXYZ09-_.~!'.split('')), minLength: 1, maxLength: 8 });
const quoted = fc.string({ unit: fc.constantFrom(...'a,= "\\\té'.split('')), maxLength: 12 });
const challenge = fc.record({
  scheme: token,
  params: fc.uniqueArray(fc.tuple(token, quoted), {
    minLength: 1,
    maxLength: 4,
    selector: ([name]) => name.toLowerCase(),
  }),
});
const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

test('what is written by the grammar is read back, several challenges in one header', () => {
  fc.assert(
    fc.property(
      fc.array(challenge, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(',', ', ', ' ,\t'),
      (challenges, comma) => {
        const header = challenges
          .map(
            ({ scheme, params }) => `${scheme} ${params.map(([name, value]) => `${name}=${quote(value)}`).join(comma)}`,
          )
          .join(comma);
        const expected = challenges.map(({ scheme, params }) => ({
          scheme: scheme.toLowerCase(),
          params: new Map(params.map(([name, value]) => [name.toLowerCase(), value])),
        }));
        expect(parseChallenges([header])).toEqual(expected);
      },
    ),
    fuzzParameters(),
  );
});

test('no header makes it throw, and everything it returns has a scheme', () => {
  const pieces = fc.array(
    fc.constantFrom('Bearer', 'Basic', ' ', ',', '=', '"', '\\', 'realm', 'a', 'é', '\u0000', '=='),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          pieces.map((list) => list.join('')),
          fc.string({ unit: 'binary' }),
        ),
        { maxLength: 3 },
      ),
      (headers) => {
        for (const { scheme } of parseChallenges(headers)) expect(scheme).toMatch(/^[^\s,="]+$/);
      },
    ),
    fuzzParameters(),
  );
});

test.each(['"', '",', 'a="', 'a=", ', '\\"', 'a=\\"', 'Basic ', 'x=,', 'a a="\\'])(
  'sixteen kilobytes of %j take no more than linear time',
  (piece) => {
    const header = (size: number): string => piece.repeat(Math.ceil(size / piece.length));
    const cost = (size: number): number => {
      const text = header(size);
      const start = performance.now();
      for (let run = 0; run < 5; run += 1) parseChallenges([text]);
      return performance.now() - start;
    };
    cost(4096);
    // Quadratic work would be some hundred milliseconds here; linear is about one.
    expect(cost(65_536)).toBeLessThan(500);
  },
);
