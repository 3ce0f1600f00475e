import { expect, test } from 'vitest';
import { parseChallenges } from '../../../installer/oci/challenge.ts';

const read = (...headers: string[]): unknown =>
  parseChallenges(headers).map(({ scheme, params }) => [scheme, Object.fromEntries(params)]);

test.each([
  [
    'Bearer realm="https://a/t",service="s",scope="repository:x:pull"',
    [['bearer', { realm: 'https://a/t', service: 's', scope: 'repository:x:pull' }]],
  ],
  ['Basic realm="x"', [['basic', { realm: 'x' }]]],
  ['Basic', [['basic', {}]]],
  ['BEARER Realm="A", SERVICE=b', [['bearer', { realm: 'A', service: 'b' }]]],
  [
    'Bearer realm="a,b", Basic realm="c"',
    [
      ['bearer', { realm: 'a,b' }],
      ['basic', { realm: 'c' }],
    ],
  ],
  [
    'Bearer realm="a" Basic realm="c"',
    [
      ['bearer', { realm: 'a' }],
      ['basic', { realm: 'c' }],
    ],
  ],
  ['Bearer realm="say \\"hi\\" \\\\ there"', [['bearer', { realm: 'say "hi" \\ there' }]]],
  ['Bearer realm = "a" , scope = "b"', [['bearer', { realm: 'a', scope: 'b' }]]],
  [
    'Negotiate YIIabc==, Basic realm="x"',
    [
      ['negotiate', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
  [
    'NTLM, Negotiate, Bearer realm="x"',
    [
      ['ntlm', {}],
      ['negotiate', {}],
      ['bearer', { realm: 'x' }],
    ],
  ],
  ['Bearer realm=https://a/t?x=1,service=s', [['bearer', { realm: 'https://a/t?x=1', service: 's' }]]],
  ['Bearer realm="a",realm="b"', [['bearer', { realm: 'a' }]]],
  ['Bearer scope="a",scope="b"', [['bearer', { scope: 'a b' }]]],
  [',, Basic realm="x" ,,', [['basic', { realm: 'x' }]]],
  ['', []],
  ['"quoted", Basic realm="x"', [['basic', { realm: 'x' }]]],
  ['Bearer realm="never closed', [['bearer', { realm: '"never closed' }]]],
  ['realm="without a scheme"', []],
])('%s', (header, expected) => {
  expect(read(header)).toEqual(expected);
});

test('challenges of several headers are read in order', () => {
  expect(read('Basic realm="x"', 'Bearer realm="y"')).toEqual([
    ['basic', { realm: 'x' }],
    ['bearer', { realm: 'y' }],
  ]);
});

test('a parameter named __proto__ is a parameter', () => {
  const [challenge] = parseChallenges(['Bearer __proto__="x",realm="y"']);
  expect(challenge?.params.get('__proto__')).toBe('x');
});
