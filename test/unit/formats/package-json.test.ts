import { describe, expect, test } from 'vitest';
import { checkIdentity, directoryName, readPackageJson } from '../../../installer/formats/package-json.ts';
import { testEntry, testResolved } from '../../support/entries.ts';
import { backendFiles, pluginTree, type TreeFiles } from '../../support/plugin-tree.ts';

async function rejection(files: TreeFiles): Promise<unknown> {
  return readPackageJson(await pluginTree(files)).then(
    () => 'accepted',
    (error: unknown) => error,
  );
}

test.each([
  ['@acme/x', 'acme-x'],
  ['backstage-plugin-todo-dynamic', 'backstage-plugin-todo-dynamic'],
  ['@Acme/Legacy', 'Acme-Legacy'],
  ['butler.test-dynamic', 'butler.test-dynamic'],
  ['x'.repeat(214), 'x'.repeat(214)],
])('the directory of %s is %s', (name, dir) => {
  expect(directoryName(name)).toBe(dir);
});

test.each([
  '.',
  '..',
  '.hidden',
  '@acme/.hidden',
  '../x',
  '@acme/../x',
  '@../x',
  'a/b',
  '@a/b/c',
  '@a',
  '@/x',
  'a\\b',
  'a b',
  'a\u0000b',
  'a\nb',
  'ä',
  '_x',
  'node_modules',
  'lost+found',
  'portal-plugins.json',
  'App-Config.dynamic-plugins.yaml',
  'x'.repeat(215),
])('the name %j cannot be a directory', (name) => {
  expect(() => directoryName(name)).toThrow(expect.objectContaining({ reason: 'NameInvalid' }) as Error);
});

describe('a package.json', () => {
  test.each([
    ['name', undefined],
    ['name', ''],
    ['name', '   '],
    ['name', 5],
    ['name', { a: 1 }],
    ['version', undefined],
    ['version', 1],
    ['version', ''],
    ['version', 'latest'],
    ['version', '1.2'],
    ['version', '^1.2.3'],
    ['version', 'git+https://x/y'],
  ])('with %s %j is refused at that field', async (field, value) => {
    expect(await rejection(backendFiles({ [field]: value }))).toMatchObject({
      reason: 'PackageJsonInvalid',
      details: { file: 'package.json', jsonPath: field },
    });
  });

  test.each(['', '{', '[]', 'null', '"x"', '{"name": "a",}', '\ufeff{}'])('of the text %j is refused', async (text) => {
    expect(await rejection({ 'package.json': text })).toMatchObject({
      reason: 'PackageJsonInvalid',
      details: { file: 'package.json' },
    });
  });

  test('that is absent, or a directory, is missing', async () => {
    expect(await rejection({ 'dist/x.js': '' })).toMatchObject({ reason: 'PackageJsonMissing' });
    expect(await rejection({ 'package.json': null })).toMatchObject({ reason: 'PackageJsonMissing' });
  });

  test('above 1 MiB is refused', async () => {
    expect(await rejection(backendFiles({ padding: 'x'.repeat(1024 * 1024) }))).toMatchObject({
      reason: 'EntryTooLarge',
    });
  });

  test('with __proto__ in it changes nothing', async () => {
    const text = '{"name":"x","version":"1.0.0","__proto__":{"main":"evil.js"}}';
    const { fields } = await readPackageJson(await pluginTree({ 'package.json': text }));
    expect(fields['main']).toBeUndefined();
  });

  test('does not bring control characters into the message', async () => {
    const error = await rejection(backendFiles({ version: '1.0.0\n\u001b[2J' }));
    expect((error as Error).message).not.toMatch(/[\u0000-\u001f]/);
  });
});

const pinned = (identity: { name: string; version: string }): Parameters<typeof checkIdentity>[1] =>
  testResolved(testEntry(0), { identity }).pinned;

describe('the identity that the registry resolved', () => {
  test.each([
    ['@acme/plugin-todo-backend', '1.4.2'],
    ['@acme/plugin-todo-backend', 'v1.4.2'],
    ['@acme/plugin-todo-backend', '1.4.2+build.5'],
  ])('%s@%s is the package in the archive', async (name, version) => {
    const found = await readPackageJson(await pluginTree(backendFiles({ version })));
    expect(() => checkIdentity(found, pinned({ name, version: '1.4.2' }))).not.toThrow();
  });

  test.each([
    ['other', '1.4.2', 'name'],
    ['@acme/plugin-todo-backend', '1.4.3', 'version'],
    ['@acme/plugin-todo-backend', '1.4.2-beta.1', 'version'],
  ])('%s@%s is another package', async (name, version, jsonPath) => {
    const found = await readPackageJson(await pluginTree(backendFiles()));
    expect(() => checkIdentity(found, pinned({ name, version }))).toThrow(
      expect.objectContaining({
        reason: 'PackageMismatch',
        details: expect.objectContaining({ jsonPath }) as object,
      }) as Error,
    );
  });
});
