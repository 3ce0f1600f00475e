import { expect, test } from 'vitest';
import { canonicalJson, setOf } from '../../../installer/config/canonical.ts';

/** Left: a value; right: what Go's encoding/json prints with SetEscapeHTML(false), which is what the chart's templates use. */
test.each([
  [{ b: 1, a: { d: [], c: null } }, '{"a":{"c":null,"d":[]},"b":1}'],
  [{ t: '<a href="x">&\'</a>' }, '{"t":"<a href=\\"x\\">&\'</a>"}'],
  [{ t: '\u2028\u2029' }, '{"t":"\\u2028\\u2029"}'],
  [{ t: '\n\r\t\\\u0001\u007f' }, '{"t":"\\n\\r\\t\\\\\\u0001\u007f"}'],
  [{ t: '\u00e9\u{1f600}' }, '{"t":"\u00e9\u{1f600}"}'],
  [{ n: [1, 1.5, 1e-7, 1e20, 1e21, 0, -1] }, '{"n":[1,1.5,1e-7,100000000000000000000,1e+21,0,-1]}'],
  // By code point, as Go sorts bytes: U+FFEE before U+10000, although its UTF-16 unit is the greater one.
  [{ '\u{10000}': 1, '\uffee': 2, Z: 3, a: 4 }, '{"Z":3,"a":4,"\uffee":2,"\u{10000}":1}'],
])('%o is written as the chart writes it', (value, json) => {
  expect(canonicalJson(value)).toBe(json);
});

test('the set is the start of the digest of the canonical document', () => {
  // printf '{"allowedSources":[],"continueOnError":false,"plugins":[],"requireIntegrity":true}' | sha256sum
  expect(setOf({ requireIntegrity: true, plugins: [], continueOnError: false, allowedSources: [] })).toBe(
    'sha256:93cbd7c76217',
  );
});
