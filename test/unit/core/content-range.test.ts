import { expect, test } from 'vitest';
import { parseContentLength, parseContentRange } from '../../../installer/core/content-range.ts';

test.each([
  ['bytes 0-9/10', { start: 0, end: 9, size: 10 }],
  ['bytes 5-9/10', { start: 5, end: 9, size: 10 }],
  ['bytes 5-6/10', { start: 5, end: 6, size: 10 }],
  ['bytes 5-9/*', { start: 5, end: 9, size: undefined }],
  ['Bytes 5-9/10', { start: 5, end: 9, size: 10 }],
  [' bytes  5-9/10 ', { start: 5, end: 9, size: 10 }],
])('reads %j', (header, expected) => {
  expect(parseContentRange(header)).toEqual(expected);
});

test.each([
  '',
  'bytes */10',
  'bytes 5-9',
  'bytes 9-5/10',
  'bytes 5-10/10',
  'bytes -5-9/10',
  'bytes 5.0-9/10',
  'bytes 0x5-9/10',
  'items 5-9/10',
  'bytes 5-9/10, bytes 1-2/10',
  'bytes 5-9007199254740993/*',
  'bytes 5-99999999999999999/*',
  'bytes=5-9/10',
])('refuses %j', (header) => {
  expect(parseContentRange(header)).toBeUndefined();
});

test.each([
  ['0', 0],
  ['1234', 1234],
  [undefined, undefined],
  ['', undefined],
  ['-1', undefined],
  ['+1', undefined],
  ['1e3', undefined],
  ['10, 10', undefined],
  ['99999999999999999', undefined],
])('reads the content length %j as %s', (header, expected) => {
  expect(parseContentLength(header)).toBe(expected);
});
