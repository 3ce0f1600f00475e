import { describe, expect, test } from 'vitest';
import { admitter, parsePattern } from '../../../installer/config/allowed-sources.ts';
import { hostOrigin, urlOrigin } from '../../../installer/core/origin.ts';

const origin = (text: string): ReturnType<typeof urlOrigin> => urlOrigin(new URL(text));

describe('urlOrigin', () => {
  test.each([
    ['https://Host.Example/', { scheme: 'https', host: 'host.example', port: 443, segments: [] }],
    ['https://host.example:443/a/b', { scheme: 'https', host: 'host.example', port: 443, segments: ['a', 'b'] }],
    ['http://host.example:8080/a', { scheme: 'http', host: 'host.example', port: 8080, segments: ['a'] }],
    ['http://host.example/a?x#y', { scheme: 'http', host: 'host.example', port: 80, segments: ['a'] }],
    ['https://[::1]:5000/a', { scheme: 'https', host: '[::1]', port: 5000, segments: ['a'] }],
    [
      'https://bücher.example/%7e%41%2d%c3%a9',
      { scheme: 'https', host: 'xn--bcher-kva.example', port: 443, segments: ['~A-%C3%A9'] },
    ],
  ])('reads %s', (text, expected) => {
    expect(origin(text)).toEqual(expected);
  });

  test.each([
    'https://h.example/a%2Fb',
    'https://h.example/a%5cb',
    'https://h.example/a%00',
    'https://h.example//a',
    'https://h.example/a/',
    'ftp://h.example/a',
  ])('does not compare %s', (text) => {
    expect(origin(text)).toBeUndefined();
  });

  test.each(['https://h.example/plug~ins/%7Ea/x-y', 'https://bücher.example/é/x', 'https://h.example/a%20b/%c3%a9'])(
    'spells %s as a pattern does',
    (text) => {
      const pattern = parsePattern(text);
      const read = origin(`${text}/file.tgz`);
      if ('fault' in pattern || read === undefined) throw new Error('fault' in pattern ? pattern.fault : 'no origin');
      expect(admitter([pattern])(read)).toBe(true);
    },
  );
});

test('hostOrigin admits no pattern with a path', () => {
  const read = hostOrigin(new URL('https://h.example/plugins/x%2f..%2fy'));
  const [wide, narrow] = [parsePattern('https://h.example'), parsePattern('https://h.example/plugins')];
  if ('fault' in wide || 'fault' in narrow) throw new Error('the patterns of the test do not parse');
  expect([wide, narrow].map((pattern) => admitter([pattern])(read))).toEqual([true, false]);
});
