import { describe, expect, test } from 'vitest';
import { checkPath, checkTarget, foldName, quote } from '../../../installer/archive/path-policy.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';

const path = (raw: string): string => {
  const checked = checkPath(raw, DEFAULT_LIMITS);
  return checked instanceof InstallError ? checked.reason : checked;
};
const target = (from: string, raw: string): string => {
  const checked = checkTarget(from, raw, DEFAULT_LIMITS);
  return checked instanceof InstallError ? checked.reason : checked;
};

describe('checkPath', () => {
  test.each([
    ['package/a', 'package/a'],
    ['./package/a', 'package/a'],
    ['package/d/', 'package/d'],
    ['./', ''],
    ['.', ''],
    ['..a/b..', '..a/b..'],
    ['a/.b', 'a/.b'],
  ])('takes %j as %j', (raw, expected) => expect(path(raw)).toBe(expected));

  test.each([
    ['', 'PathInvalid'],
    ['/', 'PathEscape'],
    ['//', 'PathEscape'],
    ['..', 'PathEscape'],
    ['./..', 'PathEscape'],
    ['a/..', 'PathEscape'],
    ['a/../b', 'PathEscape'],
    ['././a', 'PathInvalid'],
    ['.//a', 'PathInvalid'],
    ['a//', 'PathInvalid'],
    ['a/.', 'PathInvalid'],
    ['Z:', 'PathEscape'],
    ['a\\b', 'PathEscape'],
    ['a\0b', 'PathInvalid'],
    ['\ud800', 'PathInvalid'],
    ['\ufeffa', 'PathInvalid'],
  ])('refuses %j as %s', (raw, reason) => expect(path(raw)).toBe(reason));

  test('has no short cut past a limit', () => {
    const limits = { pathBytes: 10, segmentBytes: 5, pathDepth: 2 };
    for (const [raw, ok] of [
      ['aaaaa', true],
      ['aaaaaa', false],
      ['éé', true],
      ['ééé', false],
      ['aaaa/aaaaa', true],
      ['aaaaa/aaaaa', false],
      ['a/a', true],
      ['a/a/a', false],
    ] as const)
      expect([raw, typeof checkPath(raw, limits) === 'string']).toEqual([raw, ok]);
  });
});

describe('checkTarget', () => {
  test.each([
    ['a/b', 'c'],
    ['a/b', '../c'],
    ['a/b', '..'],
    ['a/b/c', './../../d/'],
    ['a', '.'],
  ])('from %j keeps %j', (from, raw) => expect(target(from, raw)).toBe(raw));

  test.each([
    ['a', '..', 'LinkEscape'],
    ['a/b', '../..', 'LinkEscape'],
    ['a/b', '../../a/b', 'LinkEscape'],
    ['a/b', '../a/../../a', 'LinkEscape'],
    ['a', '/a', 'LinkEscape'],
    ['a', 'C:a', 'LinkEscape'],
    ['a', 'b\\c', 'LinkEscape'],
    ['a', '', 'PathInvalid'],
    ['a', 'b\nc', 'PathInvalid'],
    ['a', 'x'.repeat(1025), 'PathTooDeep'],
  ])('from %j refuses %j as %s', (from, raw, reason) => expect(target(from, raw)).toBe(reason));
});

test('quote escapes what could forge a line and shortens what is long', () => {
  expect(quote('a\nb')).toBe('"a\\u000ab"');
  expect(quote('x'.repeat(1000)).length).toBeLessThan(210);
});

test.each([
  ['README', 'readme'],
  ['stra\u00dfe', 'STRASSE'],
  ['\ufb03', 'ffi'],
  ['e\u0301', '\u00c9'],
])('foldName cannot tell %j from %j', (a, b) => expect(foldName(a)).toBe(foldName(b)));
