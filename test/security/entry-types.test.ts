/** What is neither file nor directory nor link, and modes nobody should get. */
import { describe, expect, test } from 'vitest';
import { directory, entry, file, pax, tgz } from '../support/tar-builder.ts';
import { refusal, unpack } from '../support/unpacking.ts';

describe('entry types', () => {
  test.each([
    ['a character device', '3'],
    ['a block device', '4'],
    ['a FIFO', '6'],
    ['a contiguous file', '7'],
    ['a GNU dump directory', 'D'],
    ['a GNU multi-volume continuation', 'M'],
    ['a GNU volume label', 'V'],
    ['a GNU old long name', 'N'],
    ['a Solaris extended header', 'X'],
    ['a Solaris ACL', 'A'],
    ['an inode record', 'I'],
    ['an unknown letter', 'Z'],
    ['an unknown digit', '9'],
    ['an unknown byte', '\u00ff'],
  ])('%s is refused as EntryTypeForbidden', async (_what, type) => {
    const error = await refusal(tgz(file('package/a'), entry({ name: 'package/x', type, device: [1, 3] })));
    expect(error.reason).toBe('EntryTypeForbidden');
    expect(error.details['path']).toBe('"package/x"');
  });

  test.each([
    ['by type flag', entry({ name: 'package/x', type: 'S' }, 'x')],
    [
      'by PAX records',
      Buffer.concat([pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }), file('package/x', 'x')]),
    ],
    ['by old PAX records', Buffer.concat([pax({ 'GNU.sparse.size': '1099511627776' }), file('package/x', 'x')])],
  ])('a sparse file %s is refused as ArchiveUnsupported', async (_what, sparse) => {
    expect((await refusal(tgz(sparse))).reason).toBe('ArchiveUnsupported');
  });

  test('the type of tar before POSIX is a file, and a directory when its name ends in a slash', async () => {
    const { state } = await unpack(
      tgz(file('package/d/', '', { type: '\0', format: 'v7' }), file('package/a', 'x', { type: '\0', format: 'v7' })),
    );
    expect(Object.keys(state)).toEqual(['a', 'd']);
    expect(state['d']).toBe('dir 0755');
  });
});

describe('modes', () => {
  test.each([
    [0o4755, '0755'],
    [0o2644, '0644'],
    [0o1777, '0755'],
    [0o7777, '0755'],
    [0o000, '0644'],
    [0o666, '0644'],
    [0o600, '0644'],
    [0o100, '0755'],
    [0o001, '0755'],
  ])('a file of mode %o gets its own clean mode', async (mode, expected) => {
    const { state } = await unpack(tgz(file('package/a', 'x', { mode })));
    expect(state['a']).toMatch(new RegExp(`^file ${expected} `));
  });

  test.each([0o7777, 0o000, 0o700])('a directory of mode %o gets 0755', async (mode) => {
    const { state } = await unpack(tgz(directory('package/d/', { mode }), file('package/d/a')));
    expect(state['d']).toBe('dir 0755');
  });
});
