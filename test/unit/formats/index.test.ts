import { expect, test } from 'vitest';
import { validatePlugin } from '../../../installer/formats/index.ts';
import { testContext } from '../../support/context.ts';
import { backendFiles, unpackedPlugin, type TreeFiles } from '../../support/plugin-tree.ts';

async function rejection(files: TreeFiles, overrides: Parameters<typeof unpackedPlugin>[1] = {}): Promise<unknown> {
  return validatePlugin(await unpackedPlugin(files, overrides), testContext()).then(
    () => 'accepted',
    (error: unknown) => error,
  );
}

test('validation adds the manifest and keeps what the steps before it found', async () => {
  const unpacked = await unpackedPlugin(backendFiles());
  const validated = await validatePlugin(unpacked, testContext());
  expect(validated).toEqual({
    ...unpacked,
    manifest: expect.objectContaining({ dir: 'acme-plugin-todo-backend' }) as object,
  });
});

test('a package without backstage.role belongs to no family', async () => {
  expect(await rejection(backendFiles({ backstage: undefined }))).toMatchObject({
    reason: 'FormatUnknown',
    details: { jsonPath: 'backstage.role' },
  });
});

test('a stated format is believed, so that the missing role is what is reported', async () => {
  const entry = { format: 'backstage' };
  expect(await rejection(backendFiles(), { entry })).toBe('accepted');
  expect(await rejection(backendFiles({ backstage: undefined }), { entry })).toMatchObject({ reason: 'RoleMissing' });
});

test('a stated format that the content contradicts is refused', async () => {
  expect(await rejection(backendFiles(), { entry: { format: 'forgeportal' } })).toMatchObject({
    reason: 'FormatMismatch',
    details: { wanted: 'forgeportal', found: 'backstage' },
  });
});

test('an archive of another package than the registry resolved is refused', async () => {
  const pinned = { identity: { name: '@acme/other', version: '1.4.2' } };
  expect(await rejection(backendFiles(), { pinned })).toMatchObject({ reason: 'PackageMismatch' });
});

test('a plugin without package.json is refused as that, not as unknown', async () => {
  expect(await rejection({ 'index.html': '' })).toMatchObject({ reason: 'PackageJsonMissing' });
});
