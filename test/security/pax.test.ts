/** PAX headers that one reader obeys, another ignores, and a third reads halfway. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { entry, file, gnuLong, pax, paxRecord, rawPax, tar, tgz } from '../support/tar-builder.ts';
import { refusal, unpack } from '../support/unpacking.ts';

const A = file('package/a', 'x');
const good = paxRecord('path', 'package/renamed');

describe('a PAX header is refused as ArchiveCorrupt', () => {
  test.each([
    ['with a length that is too small', paxRecord('path', 'package/evil', -1)],
    ['with a length that is too large', paxRecord('path', 'package/evil', 1)],
    ['with a length beyond its body', Buffer.from('99 path=x\n')],
    ['with a length of zero', Buffer.from('0 path=x\n')],
    ['with a length written with a leading zero', Buffer.from('010 path=x\n')],
    ['with a huge length', Buffer.from('99999999999999999999 path=x\n')],
    ['without a length', Buffer.from('path=package/evil\n')],
    ['without an equals sign', Buffer.from('7 path\n')],
    ['without a keyword', Buffer.from('5 =x\n')],
    ['without a line feed at the end', Buffer.from('9 path=xy')],
    ['with bytes behind its records', Buffer.concat([good, Buffer.from('\0\0')])],
    ['with one keyword twice', Buffer.concat([good, paxRecord('path', 'package/other')])],
    ['with a size that is no number', paxRecord('size', '1e3')],
    ['with a negative size', paxRecord('size', '-1')],
    ['with a size that is fractional', paxRecord('size', '1.0')],
    ['with a size beyond 2^53', paxRecord('size', '9007199254740993')],
    ['with an empty size', paxRecord('size', '')],
  ])('%s', async (_what, body) => {
    expect((await refusal(tgz(rawPax(body), A))).reason).toBe('ArchiveCorrupt');
  });

  test.each([
    ['when its size differs from the header', tgz(pax({ size: '2' }), A)],
    [
      'when its size differs and the data fits it',
      tgz(pax({ size: '512' }), entry({ name: 'package/a', size: 0 }, 'x'.repeat(512))),
    ],
    ['when it gives a directory a size', tgz(pax({ size: '512' }), entry({ name: 'package/d/', type: '5' }))],
    ['when another stands before the same entry', tgz(rawPax(good), rawPax(good), A)],
    ['when a GNU long name stands before the same entry', tgz(rawPax(good), gnuLong('package/evil'), A)],
    ['when two GNU long names stand before one entry', tgz(gnuLong('package/a'), gnuLong('package/b'), A)],
    ['when two GNU long targets stand before one entry', tgz(gnuLong('a', 'K'), gnuLong('b', 'K'), A)],
    ['when no entry follows', tgz(A, rawPax(good))],
    ['when it is global and sets a name', tgz(pax({ path: 'package/evil' }, 'g'), A)],
    ['when it is global and sets a size', tgz(pax({ size: '0' }, 'g'), A)],
    ['when it is larger than 64 KiB', tgz(pax({ comment: 'x'.repeat(65_536) }), A)],
    ['when a long name is larger than 64 KiB', tgz(gnuLong('x'.repeat(65_536)), A)],
    [
      'when there are thousands before one entry',
      tgz(...Array.from({ length: 2000 }, () => pax({ comment: 'x' }, 'g')), A),
    ],
  ])('%s', async (_what, archive) => {
    expect((await refusal(archive)).reason).toBe('ArchiveCorrupt');
  });
});

test.each([
  ['path', pax({ path: Buffer.from('package/\xff', 'latin1') })],
  ['linkpath', pax({ linkpath: Buffer.from('\xff', 'latin1') })],
  ['long name', gnuLong(Buffer.from('package/\xff', 'latin1'))],
])('a %s that is not UTF-8 is refused, not replaced', async (_what, extension) => {
  expect((await refusal(tgz(extension, A))).reason).toBe('PathInvalid');
});

test('names in another character set are refused', async () => {
  expect((await refusal(tgz(pax({ hdrcharset: 'BINARY', path: 'package/x' }), A))).reason).toBe('ArchiveUnsupported');
  expect(
    (await unpack(tgz(pax({ hdrcharset: 'ISO-IR 10646 2000 UTF-8', path: 'package/x' }), A))).state,
  ).toHaveProperty('x');
});

test('a global header may be all there is behind the last entry, as git archive writes it', async () => {
  expect((await unpack(tgz(A, pax({ comment: '4f2c' }, 'g')))).tree.files).toBe(1);
});

test('an equal size, an empty header and attributes of any bytes are honest', async () => {
  const { state } = await unpack(
    tgz(
      pax({ size: '1', 'LIBARCHIVE.xattr.x': Buffer.from([10, 0, 255, 10]), uname: 'a\nb' }),
      A,
      rawPax(''),
      file('package/b'),
    ),
  );
  expect(Object.keys(state)).toEqual(['a', 'b']);
});

test('a value may hold a line feed and an equals sign, and as a name it is then refused as what it is', async () => {
  expect((await refusal(tgz(pax({ path: 'package/a\n9 path=b' }), A))).reason).toBe('PathInvalid');
  expect((await unpack(tgz(pax({ path: 'package/a=b' }), A))).state).toHaveProperty(['a=b']);
});

test('an honest name of several bytes for each letter survives every chunk boundary', async () => {
  const path = `package/${'é'.repeat(120)}`;
  // Behind so many bytes the PAX body lies across the 256 KiB at which inflated chunks end.
  for (let offset = 0; offset <= 1536; offset += 512) {
    const before = file('package/fill', Buffer.alloc(256 * 1024 - 3 * 512 - offset + 512));
    const { state } = await unpack(gzipSync(tar(before, pax({ path }), A)), { context: { limits: { ratio: 10_000 } } });
    expect(state).toHaveProperty([path.slice('package/'.length)]);
  }
});
