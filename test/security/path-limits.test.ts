/** Names and trees that are legal and absurd. */
import { describe, expect, test } from 'vitest';
import { directory, file, pax, tgz } from '../support/tar-builder.ts';
import { refusal, unpack } from '../support/unpacking.ts';

const named = (path: string): Buffer => tgz(Buffer.concat([pax({ path }), file('x', '1')]));
const deep = (levels: number): string => Array.from({ length: levels }, () => 'd').join('/');

const files = (directory: string, count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => file(`${directory}/${index}`));

describe('path limits', () => {
  test.each([
    [
      '1,024 bytes',
      `${'p/'.repeat(60)}${'a'.repeat(200)}/${'b'.repeat(251)}/${'c'.repeat(251)}/${'d'.repeat(199)}`.slice(0, 1024),
    ],
    ['64 levels', deep(64)],
    ['a name of 255 bytes', `package/${'n'.repeat(255)}`],
    ['a name of 255 bytes in another script', `package/${'é'.repeat(127)}n`],
  ])('%s are accepted', async (_what, path) => {
    expect((await unpack(named(path), { layout: 'image', wanted: [path.split('/')[0]] })).tree.files).toBe(1);
  });

  test.each([
    [
      'a path of more bytes than allowed',
      `package/${'abcd/'.repeat(40)}${'f'.repeat(860)}`,
      'PORTAL_PLUGINS_MAX_PATH_BYTES',
      1024,
    ],
    ['more levels than allowed', deep(65), 'PORTAL_PLUGINS_MAX_PATH_DEPTH', 64],
    ['a name of more bytes than a file system stores', `package/${'n'.repeat(256)}`, undefined, 255],
    ['a name of more bytes though fewer characters', `package/${'é'.repeat(128)}`, undefined, 255],
  ])('%s: PathTooDeep with limit and setting', async (_what, path, setting, limit) => {
    const error = await refusal(named(path));
    expect(error).toMatchObject({ reason: 'PathTooDeep', details: { limit } });
    expect(error.details['setting']).toBe(setting);
  });

  test('the limits are settings', async () => {
    const context = { limits: { pathBytes: 20, pathDepth: 3 } };
    expect((await refusal(named('package/a/b/c'), { context })).details).toMatchObject({ limit: 3, value: 4 });
    expect((await refusal(named(`package/${'a'.repeat(20)}`), { context })).details).toMatchObject({
      limit: 20,
      value: 28,
    });
  });

  test('a path of 30,000 levels is refused before a directory is made for it (CVE-2024-28863)', async () => {
    expect((await refusal(named(deep(30_000)))).reason).toBe('PathTooDeep');
  });
});

describe('million entries', () => {
  test('an archive of more entries than allowed is refused with limit and setting', async () => {
    const archive = tgz(...Array.from({ length: 101 }, (_, index) => file(`package/${index}`)));
    const error = await refusal(archive, { context: { limits: { files: 100 } } });
    expect(error).toMatchObject({
      reason: 'TooManyEntries',
      details: { limit: 100, value: 101, setting: 'PORTAL_PLUGINS_MAX_FILES' },
    });
  });

  test('exactly as many entries as allowed are accepted', async () => {
    const archive = tgz(...Array.from({ length: 100 }, (_, index) => file(`package/${index}`)));
    expect((await unpack(archive, { context: { limits: { files: 100 } } })).tree.files).toBe(100);
  });

  test('directories, repeated ones too, and entries that are not wanted count', async () => {
    const context = { limits: { files: 100 } };
    const directories = tgz(...Array.from({ length: 101 }, () => directory('package/same/')));
    expect((await refusal(directories, { context })).reason).toBe('TooManyEntries');
    const image = tgz(file('a/package.json', '{}'), ...Array.from({ length: 100 }, (_, index) => file(`b/${index}`)));
    expect((await refusal(image, { layout: 'image', wanted: ['a'], context })).reason).toBe('TooManyEntries');
  });

  test('directories without an entry of their own count up to the same limit', async () => {
    const deep = Array.from({ length: 20 }, () => 'd').join('/');
    const blocks = Array.from({ length: 10 }, (_, index) => file(`package/${index}/${deep}/f`));
    const error = await refusal(tgz(...blocks), { context: { limits: { files: 200 } } });
    expect(error).toMatchObject({
      reason: 'TooManyEntries',
      details: { limit: 200, value: 201, setting: 'PORTAL_PLUGINS_MAX_FILES' },
    });
    expect((await unpack(tgz(...blocks), { context: { limits: { files: 211 } } })).tree.files).toBe(10);
  });

  test('an image that several entries share may hold as many for each, and none of them more than its own', async () => {
    const context = { limits: { files: 4 } };
    const image = tgz(...files('a', 2), ...files('b', 5));
    const { result } = await unpack(image, { layout: 'image', wanted: ['a', 'b'], context });
    expect(result.trees.map((tree) => (tree.status === 'failed' ? tree.error.reason : tree.status))).toEqual([
      'ok',
      'TooManyEntries',
    ]);
  });
});
