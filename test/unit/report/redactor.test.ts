import { expect, test } from 'vitest';
import { createRedactor } from '../../../installer/report/redactor.ts';

const SECRET = 'p@ss w/rd+"é\\';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

test.each([
  ['as it is', SECRET],
  ['URL-encoded', encodeURIComponent(SECRET)],
  ['URL-encoded in lower case', encodeURIComponent(SECRET).replaceAll(/%../g, (octet) => octet.toLowerCase())],
  ['as a form value', new URLSearchParams({ x: SECRET }).toString().slice(2)],
  ['in a JSON string', JSON.stringify(SECRET).slice(1, -1)],
  ['in base64', base64(SECRET)],
  ['in base64url', Buffer.from(SECRET).toString('base64url')],
  ['behind a user name of one byte', base64(`:${SECRET}`)],
  ['behind a user name of two bytes', base64(`a:${SECRET}`)],
  ['in the middle of an encoded text', base64(`user:${SECRET}:more`)],
])('removes a secret %s', (_, form) => {
  const clean = createRedactor(() => [SECRET])(`before ${form} after`);
  expect(clean).toMatch(/^before \S*\*\*\*\S* after$/);
  expect(clean).not.toContain(form);
});

test('removes overlapping secrets whole', () => {
  expect(createRedactor(() => ['abcX', 'Xdef'])('<abcXdef>')).toBe('<***>');
  expect(createRedactor(() => ['abab'])('<ababab>')).toBe('<***>');
});

test('removes the longer of two secrets that begin alike', () => {
  expect(createRedactor(() => ['token', 'token-long'])('token-long token')).toBe('*** ***');
});

test('knows secrets that are loaded later', () => {
  const secrets: string[] = [];
  const redact = createRedactor(() => secrets);
  expect(redact('hunter22')).toBe('hunter22');
  secrets.push('hunter22');
  expect(redact('hunter22')).toBe('***');
});

test('leaves text alone when there is nothing to remove', () => {
  expect(createRedactor(() => ['', 'abc', 'a'])('abc a')).toBe('abc a');
});
