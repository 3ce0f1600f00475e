/** Archives that end too early, too late, or twice; headers that are damaged. */
import { gzipSync, zstdCompressSync, constants } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { directory, END, file, tar, tgz } from '../support/tar-builder.ts';
import { refusal, unpack } from '../support/unpacking.ts';

const BLOCKS = [directory('package/'), file('package/a', 'x'.repeat(700)), file('package/b', 'y')];
const PLAIN = tar(...BLOCKS);
const BODY = Buffer.concat(BLOCKS);

describe('a tar stream', () => {
  test('that is cut anywhere is refused as ArchiveCorrupt', async () => {
    for (let length = 512; length < PLAIN.length; length += 173)
      expect([length, (await refusal(gzipSync(PLAIN.subarray(0, length)))).reason]).toEqual([length, 'ArchiveCorrupt']);
  });

  test.each([
    ['without its end marker', BODY],
    ['with half an end marker', Buffer.concat([BODY, Buffer.alloc(512)])],
    ['with an entry behind half an end marker', Buffer.concat([BODY, Buffer.alloc(512), file('package/c'), END])],
    ['with entries behind its end marker', Buffer.concat([PLAIN, file('package/evil', 'x'), END])],
    ['with a whole second archive behind it', Buffer.concat([PLAIN, PLAIN])],
    ['with garbage behind its end marker', Buffer.concat([PLAIN, Buffer.from('garbage')])],
    ['with garbage behind a page of zeros', Buffer.concat([PLAIN, Buffer.alloc(100_000), Buffer.from('x')])],
    ['with a length that is no multiple of 512', Buffer.concat([PLAIN, Buffer.alloc(100)])],
    ['with more than 1 MiB of zeros behind it', Buffer.concat([PLAIN, Buffer.alloc(1024 * 1024 + 512)])],
    ['of garbage behind a good header', Buffer.concat([BODY, Buffer.alloc(2048, 'garbage')])],
  ])('%s is refused as ArchiveCorrupt', async (_what, bytes) => {
    expect((await refusal(gzipSync(bytes))).reason).toBe('ArchiveCorrupt');
  });

  test('with the padding of a tape record is honest', async () => {
    expect((await unpack(gzipSync(Buffer.concat([PLAIN, Buffer.alloc(10_240)])))).tree.files).toBe(2);
    expect((await unpack(gzipSync(Buffer.concat([PLAIN, Buffer.alloc(1024 * 1024)])))).tree.files).toBe(2);
  });

  test.each([1, -1, 256])('with a checksum that is off by %i is refused as ArchiveCorrupt', async (checksumError) => {
    expect((await refusal(tgz(file('package/a', 'x', { checksumError })))).reason).toBe('ArchiveCorrupt');
  });

  test('with a header that has a prefix and no name is refused as ArchiveCorrupt', async () => {
    expect((await refusal(tgz(file('', 'x', { prefix: 'package' })))).reason).toBe('ArchiveCorrupt');
  });

  test('with one bit of a header turned is refused as ArchiveCorrupt', async () => {
    for (let bit = 0; bit < 512 * 8; bit += 97) {
      const damaged = Buffer.from(PLAIN);
      const at = 512 + Math.floor(bit / 8);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit % 8));
      const { reason } = await refusal(gzipSync(damaged));
      expect([bit, reason]).toEqual([bit, 'ArchiveCorrupt']);
    }
  });
});

describe('a gzip stream', () => {
  const packed = gzipSync(PLAIN);
  const changed = (position: number): Buffer => {
    const copy = Buffer.from(packed);
    copy[position] = (copy[position] ?? 0) ^ 1;
    return copy;
  };

  test('that is cut anywhere is refused as ArchiveCorrupt', async () => {
    for (let length = 2; length < packed.length; length += 7)
      expect([length, (await refusal(packed.subarray(0, length))).reason]).toEqual([length, 'ArchiveCorrupt']);
  });

  test.each([
    ['with a wrong CRC', changed(packed.length - 8)],
    ['with a wrong length', changed(packed.length - 1)],
    ['with damaged data', changed(packed.length >> 1)],
    ['with garbage behind it', Buffer.concat([packed, Buffer.from('garbage')])],
    ['with one byte behind it', Buffer.concat([packed, Buffer.from([7])])],
    ['with zeros behind it', Buffer.concat([packed, Buffer.alloc(64)])],
    ['with garbage behind zeros', Buffer.concat([packed, Buffer.alloc(64), Buffer.from('x')])],
    ['with the start of a second member behind it', Buffer.concat([packed, packed.subarray(0, 12)])],
    ['whose second member holds a second archive', Buffer.concat([packed, packed])],
    [
      'whose second member has a wrong CRC',
      Buffer.concat([gzipSync(PLAIN.subarray(0, 512)), changed(packed.length - 8)]),
    ],
    ['inside a gzip stream', gzipSync(packed)],
  ])('%s is refused as ArchiveCorrupt', async (_what, bytes) => {
    expect((await refusal(bytes)).reason).toBe('ArchiveCorrupt');
  });

  test('of many members is one archive', async () => {
    const members: Buffer[] = [];
    for (let at = 0; at < PLAIN.length; at += 100) members.push(gzipSync(PLAIN.subarray(at, at + 100)));
    members.push(gzipSync(Buffer.alloc(0)));
    expect((await unpack(Buffer.concat(members))).tree.files).toBe(2);
  });
});

describe('a zstd stream', () => {
  const checksummed = zstdCompressSync(PLAIN, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);

  test('that is cut anywhere is refused as ArchiveCorrupt', async () => {
    for (let length = 4; length < checksummed.length; length += 7)
      expect([length, (await refusal(checksummed.subarray(0, length))).reason]).toEqual([length, 'ArchiveCorrupt']);
  });

  test.each([
    [
      'with a wrong checksum',
      Buffer.concat([checksummed.subarray(0, -1), Buffer.from([(checksummed.at(-1) ?? 0) ^ 1])]),
    ],
    ['with garbage behind it', Buffer.concat([checksummed, Buffer.from('garbage')])],
    ['with zeros behind it', Buffer.concat([checksummed, Buffer.alloc(8)])],
    ['with a cut second frame', Buffer.concat([zstdCompressSync(BODY), zstdCompressSync(END).subarray(0, -2)])],
    ['with a cut skippable frame behind it', Buffer.concat([checksummed, skippable.subarray(0, -1)])],
    ['whose second frame holds a second archive', Buffer.concat([checksummed, checksummed])],
  ])('%s is refused as ArchiveCorrupt', async (_what, bytes) => {
    expect((await refusal(bytes)).reason).toBe('ArchiveCorrupt');
  });

  test('of several frames and a table of contents is one archive', async () => {
    const frames = [
      skippable,
      zstdCompressSync(PLAIN.subarray(0, 700)),
      skippable,
      zstdCompressSync(PLAIN.subarray(700)),
      skippable,
    ];
    expect((await unpack(Buffer.concat(frames))).tree.files).toBe(2);
  });

  test('that wants more memory than allowed is refused as ArchiveUnsupported', async () => {
    const wide = zstdCompressSync(Buffer.concat([PLAIN, Buffer.alloc(200_000_000)]), {
      params: { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 },
    });
    expect(await refusal(wide)).toMatchObject({ reason: 'ArchiveUnsupported', details: { limit: 32 * 1024 * 1024 } });
  });
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a page of HTML', Buffer.from('<!doctype html><title>Sign in</title>')],
  ['a zip file', Buffer.from('PK\u0003\u0004 and so on')],
  ['bzip2', Buffer.from('BZh91AY&SY')],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])],
  ['zeros', Buffer.alloc(10_240)],
])('%s is refused as ArchiveUnsupported', async (_what, bytes) => {
  expect((await refusal(bytes)).reason).toBe('ArchiveUnsupported');
});
