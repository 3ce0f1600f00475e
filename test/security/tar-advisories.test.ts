/**
 * One test for each published advisory of node-tar, the library whose header decoder is used. Most of them sit in its `Unpack`, which is
 * not used; each test builds the archive the advisory describes, or its class, and demands a refusal with nothing written outside.
 */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  directory,
  END,
  entry,
  file,
  gnuLong,
  hardlink,
  header,
  pax,
  symlink,
  tar,
  tgz,
} from '../support/tar-builder.ts';
import { attempt, refusal, unpack } from '../support/unpacking.ts';

const reasonOf = async (...blocks: readonly Buffer[]): Promise<string> => (await refusal(tgz(...blocks))).reason;
const A = file('package/a', 'A');

describe('advisories of 2021', () => {
  // GHSA-r628-mhmh-qjhw: a directory, replaced by a link of the same name, was still in the cache of made directories.
  test('CVE-2021-32803: a directory is not replaced by a link that the next file is written through', async () => {
    const blocks = [directory('package/d/'), symlink('package/d', '..'), file('package/d/victim', 'evil')];
    expect(await reasonOf(...blocks)).toBe('PathCollision');
  });

  // GHSA-3jfq-g458-7qm9: only one leading slash was stripped, so that `////path` stayed absolute.
  test('CVE-2021-32804: repeated leading slashes are absolute', async () => {
    expect(await reasonOf(file('////tmp/evil', 'x'))).toBe('PathEscape');
    expect(await reasonOf(pax({ path: '///./../tmp/evil' }), file('package/a'))).toBe('PathEscape');
  });

  // GHSA-9r2w-394v-53qc: the directory cache split at backslashes, the file system did not; and FOO and foo on folding file systems.
  test('CVE-2021-37701: backslashes are refused and names that differ in case collide', async () => {
    expect(await reasonOf(directory('package\\d'), symlink('package\\d', '..'), file('package/d/x'))).toBe(
      'PathEscape',
    );
    expect(await reasonOf(A, directory('package/FOO/'), symlink('package/foo', '.'), file('package/FOO/x'))).toBe(
      'PathCollision',
    );
  });

  // GHSA-qq89-hq3f-393p: two Unicode forms of one directory name, then a link, then a file through it.
  test('CVE-2021-37712: names that are one name in another Unicode form collide', async () => {
    const composed = pax({ path: 'package/caf\u00e9/' });
    const decomposed = pax({ path: 'package/cafe\u0301' });
    const blocks = [
      composed,
      directory('x'),
      decomposed,
      symlink('y', '.'),
      pax({ path: 'package/caf\u00e9/evil' }),
      file('z', 'x'),
    ];
    expect(await reasonOf(...blocks)).toBe('PathCollision');
  });

  // GHSA-5955-9wpr-37jh: `C:../x` is relative to the working directory of another drive.
  test('CVE-2021-37713: paths relative to a drive are refused', async () => {
    expect(await reasonOf(file('C:../../evil', 'x'))).toBe('PathEscape');
    expect(await reasonOf(file('package/c:..\\evil', 'x'))).toBe('PathEscape');
  });
});

// GHSA-f5x3-32g6-xq36: a path of tens of thousands of directories, each made.
test('CVE-2024-28863: the depth of a path is limited before a directory is made', async () => {
  const { outcome, left } = await attempt(tgz(gnuLong(`package/${'a/'.repeat(20_000)}b`), file('x', 'x')));
  expect(outcome).toMatchObject({ reason: 'PathTooDeep' });
  expect(left).toEqual({});
});

// GHSA-29xp-372q-xqph: a tar file that shrinks while it is read gave out memory that was never written.
test('CVE-2025-64118: an archive that is shorter than its headers say is cut, not filled up', async () => {
  const whole = tar(file('package/a', Buffer.alloc(600_000, 'x')));
  for (const length of [1024, 4096, 262_144, 524_288, 599_552])
    expect([length, (await refusal(whole.subarray(0, length))).reason]).toEqual([length, 'ArchiveCorrupt']);
});

describe('advisories of 2026: links', () => {
  // GHSA-8qq5-rm4j-mr97: targets of hard links and absolute targets of symbolic links were not checked.
  test('CVE-2026-23745: absolute and climbing targets of links are refused', async () => {
    expect(await reasonOf(A, hardlink('package/l', '/etc/passwd'))).toBe('LinkEscape');
    expect(await reasonOf(A, hardlink('package/l', '../victim'))).toBe('LinkEscape');
    expect(await reasonOf(A, symlink('package/l', '/etc'), file('package/l/passwd', 'x'))).toBe('LinkEscape');
    expect(await reasonOf(A, symlink('package/l', '/etc'))).toBe('LinkEscape');
  });

  // GHSA-r6q2-hw4h-h46w: paths that one file system folds (sharp s and ss) were reserved as two.
  test('CVE-2026-23950: names that fold to one name collide, ligatures and sharp s included', async () => {
    expect(await reasonOf(pax({ path: 'package/\u00df' }), symlink('x', '.'), file('package/ss/victim', 'x'))).toBe(
      'PathCollision',
    );
    expect(await reasonOf(pax({ path: 'package/\ufb00' }), file('x'), file('package/FF'))).toBe('PathCollision');
  });

  // GHSA-34x7-hfp2-rc4v: a hard link was checked as if relative to its own directory, and made relative to the root.
  test('CVE-2026-24842: the target of a hard link is resolved one way only, from the top of the archive', async () => {
    expect(await reasonOf(A, file('package/d/x'), hardlink('package/d/e/l', '../../../victim'))).toBe('LinkEscape');
    expect(await reasonOf(A, file('package/d/x'), hardlink('package/d/l', '../a'))).toBe('LinkEscape');
    expect(await reasonOf(A, hardlink('package/d/e/l', 'package/../../victim'))).toBe('LinkEscape');
  });

  // GHSA-83g3-92jg-28cx: a hard link whose target passes a chain of symbolic links that leads out.
  test('CVE-2026-26960: a hard link does not reach a file through symbolic links', async () => {
    const chain = [directory('package/d/'), symlink('package/d/up', '..'), symlink('package/out', 'd/up/..')];
    expect(await reasonOf(A, ...chain, hardlink('package/stolen', 'package/out/victim'))).toBe('LinkEscape');
    expect(await reasonOf(A, symlink('package/s', 'a'), hardlink('package/h', 'package/s'))).toBe('LinkEscape');
  });

  // GHSA-qffp-2rhf-9h96: the drive was stripped after `..` had been looked for.
  test('CVE-2026-29786: drive-relative targets of hard links are refused', async () => {
    expect(await reasonOf(A, hardlink('package/l', 'C:../../victim'))).toBe('LinkEscape');
    expect(await reasonOf(A, hardlink('package/l', 'C:package/a'))).toBe('LinkEscape');
  });

  // GHSA-9ppj-qmqm-q256: the same for symbolic links.
  test('CVE-2026-31802: drive-relative targets of symbolic links are refused', async () => {
    expect(await reasonOf(A, symlink('package/l', 'C:../../../victim'))).toBe('LinkEscape');
    expect(await reasonOf(A, symlink('package/l', 'c:a'))).toBe('LinkEscape');
  });
});

describe('advisories of 2026: parsing', () => {
  // GHSA-vmf3-w455-68vh: the size of a PAX header was applied to the long-name header that followed, so that node-tar read other entries
  // than every other tar. Here the PAX size must equal the header's, and a name is given one way only.
  test('CVE-2026-53655: a PAX header does not apply to the long-name header behind it', async () => {
    const hidden = Buffer.concat([header({ name: 'package/hidden', size: 0 }), Buffer.alloc(512)]);
    expect(await reasonOf(pax({ size: '1536' }), gnuLong('package/visible'), entry({ name: 'x' }, hidden))).toBe(
      'ArchiveCorrupt',
    );
    expect(await reasonOf(pax({ path: 'package/one' }), gnuLong('package/two'), A)).toBe('ArchiveCorrupt');
    const { state } = await unpack(tgz(pax({ mtime: '1' }), gnuLong('package/named'), file('x', '1')));
    expect(Object.keys(state)).toEqual(['named']);
  });

  // GHSA-w8wr-v893-vjvp: a name of digits became a number and the process died of `.split`.
  test('CVE-2026-59871: names of digits are names', async () => {
    const { state } = await unpack(
      tgz(pax({ path: 'package/12345' }), file('x', '1'), pax({ path: 'package/1e3' }), file('y', '2')),
    );
    expect(Object.keys(state)).toEqual(['12345', '1e3']);
    expect(await reasonOf(pax({ path: '12345' }), file('package/x'))).toBe('ArchiveLayoutInvalid');
    expect(await reasonOf(A, pax({ linkpath: '12345' }), symlink('package/l', 'x'))).toBe('LinkEscape');
  });

  // GHSA-23hp-3jrh-7fpw: no bound on bytes, entries or ratio.
  test('CVE-2026-59873: inflated bytes, entries and ratio are bounded', async () => {
    const bomb = tgz(file('package/zeros', Buffer.alloc(32 * 1024 * 1024)));
    expect((await refusal(bomb)).reason).toBe('CompressionRatioExceeded');
    expect((await refusal(bomb, { context: { limits: { unpackedBytes: 1_000_000 } } })).reason).toBe(
      'SizeBudgetExceeded',
    );
    const many = tgz(...Array.from({ length: 50 }, (_, index) => file(`package/${index}`)));
    expect((await refusal(many, { context: { limits: { files: 49 } } })).reason).toBe('TooManyEntries');
  });

  // GHSA-8x88-c5mf-7j5w: a negative base-256 size moved the reader backwards, for ever.
  test('CVE-2026-59874: a negative size is refused', async () => {
    const negative = Buffer.alloc(12, 0xff);
    negative.writeInt16BE(-512, 10);
    expect(await reasonOf(entry({ name: 'package/a', sizeField: negative }))).toBe('ArchiveCorrupt');
    expect(await reasonOf(entry({ name: 'x', type: 'x', sizeField: negative }), A)).toBe('ArchiveCorrupt');
    expect(await reasonOf(entry({ name: 'package/d/', type: '5', sizeField: negative }), A)).toBe('ArchiveCorrupt');
  });

  // GHSA-gvwx-54wh-qm9j: a NUL in a PAX name reached the file system and killed the process; other tars end the name there.
  test('CVE-2026-59875: a NUL in a PAX name or target is refused, neither cut nor passed on', async () => {
    expect(await reasonOf(pax({ path: 'package/visible\0hidden' }), file('x'))).toBe('PathInvalid');
    expect(await reasonOf(A, pax({ linkpath: 'a\0garbage' }), symlink('package/l', 'a'))).toBe('PathInvalid');
    expect(await reasonOf(A, pax({ linkpath: 'package/a\0x' }), hardlink('package/l', 'package/a'))).toBe('LinkEscape');
  });

  // GHSA-r292-9mhp-454m: choosing members of an archive by name recursed once for each level of a path. A wanted path of an image is such
  // a choice; it must not cost more than the archive, and no depth may overflow the stack.
  test('CVE-2026-73566: choosing a directory of an image with absurdly deep paths overflows nothing', async () => {
    const deep = `${'a/'.repeat(30_000)}b`;
    const archive = gzipSync(Buffer.concat([file('p/package.json', '{}'), pax({ path: deep }), file('x'), END]));
    expect((await refusal(archive, { layout: 'image', wanted: ['p'] })).reason).toBe('PathTooDeep');
    const context = { limits: { pathDepth: 100_000, pathBytes: 100_000 } };
    expect(await refusal(archive, { layout: 'image', wanted: ['p'], context })).toMatchObject({
      reason: 'PathTooDeep',
      details: { limit: 2048, value: 30_001 },
    });
    const deepest = pax({ path: `${'a/'.repeat(2047)}b` });
    const layers = [
      tgz(file('p/package.json', '{}'), deepest, file('x')),
      tgz(deepest, file('x'), file('.wh.a')),
      tgz(file('.wh.a')),
    ];
    expect((await unpack(layers, { layout: 'image', wanted: ['p'], context })).tree.files).toBe(1);
  });
});
