/** Sizes that do not match the data: whoever believes another size reads other entries (docs/security.md, "Archives"). */
import { describe, expect, test } from 'vitest';
import { directory, END, entry, file, hardlink, header, pax, symlink, tar, tgz } from '../support/tar-builder.ts';
import { refusal, unpack } from '../support/unpacking.ts';

const base256 = (value: bigint): Buffer => {
  const field = Buffer.alloc(12);
  field.writeBigInt64BE(value, 4);
  field.fill(value < 0n ? 0xff : 0, 0, 4);
  field[0] = value < 0n ? 0xff : 0x80;
  return field;
};
const lying = (sizeField: string | Buffer): Buffer =>
  tgz(entry({ name: 'package/a', sizeField }, 'x'.repeat(512)), file('package/b'));

describe('a size field is refused as ArchiveCorrupt', () => {
  test.each([
    ['when it is garbage', 'not a size!!'],
    ['when it is empty', ''],
    ['when it is blank', '            '],
    ['when it has digits that are not octal', '00000000009\0'],
    ['when garbage follows the digits', '00000001000x'],
    ['when it is written negative', '-0000000001\0'],
    ['when it is hexadecimal', '0x200\0'],
    ['when it is negative in base 256', base256(-512n)],
    ['when it is beyond 2^53', base256(2n ** 60n)],
    ['when its base 256 is malformed', Buffer.from([0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0])],
  ])('%s', async (_what, field) => {
    expect((await refusal(lying(field))).reason).toBe('ArchiveCorrupt');
  });

  test('when it is larger than what is left of the archive', async () => {
    expect((await refusal(lying('00000100000\0'))).reason).toBe('ArchiveCorrupt');
  });

  test('when it is smaller than the data, which then reads as a header', async () => {
    const two = 'x'.repeat(1024);
    expect((await refusal(tgz(entry({ name: 'package/a', size: 1 }, two)))).reason).toBe('ArchiveCorrupt');
    expect((await refusal(tgz(entry({ name: 'package/a', size: 0 }, 'x'.repeat(512))))).reason).toBe('ArchiveCorrupt');
  });
});

test('a size of gigabytes is too large before a byte of it is read', async () => {
  const error = await refusal(tgz(header({ name: 'package/a', sizeField: base256(10n * 2n ** 30n) })));
  expect(error).toMatchObject({
    reason: 'EntryTooLarge',
    details: { value: 10 * 2 ** 30, setting: 'PORTAL_PLUGINS_MAX_FILE_BYTES', path: '"package/a"' },
  });
});

test('one file may be as large as allowed and not a byte larger, written or not', async () => {
  const context = { limits: { fileBytes: 1000 } };
  expect((await unpack(tgz(file('package/a', 'x'.repeat(1000))), { context })).tree.bytes).toBe(1000);
  const image = tgz(file('a/x', ''), file('b/x', 'x'.repeat(1001)));
  const error = await refusal(image, { context, layout: 'image', wanted: ['a'] });
  expect(error).toMatchObject({ reason: 'EntryTooLarge', details: { value: 1001, limit: 1000 } });
});

test('all files together may be as large as allowed, and only those that are written count', async () => {
  const context = { limits: { unpackedBytes: 1000 } };
  const files = [file('a/x', 'x'.repeat(600)), file('b/x', 'x'.repeat(400))];
  expect((await unpack(tgz(...files), { context, layout: 'image', wanted: ['a'] })).tree.bytes).toBe(600);
  const error = await refusal(tgz(...files, file('a/y', 'x'.repeat(401))), { context, layout: 'image', wanted: ['a'] });
  expect(error).toMatchObject({
    reason: 'SizeBudgetExceeded',
    exit: 74,
    details: { value: 1001, limit: 1000, setting: 'PORTAL_PLUGINS_MAX_UNPACKED_BYTES' },
  });
});

test('a plugin of a shared image may not use the budget of another', async () => {
  const image = tgz(file('a/x', 'x'.repeat(1500)), file('b/x', 'x'.repeat(100)));
  const { result } = await unpack(image, {
    context: { limits: { unpackedBytes: 1000 } },
    layout: 'image',
    wanted: ['b', 'a'],
  });
  const [, a] = result.trees;
  expect(a?.status === 'failed' ? a.error.reason : 'ok').toBe('SizeBudgetExceeded');
});

describe('entries that have no content', () => {
  test.each([
    ['a symbolic link', symlink('package/l', 'a', { size: 512 })],
    ['a hard link', hardlink('package/l', 'package/a', { size: 512 })],
    ['a device', entry({ name: 'package/x', type: '3', size: 512 })],
    ['a file whose name ends in a slash', file('package/d/', 'x')],
  ])('%s with content is refused as ArchiveCorrupt', async (_what, block) => {
    expect((await refusal(tgz(file('package/a'), block, Buffer.alloc(512, 'x')))).reason).toBe('ArchiveCorrupt');
  });

  test('a directory may state the size of its inode, as old tars do', async () => {
    const { tree } = await unpack(tgz(directory('package/d/', { size: 4096 }), file('package/d/a', '1')));
    expect(tree.files).toBe(1);
  });

  test('a file with a link target is read differently by different tars and refused', async () => {
    expect((await refusal(tgz(file('package/a', '', { target: 'b' })))).reason).toBe('ArchiveCorrupt');
    expect((await refusal(tgz(pax({ linkpath: 'b' }), file('package/a')))).reason).toBe('ArchiveCorrupt');
  });
});

test('the header of an entry without its content is a cut archive', async () => {
  expect((await refusal(tar(header({ name: 'package/a', size: 10 })).subarray(0, 512))).reason).toBe('ArchiveCorrupt');
  expect((await refusal(Buffer.concat([header({ name: 'package/a', size: 2000 }), END]))).reason).toBe(
    'ArchiveCorrupt',
  );
});
