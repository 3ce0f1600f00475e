import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { admitter, parsePattern, patternFor } from '../../installer/config/allowed-sources.ts';
import type { Origin } from '../../installer/core/origin.ts';

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 2_000);

const label = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,6}[a-z0-9])?$/);
const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => `${labels.join('.')}.example`);
const segment = fc.stringMatching(/^[a-z0-9]{1,5}(?:[._-][a-z0-9]{1,4})?$/);
const segments = fc.array(segment, { minLength: 1, maxLength: 4 });
const port = fc.constantFrom(443, 80, 5000, 8443);
const hosted = fc.record({
  scheme: fc.constantFrom('oci' as const, 'https' as const, 'http' as const),
  host,
  port,
  segments,
});
const npm = fc.record({
  scheme: fc.constant('npm' as const),
  name: fc.oneof(
    segment,
    fc.tuple(segment, segment).map(([scope, name]) => `@${scope}/${name}`),
  ),
  registry: fc.constantFrom('https://npm.example/', 'https://other.example/base/'),
});
const origins: fc.Arbitrary<Origin> = fc.oneof(hosted, npm);

function isAdmitted(pattern: string, origin: Origin): boolean | undefined {
  const parsed = parsePattern(pattern);
  return 'fault' in parsed ? undefined : admitter([parsed])(origin);
}

test('any text is a pattern or a fault with a fix, never an exception', () => {
  const near = fc.tuple(
    fc.constantFrom('oci://', 'https://', 'http://', 'npm:', '', 'OCI://'),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(
      near.map(([scheme, rest]) => scheme + rest),
      (text) => {
        const pattern = parsePattern(text);
        if ('fault' in pattern) expect([pattern.fault, pattern.fix].every((part) => part !== '')).toBe(true);
      },
    ),
    { numRuns },
  );
});

test('the pattern suggested for an origin admits it', () => {
  fc.assert(
    fc.property(origins, (origin) => {
      expect(isAdmitted(patternFor(origin), origin)).toBe(true);
    }),
    { numRuns },
  );
});

const wholePattern = (origin: Extract<Origin, { segments: readonly string[] }>): string =>
  `${origin.scheme}://${origin.host}:${origin.port}/${origin.segments.join('/')}`;

test('a pattern made of an origin admits no origin that differs in scheme, host, port or the first segments', () => {
  fc.assert(
    fc.property(hosted, hosted, (mine, other) => {
      const isPrefix = mine.segments.every((part, index) => part === other.segments[index]);
      const expected = mine.scheme === other.scheme && mine.host === other.host && mine.port === other.port && isPrefix;
      expect(isAdmitted(wholePattern(mine), other)).toBe(expected);
    }),
    { numRuns },
  );
});

test('appending to a segment or a host never keeps an origin admitted', () => {
  fc.assert(
    fc.property(hosted, label, fc.nat(3), (origin, extra, at) => {
      const pattern = wholePattern(origin);
      const changed = origin.segments.map((part, index) =>
        index === at % origin.segments.length ? part + extra : part,
      );
      expect(isAdmitted(pattern, { ...origin, segments: changed })).toBe(false);
      expect(isAdmitted(pattern, { ...origin, host: `${origin.host}.${extra}` })).toBe(false);
      expect(isAdmitted(pattern, { ...origin, host: `${extra}.${origin.host}` })).toBe(false);
    }),
    { numRuns },
  );
});

test('a wildcard stands for exactly one label', () => {
  fc.assert(
    fc.property(hosted, fc.array(label, { maxLength: 3 }), (origin, labels) => {
      const pattern = `oci://*.${origin.host}:${origin.port}`;
      const below = { ...origin, scheme: 'oci' as const, host: [...labels, origin.host].join('.') };
      expect(isAdmitted(pattern, below)).toBe(labels.length === 1);
    }),
    { numRuns },
  );
});
