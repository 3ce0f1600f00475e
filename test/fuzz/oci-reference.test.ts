import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import { formatOciReference, parseOciReference, type OciReference } from '../../installer/oci/reference.ts';
import { fuzzParameters } from '../support/fuzz.ts';

const lower = 'abcxyz019';
const word = (unit: string, maxLength = 6): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...unit.split('')), minLength: 1, maxLength });
const component = fc
  .array(fc.tuple(word(lower), fc.constantFrom('.', '_', '__', '-', '---')), { maxLength: 2 })
  .chain((pairs) => word(lower).map((last) => pairs.map(([part, joint]) => part + joint).join('') + last));
const host = fc.oneof(
  fc.constantFrom('ghcr.io', 'localhost', '127.0.0.1', '[::1]', 'docker.io', 'index.docker.io', 'GHCR.io'),
  fc.array(word('abxyz'), { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
);
const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: length, maxLength: length });
const digest = fc.oneof(
  hex(64).map((text) => `sha256:${text}`),
  hex(128).map((text) => `sha512:${text}`),
);
const segment = fc
  .string({ minLength: 1, maxLength: 8 })
  .filter((text) => !/[/\\\p{Cc}\p{Surrogate}]/u.test(text) && !/^\.\.?$/.test(text));

const wellFormed = fc
  .record({
    host,
    port: fc.option(fc.integer({ min: 1, max: 65_535 })),
    repository: fc.array(component, { minLength: 1, maxLength: 3 }),
    tag: fc.option(fc.tuple(word('aZ0_'), word('aZ0_.-')).map(([first, rest]) => first + rest)),
    digest: fc.option(digest),
    path: fc.option(fc.array(segment, { minLength: 1, maxLength: 3 })),
  })
  .map(({ host, port, repository, tag, digest, path }) =>
    [
      `oci://${host}`,
      port === null ? '' : `:${port}`,
      `/${repository.join('/')}`,
      tag === null ? '' : `:${tag}`,
      digest === null ? '' : `@${digest}`,
      path === null ? '' : `!${path.join('/')}`,
    ].join(''),
  );

/** Well-formed references with a few characters put in, taken out or exchanged. */
const almost = fc
  .tuple(
    wellFormed,
    fc.array(fc.tuple(fc.nat(200), fc.nat(2), fc.string({ unit: 'grapheme', maxLength: 2 })), { maxLength: 3 }),
  )
  .map(([text, edits]) =>
    edits.reduce((text, [at, removed, added]) => {
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + added + text.slice(cut + removed);
    }, text),
  );

function parse(text: string): OciReference | undefined {
  try {
    return parseOciReference(text);
  } catch (error) {
    if (error instanceof InstallError && error.reason === 'ReferenceInvalid') return undefined;
    throw error;
  }
}

test('every well-formed reference is accepted', () => {
  fc.assert(
    fc.property(wellFormed, (text) => {
      expect(parse(text)).toBeDefined();
    }),
    fuzzParameters(),
  );
});

test('whatever is accepted has a canonical text that parses to the same reference', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        almost,
        fc.string({ unit: 'binary' }).map((text) => `oci://${text}`),
      ),
      (text) => {
        const reference = parse(text);
        if (reference === undefined) return;
        expect(parse(formatOciReference(reference))).toEqual(reference);
      },
    ),
    fuzzParameters(),
  );
});

test('an accepted host means to URL what it means to us, and no path can be climbed out of', () => {
  fc.assert(
    fc.property(almost, (text) => {
      const reference = parse(text);
      if (reference === undefined) return;
      const url = new URL(`https://${reference.registry}/v2/${reference.repository}/manifests/x`);
      expect(url.hostname).toBe(reference.host);
      expect(url.port).toBe(reference.port === undefined ? '' : String(reference.port));
      expect(url.pathname).toBe(`/v2/${reference.repository}/manifests/x`);
      expect([url.username, url.password, url.search, url.hash]).toEqual(['', '', '', '']);
      expect((reference.path ?? 'x').split('/')).not.toContain('..');
    }),
    fuzzParameters(),
  );
});
