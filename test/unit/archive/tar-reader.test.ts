import { describe, expect, test } from 'vitest';
import type { TarEntry } from '../../../installer/archive/policy.ts';
import { TarReader } from '../../../installer/archive/tar-reader.ts';
import { directory, file, gnuLong, pax, symlink, tar } from '../../support/tar-builder.ts';

interface Read extends TarEntry {
  readonly content: string;
}

function read(bytes: Buffer, chunkBytes: number): readonly Read[] {
  const entries: Read[] = [];
  let current: TarEntry | undefined;
  let content = '';
  const reader = new TarReader({
    onEntry: (entry) => {
      current = entry;
      content = '';
    },
    onContent: (piece) => {
      if (piece.length === 0) throw new Error('an empty piece');
      content += piece.toString('latin1');
    },
    onEntryEnd: () => {
      if (current === undefined) throw new Error('an end without a beginning');
      entries.push({ ...current, content });
      current = undefined;
    },
  });
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.write(bytes.subarray(at, at + chunkBytes));
  reader.finish();
  return entries;
}

const archive = tar(
  pax({ comment: 'x' }, 'g'),
  directory('package/'),
  pax({ path: `package/${'é'.repeat(150)}` }),
  file('short', 'x'.repeat(513), { mode: 0o755 }),
  gnuLong(`package/${'g'.repeat(200)}`),
  file('short', ''),
  symlink('package/l', 'a'),
  file('package/block', 'y'.repeat(512)),
);

describe('TarReader', () => {
  test('gives entries in order, with the names of their extension headers', () => {
    expect(read(archive, archive.length)).toEqual([
      { path: 'package/', type: '5', mode: 0o755, size: 0, target: '', content: '' },
      { path: `package/${'é'.repeat(150)}`, type: '0', mode: 0o755, size: 513, target: '', content: 'x'.repeat(513) },
      { path: `package/${'g'.repeat(200)}`, type: '0', mode: 0o644, size: 0, target: '', content: '' },
      { path: 'package/l', type: '2', mode: 0o644, size: 0, target: 'a', content: '' },
      { path: 'package/block', type: '0', mode: 0o644, size: 512, target: '', content: 'y'.repeat(512) },
    ]);
  });

  test.each([1, 7, 100, 511, 512, 513, 1000, 1024, 4096])('reads the same in chunks of %i bytes', (chunkBytes) => {
    expect(read(archive, chunkBytes)).toEqual(read(archive, archive.length));
  });

  test('ends only where an archive may end', () => {
    for (let length = 0; length < archive.length; length += 1)
      expect(() => read(archive.subarray(0, length), 4096)).toThrow(
        expect.objectContaining({ reason: 'ArchiveCorrupt' }),
      );
  });
});
