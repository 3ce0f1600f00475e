import { expect, test } from 'vitest';
import { readPackument } from '../../../installer/npm/packument.ts';

test.each([
  [null],
  ['text'],
  [[]],
  [{}],
  [{ name: 1 }],
  [{ name: 'x', versions: [] }],
  [{ name: 'x', 'dist-tags': { a: 1 } }],
])('does not take %j for a packument', (value) => {
  expect(readPackument(value)).toBeUndefined();
});

test('reads a record field by field and forgives those of other kinds', () => {
  const packument = readPackument({
    name: 'x',
    versions: {
      '1.0.0': {
        version: '1.0.0',
        deprecated: 7,
        engines: ['node'],
        dist: { tarball: 1, integrity: 'sha1-x', shasum: 'a' },
      },
      '1.1.0': { version: '1.1.0', dist: 'nowhere' },
      '1.2.0': 'not a record',
    },
  });
  expect(packument?.record('1.0.0')).toEqual({
    version: '1.0.0',
    deprecated: undefined,
    nodeRange: undefined,
    dist: { tarball: undefined, integrity: 'sha1-x', hasShasum: true },
  });
  expect(packument?.record('1.1.0')?.dist).toEqual({ tarball: undefined, integrity: undefined, hasShasum: false });
  expect(packument?.record('1.2.0')).toBeUndefined();
  expect(packument?.record('toString')).toBeUndefined();
});
