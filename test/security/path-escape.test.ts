/** Names that would be written elsewhere, in every field a name can come from (docs/security.md, "Archives"). */
import { describe, expect, test } from 'vitest';
import { directory, entry, file, gnuLong, pax, symlink, tgz } from '../support/tar-builder.ts';
import { refusal, unpack } from '../support/unpacking.ts';

const ESCAPES: readonly (readonly [string, string])[] = [
  ['absolute', '/tmp/evil'],
  ['absolute by two slashes', '//tmp/evil'],
  ['.. at the start', '../victim'],
  ['.. below the top', 'package/../victim'],
  ['.. deep inside', 'package/a/../../../victim'],
  ['.. at the end', 'package/..'],
  ['.. behind ./', './../victim'],
  ['a drive letter', 'C:/evil'],
  ['a relative drive letter', 'c:../evil'],
  ['a drive letter below the top', 'package/C:../evil'],
  ['backslashes', 'package\\..\\..\\victim'],
  ['a UNC path', '\\\\host\\share\\evil'],
];

const INVALID: readonly (readonly [string, string | Buffer])[] = [
  ['an empty segment', 'package//evil'],
  ['a . segment', 'package/./evil'],
  ['a line feed', 'package/a\nlevel=error msg=forged'],
  ['a terminal escape', 'package/\u001b[2J'],
  ['DEL', 'package/a\u007f'],
  ['a C1 control', 'package/a\u009b31m'],
  ['a bidirectional override', 'package/gpj.\u202eexe'],
  ['a zero-width space', 'package/pack\u200bage.json'],
  ['a line separator', 'package/a\u2028b'],
  ['bytes that are not UTF-8', Buffer.from('package/\xff\xfe', 'latin1')],
  ['a cut UTF-8 sequence', Buffer.concat([Buffer.from('package/'), Buffer.from([0xc3])])],
  ['an overlong slash', Buffer.concat([Buffer.from('package/..'), Buffer.from([0xc0, 0xaf]), Buffer.from('x')])],
];

type Carrier = readonly [string, (name: string | Buffer) => Buffer];
const CARRIERS: readonly Carrier[] = [
  ['the header', (name) => entry({ name: Buffer.from(name) }, 'x')],
  ['a PAX record', (name) => Buffer.concat([pax({ path: name }), file('package/ok', 'x')])],
  ['a GNU long name', (name) => Buffer.concat([gnuLong(name), file('package/ok', 'x', { format: 'gnu' })])],
];

describe.each(CARRIERS)('a name from %s', (_carrier, make) => {
  test.each(ESCAPES)('is refused as PathEscape when it has %s', async (_what, name) => {
    expect((await refusal(tgz(make(name)))).reason).toBe('PathEscape');
  });

  test.each(INVALID)('is refused as PathInvalid when it has %s', async (_what, name) => {
    expect((await refusal(tgz(make(name)))).reason).toBe('PathInvalid');
  });
});

test('the prefix field cannot smuggle a way out', async () => {
  expect((await refusal(tgz(file('victim', 'x', { prefix: 'package/../..' })))).reason).toBe('PathEscape');
  expect((await refusal(tgz(file('victim', 'x', { prefix: '/etc' })))).reason).toBe('PathEscape');
});

test.each(['directory', 'link'])('a %s obeys the same rules as a file', async (kind) => {
  const evil = kind === 'directory' ? directory('package/../../evil/') : symlink('package/../../evil', 'a');
  expect((await refusal(tgz(evil))).reason).toBe('PathEscape');
});

test('no file may take the place of the plugin directory itself', async () => {
  expect((await refusal(tgz(entry({ name: '.', type: '0' }, 'x')))).reason).toBe('PathInvalid');
  expect((await refusal(tgz(symlink('./', 'x')), { layout: 'image' })).reason).toBe('PathInvalid');
});

test('a hostile entry outside the wanted directory of an image fails the image all the same', async () => {
  const image = tgz(file('a/package.json', '{}'), file('b/../../victim', 'x'));
  expect((await refusal(image, { layout: 'image', wanted: ['a'] })).reason).toBe('PathEscape');
});

test('foreign names reach messages escaped and shortened', async () => {
  const error = await refusal(
    tgz(Buffer.concat([pax({ path: `package/\u001b[31m${'x'.repeat(5000)}` }), file('y', 'x')])),
  );
  expect(error.message).not.toMatch(/[\u0000-\u001f]/);
  expect(error.message.length).toBeLessThan(500);
});

test('names with blanks, dots, plus, at and other scripts are honest', async () => {
  const names = ['a b', '..a', 'a..', '...', '.hidden', '@scope/x+y', 'Ω/日本語', 'emoji-🙂', 'node:fs', '%2e%2e'];
  const { tree } = await unpack(
    tgz(...names.map((name) => Buffer.concat([pax({ path: `package/${name}` }), file('x', '1')]))),
  );
  expect(tree.files).toBe(names.length);
});
