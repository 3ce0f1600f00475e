import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import {
  decidingAlgorithm,
  digestToIntegrity,
  integrityOf,
  matchesIntegrity,
  parseDigest,
  parseIntegrity,
  type Integrity,
} from '../../installer/core/integrity.ts';
import type { Computed, HashAlgorithm } from '../../installer/core/types.ts';
import { fuzzParameters } from '../support/fuzz.ts';

const BYTES: Readonly<Record<HashAlgorithm, number>> = { sha256: 32, sha384: 48, sha512: 64 };
const ALGORITHMS: readonly HashAlgorithm[] = ['sha256', 'sha384', 'sha512'];
/** Written out once more, as the oracle: an implementation may not be its own judge. */
const STRICT = /^(?:sha256-[A-Za-z0-9+/]{43}=|sha384-[A-Za-z0-9+/]{64}|sha512-[A-Za-z0-9+/]{86}==)$/;

const algorithm = fc.constantFrom(...ALGORITHMS);
const token = algorithm.chain((name) =>
  fc.uint8Array({ minLength: BYTES[name], maxLength: BYTES[name] }).map((hash) => integrityOf(name, Buffer.from(hash))),
);
const space = fc.stringMatching(/^[\t\n\f\r ]{1,3}$/);
const list = fc.uniqueArray(token, { minLength: 1, maxLength: 8 });
const content = fc.uint8Array({ maxLength: 200 });

function accepted(text: string): Integrity | undefined {
  try {
    return parseIntegrity(text);
  } catch (error) {
    expect(error).toBeInstanceOf(InstallError);
    expect((error as InstallError).reason).toBe('IntegrityMalformed');
    return undefined;
  }
}

function hashes(bytes: Uint8Array): Required<Computed> {
  const of = (name: HashAlgorithm): Integrity => integrityOf(name, createHash(name).update(bytes).digest());
  return { sha256: of('sha256'), sha384: of('sha384'), sha512: of('sha512') };
}

test('one to eight values in any ASCII white space are read, and read back the same', () => {
  fc.assert(
    fc.property(list, space, (tokens, blank) => {
      const canonical = parseIntegrity(`${blank}${tokens.join(blank)}${blank}`);
      expect(canonical).toBe(tokens.join(' '));
      expect(parseIntegrity(canonical)).toBe(canonical);
    }),
    fuzzParameters(),
  );
});

test('whatever is accepted is canonical SRI and nothing else', () => {
  const near = fc
    .tuple(token, fc.nat(), fc.string({ unit: 'binary-ascii', maxLength: 3 }), fc.nat({ max: 4 }))
    .map(([value, at, noise, cut]) => {
      const position = at % (value.length + 1);
      return value.slice(0, position) + noise + value.slice(position + cut);
    });
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 120 }),
    near,
    fc.array(near, { maxLength: 10 }).map((all) => all.join(' ')),
  );
  fc.assert(
    fc.property(text, (value) => {
      const canonical = accepted(value);
      if (canonical === undefined) return;
      const tokens = canonical.split(' ');
      expect(tokens.length).toBeLessThanOrEqual(8);
      for (const one of tokens) {
        expect(one).toMatch(STRICT);
        const encoded = one.slice(one.indexOf('-') + 1);
        expect(Buffer.from(encoded, 'base64').toString('base64')).toBe(encoded);
      }
    }),
    fuzzParameters(),
  );
});

test('a value with one bit, character or option too many or too few is refused', () => {
  const change = fc.constantFrom<((value: string) => string)[]>(
    (value) => value.slice(0, -1),
    (value) => value.slice(1),
    (value) => `${value}=`,
    (value) => `${value}?foo`,
    (value) => value.toUpperCase(),
    (value) => value.replace('-', ':'),
    (value) => value.replace('-', '--'),
    (value) => `${value.slice(0, 20)} ${value.slice(20)}`,
    (value) => `${value},${value}`,
    (value) => value.replace(/^sha\d+/, 'sha1'),
    (value) => value.replace(/^sha\d+/, 'md5'),
    (value) => `${value} sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=`,
  );
  fc.assert(
    fc.property(token, change, (value, spoil) => accepted(spoil(value)) === undefined),
    fuzzParameters(),
  );
});

test('bytes match exactly when the strongest algorithm present has their hash', () => {
  const pin = fc.tuple(list, content, fc.subarray([...ALGORITHMS])).map(([tokens, bytes, real]) => {
    const own = hashes(bytes);
    return { bytes, tokens: [...tokens.slice(0, 5), ...real.map((name) => own[name])] };
  });
  fc.assert(
    fc.property(pin, content, ({ bytes, tokens }, others) => {
      const expected = parseIntegrity(tokens.join(' '));
      const strongest = [...ALGORITHMS].reverse().find((name) => tokens.some((one) => one.startsWith(name)));
      expect(decidingAlgorithm(expected)).toBe(strongest);
      for (const candidate of [bytes, others]) {
        const computed = hashes(candidate);
        const isRight = strongest !== undefined && tokens.includes(computed[strongest]);
        expect(matchesIntegrity(expected, computed)).toBe(isRight);
      }
    }),
    fuzzParameters(),
  );
});

test('a hash that was not computed never counts as equal', () => {
  fc.assert(
    fc.property(content, algorithm, (bytes, name) => {
      const { [name]: _left, ...rest } = hashes(bytes);
      const expected = hashes(bytes)[name];
      expect(() => matchesIntegrity(expected, rest)).toThrow(expect.objectContaining({ reason: 'Internal' }));
    }),
    fuzzParameters(),
  );
});

test("Butler's spelling and OCI digests mean the same bytes", () => {
  fc.assert(
    fc.property(content, (bytes) => {
      const hex = (name: HashAlgorithm): string => createHash(name).update(bytes).digest('hex');
      expect(parseIntegrity(`sha512:${hex('sha512')}`)).toBe(hashes(bytes).sha512);
      for (const name of ['sha256', 'sha512'] as const) {
        const digest = parseDigest(`${name}:${hex(name)}`);
        expect(digest === undefined ? undefined : digestToIntegrity(digest)).toBe(hashes(bytes)[name]);
      }
    }),
    fuzzParameters(),
  );
});

test('only lower-case hex of the right length is a digest', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary-ascii', maxLength: 150 }),
      fc.constantFrom('sha256:', 'sha512:', 'sha1:', ''),
      (text, prefix) => {
        const digest = parseDigest(prefix + text);
        if (digest !== undefined) expect(digest).toMatch(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/);
      },
    ),
    fuzzParameters(),
  );
});
