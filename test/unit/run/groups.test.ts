import { expect, test } from 'vitest';
import { groupByDownload } from '../../../installer/run/groups.ts';
import { testEntry, testResolved } from '../../support/entries.ts';

const KEY = 'oci://registry.example/plugins@sha256:00';

function indexes(
  pinned: readonly { readonly key?: string; readonly path?: string; readonly layout?: 'image' | 'package' }[],
): number[][] {
  const resolved = pinned.map((one, index) => testResolved(testEntry(index), { layout: 'image', ...one }));
  return groupByDownload(resolved).map((group) => group.map(({ entry }) => entry.index));
}

test('entries on one image with different plugin paths share a group', () => {
  expect(
    indexes([
      { key: KEY, path: 'a' },
      { key: 'other', path: 'a' },
      { key: KEY, path: 'b' },
    ]),
  ).toEqual([[0, 2], [1]]);
});

test('an entry whose path equals, contains or lies below another gets a group of its own', () => {
  expect(
    indexes([
      { key: KEY, path: 'a' },
      { key: KEY, path: 'a' },
    ]),
  ).toEqual([[0], [1]]);
  expect(
    indexes([
      { key: KEY, path: 'a/b' },
      { key: KEY, path: 'a' },
    ]),
  ).toEqual([[0], [1]]);
  expect(
    indexes([
      { key: KEY, path: 'a' },
      { key: KEY, path: 'a/b' },
    ]),
  ).toEqual([[0], [1]]);
});

test('a path that only starts with the same letters shares the group', () => {
  expect(
    indexes([
      { key: KEY, path: 'todo' },
      { key: KEY, path: 'todo-backend' },
    ]),
  ).toEqual([[0, 1]]);
});

test('whole archives never share, nor do different layouts of one address', () => {
  expect(
    indexes([
      { key: KEY, layout: 'package' },
      { key: KEY, layout: 'package' },
    ]),
  ).toEqual([[0], [1]]);
  expect(
    indexes([
      { key: KEY, path: 'a' },
      { key: KEY, path: 'b', layout: 'package' },
    ]),
  ).toEqual([[0], [1]]);
});
