import { expect, test } from 'vitest';
import { parseRetryAfter } from '../../../installer/net/retry-after.ts';

const NOW = new Date('2026-01-02T03:04:05.000Z');

test.each([
  ['0', 0],
  ['120', 120_000],
  [' 7 ', 7000],
  ['Fri, 02 Jan 2026 03:04:35 GMT', 30_000],
  ['fri, 02 jan 2026 03:05:05 gmt', 60_000],
  ['Friday, 02-Jan-26 03:04:35 GMT', 30_000],
  ['Fri Jan  2 03:04:35 2026', 30_000],
  ['Fri, 02 Jan 2026 03:04:05 GMT', 0],
  ['Thu, 01 Jan 2026 00:00:00 GMT', 0],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
])('reads %j as a wait of %d ms', (header, expected) => {
  expect(parseRetryAfter(header, NOW)).toBe(expected);
});

test.each([
  undefined,
  '',
  '-1',
  '1.5',
  '1e3',
  '12345678901',
  'soon',
  '2026-01-02T03:04:35Z',
  'Fri, 02 Jan 2026 03:04:35',
  'Fri, 02 Jan 2026 24:04:35 GMT',
  'Fri, 31 Feb 2026 03:04:35 GMT',
  'Fri, 00 Jan 2026 03:04:35 GMT',
  'Fri, 02 Foo 2026 03:04:35 GMT',
  '120, 130',
])('ignores %j', (header) => {
  expect(parseRetryAfter(header, NOW)).toBeUndefined();
});
