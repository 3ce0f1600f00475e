/** Hard and symbolic links that lead out, or that a later entry would be written through. */
import { describe, expect, test } from 'vitest';
import { directory, file, gnuLong, hardlink, pax, symlink, tgz } from '../support/tar-builder.ts';
import { attempt, refusal } from '../support/unpacking.ts';

const A = file('package/a', 'A');

describe('a symbolic link is refused as LinkEscape', () => {
  test.each([
    ['when it is absolute', symlink('package/l', '/etc/passwd')],
    ['when it leaves the archive', symlink('package/l', '../../victim')],
    ['when it leaves the plugin directory and stays in the archive', symlink('package/l', '..')],
    ['when it leaves on the way and comes back', symlink('package/l', '../package/a')],
    ['when it leaves deep inside', symlink('package/x/y/l', '../../../../victim')],
    ['when it dangles', symlink('package/l', 'missing')],
    ['when it leads to itself', symlink('package/l', 'l')],
    ['when it passes through a file', symlink('package/l', 'a/b')],
    ['when it passes through a file and back', symlink('package/l', 'a/../a')],
    ['when it ends in a slash behind a file', symlink('package/l', 'a/')],
    ['when its target differs in case', symlink('package/l', 'A')],
    ['when it holds a backslash', symlink('package/l', '..\\..\\victim')],
    ['when it holds a drive letter', symlink('package/l', 'C:/windows')],
  ])('%s', async (_what, link) => {
    expect((await refusal(tgz(A, link))).reason).toBe('LinkEscape');
  });

  test.each([
    ['directly', [symlink('package/one', 'a'), symlink('package/two', 'one')]],
    ['in the middle', [directory('package/d/'), symlink('package/one', 'd'), symlink('package/two', 'one/../a')]],
    ['whatever the order', [symlink('package/two', 'one'), symlink('package/one', 'a')]],
    ['in a circle', [symlink('package/one', 'two'), symlink('package/two', 'one')]],
    ['below .bin', [symlink('package/node_modules/.bin/x', '../y'), symlink('package/l', 'node_modules/.bin/x')]],
  ])('when it leads through another link %s', async (_what, links) => {
    expect((await refusal(tgz(A, ...links))).reason).toBe('LinkEscape');
  });

  test('when it leads to another plugin of the image', async () => {
    const image = tgz(file('a/package.json', '{}'), file('b/secret', 'x'), symlink('a/l', '../b/secret'));
    expect((await refusal(image, { layout: 'image', wanted: ['a'] })).reason).toBe('LinkEscape');
    expect((await refusal(image, { layout: 'image', wanted: ['a', 'b'] })).reason).toBe('LinkEscape');
    expect((await refusal(image, { layout: 'image' })).reason).toBe('LinkEscape');
  });
});

test.each([
  ['control characters', 'a\u0007'],
  ['bytes that are not UTF-8', 'a\ufffd'],
])('a link target with %s is refused', async (_what, target) => {
  expect((await refusal(tgz(A, symlink('package/l', target)))).reason).toBe('PathInvalid');
});

test('a link without a target is refused', async () => {
  expect((await refusal(tgz(A, symlink('package/l', '')))).reason).toBe('PathInvalid');
  expect((await refusal(tgz(A, hardlink('package/l', '')))).reason).toBe('LinkEscape');
});

test.each([
  ['PAX record', Buffer.concat([pax({ linkpath: '/etc/passwd' }), symlink('package/l', 'a')])],
  ['GNU long target', Buffer.concat([gnuLong('/etc/passwd', 'K'), symlink('package/l', 'a')])],
])('the target in a %s is the one that is judged', async (_carrier, link) => {
  expect((await refusal(tgz(A, link))).reason).toBe('LinkEscape');
});

describe('a hard link is refused as LinkEscape', () => {
  test.each([
    ['when it leaves the archive', '../victim'],
    ['when it leaves from below the top', 'package/../../victim'],
    ['when it is absolute', '/etc/passwd'],
    ['when its target comes later', 'package/later'],
    ['when its target does not exist', 'package/missing'],
    ['when its target is a directory', 'package/d'],
    ['when its target is a symbolic link', 'package/s'],
    ['when its target is relative to its own directory', 'a'],
    ['when its target passes through a symbolic link', 'package/ds/x'],
    ['when its target differs in case', 'package/A'],
    ['when its target is itself', 'package/l'],
  ])('%s', async (_what, target) => {
    const archive = tgz(
      A,
      directory('package/d/'),
      file('package/d/x', 'x'),
      symlink('package/s', 'a'),
      symlink('package/ds', 'd'),
      hardlink('package/l', target),
      file('package/later', 'x'),
    );
    expect((await refusal(archive)).reason).toBe('LinkEscape');
  });

  test('when its target lies outside the wanted directory of an image', async () => {
    const image = tgz(file('b/secret', 'x'), file('a/package.json', '{}'), hardlink('a/l', 'b/secret'));
    expect((await refusal(image, { layout: 'image', wanted: ['a'] })).reason).toBe('LinkEscape');
  });
});

test('hard links are copies: each costs what a file costs', async () => {
  const archive = tgz(
    file('package/a', 'x'.repeat(600)),
    ...['b', 'c'].map((name) => hardlink(`package/${name}`, 'package/a')),
  );
  const error = await refusal(archive, { context: { limits: { unpackedBytes: 1500 } } });
  expect(error).toMatchObject({ reason: 'SizeBudgetExceeded', details: { value: 1800, limit: 1500 } });
});

describe('nothing is written through a link', () => {
  test.each([
    ['a file below a link', [symlink('package/l', '.'), file('package/l/evil', 'x')]],
    ['a file in place of a link', [symlink('package/l', 'a'), file('package/l', 'evil')]],
    ['a link in place of a file', [symlink('package/a', 'b')]],
    ['a link in place of a directory', [file('package/d/x'), symlink('package/d', 'a')]],
    ['a directory in place of a link', [symlink('package/l', '.'), directory('package/l/')]],
    ['a hard link in place of a link', [symlink('package/l', 'a'), hardlink('package/l', 'package/a')]],
    ['a link below a link', [symlink('package/l', '.'), symlink('package/l/m', 'a')]],
    [
      'a file in place of a dropped .bin link',
      [symlink('package/node_modules/.bin/x', '/'), file('package/node_modules/.bin/x')],
    ],
    [
      'a file below a dropped .bin link',
      [symlink('package/node_modules/.bin/x', '/'), file('package/node_modules/.bin/x/y')],
    ],
  ])('%s is refused as PathCollision', async (_what, entries) => {
    expect((await refusal(tgz(A, ...entries))).reason).toBe('PathCollision');
  });

  test('links of an archive that fails are never created', async () => {
    const { outcome, left } = await attempt(tgz(A, symlink('package/l', 'a'), symlink('package/out', '../../victim')));
    expect(outcome).toMatchObject({ reason: 'LinkEscape' });
    expect(left).toEqual({});
  });
});
