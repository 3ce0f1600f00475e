import { describe, expect, test } from 'vitest';
import type { StepOptions } from '../../../installer/core/context.ts';
import type { PluginManifest } from '../../../installer/core/types.ts';
import { backstage } from '../../../installer/formats/backstage.ts';
import { testContext } from '../../support/context.ts';
import {
  backendFiles,
  frontendFiles,
  pluginTree,
  REMOTE_MANIFEST,
  SCALPRUM,
  scalprumFiles,
  type TreeFiles,
} from '../../support/plugin-tree.ts';

async function validate(files: TreeFiles, options: Partial<StepOptions> = {}): Promise<PluginManifest> {
  return backstage.validate(await pluginTree(files), testContext({ options }));
}

async function rejection(files: TreeFiles, options: Partial<StepOptions> = {}): Promise<unknown> {
  return validate(files, options).then(
    () => 'accepted',
    (error: unknown) => error,
  );
}

describe('roles', () => {
  test.each(['backend-plugin', 'backend-plugin-module'])('%s is loaded from main', async (role) => {
    const manifest = await validate(backendFiles({ backstage: { role } }));
    expect(manifest).toEqual({
      family: 'backstage',
      name: '@acme/plugin-todo-backend',
      version: '1.4.2',
      dir: 'acme-plugin-todo-backend',
      role,
      notices: [],
    });
  });

  test.each(['frontend-plugin', 'frontend-plugin-module', 'frontend-dynamic-container'])(
    '%s is loaded from its remote manifest, main need not exist',
    async (role) => {
      const files = frontendFiles();
      const packageJson = { ...(files['package.json'] as Record<string, unknown>), backstage: { role } };
      expect(await validate({ ...files, 'package.json': packageJson })).toMatchObject({ role });
    },
  );

  test.each(['frontend', 'backend', 'cli', 'cli-module', 'web-library', 'node-library', 'common-library', 'banana'])(
    '%s is refused before it can crash the portal or be skipped in silence',
    async (role) => {
      expect(await rejection(backendFiles({ backstage: { role } }))).toMatchObject({
        reason: 'RoleUnsupported',
        details: { file: 'package.json', jsonPath: 'backstage.role', found: JSON.stringify(role) },
      });
    },
  );

  test.each([[{}], [{ role: '' }], [{ role: null }], ['x'], [undefined]])(
    'backstage: %j has no role',
    async (section) => {
      expect(await rejection(backendFiles({ backstage: section }))).toMatchObject({
        reason: 'RoleMissing',
        details: { jsonPath: 'backstage.role' },
      });
    },
  );

  test.each([[5], [true], [['backend-plugin']], [{}]])('the role %j is not a string', async (role) => {
    expect(await rejection(backendFiles({ backstage: { role } }))).toMatchObject({
      reason: 'PackageJsonInvalid',
      details: { jsonPath: 'backstage.role' },
    });
  });
});

describe('entry points', () => {
  test.each([
    ['dist/index.cjs.js'],
    ['./dist/index.cjs.js'],
    ['dist/index.cjs'],
    ['dist/../dist/index.cjs.js'],
    ['lib'],
    ['lib/'],
  ])('main %j resolves as Node resolves it', async (main) => {
    expect(await rejection(backendFiles({ main }, { 'lib/index.js': '' }))).toBe('accepted');
  });

  test.each([
    [undefined],
    [''],
    [null],
    [5],
    ['dist/absent.js'],
    ['dist'],
    ['../../x.js'],
    ['/etc/passwd'],
    ['dist/../../outside.js'],
    ['..'],
    ['dist/\u0000.js'],
  ])('main %j of a backend plugin is refused', async (main) => {
    expect(await rejection(backendFiles({ main }))).toMatchObject({
      reason: 'EntryPointMissing',
      details: { file: 'package.json', jsonPath: 'main' },
    });
  });

  test('main of a frontend plugin must be there and stay inside, since the scanner reads it', async () => {
    const files = frontendFiles();
    for (const main of [undefined, '../x.js']) {
      const packageJson = { ...(files['package.json'] as Record<string, unknown>), main };
      expect(await rejection({ ...files, 'package.json': packageJson })).toMatchObject({ reason: 'EntryPointMissing' });
    }
  });

  test('alpha/package.json may point back into the package', async () => {
    const alpha = { main: '../dist/alpha.cjs.js' };
    expect(await rejection(backendFiles({}, { 'alpha/package.json': alpha, 'dist/alpha.cjs.js': '' }))).toBe(
      'accepted',
    );
  });

  test.each([
    ['has no package.json', { alpha: null }, { reason: 'PackageJsonMissing', details: { file: 'alpha/package.json' } }],
    [
      'is not JSON',
      { 'alpha/package.json': '{' },
      { reason: 'PackageJsonInvalid', details: { file: 'alpha/package.json' } },
    ],
    [
      'names a file that is not there',
      { 'alpha/package.json': { main: 'x.js' } },
      { reason: 'EntryPointMissing', details: { file: 'alpha/package.json', path: 'alpha/x.js' } },
    ],
    [
      'leaves the package',
      { 'alpha/package.json': { main: '../../x.js' } },
      { reason: 'EntryPointMissing', details: { file: 'alpha/package.json' } },
    ],
  ])('an alpha directory that %s is refused', async (_, files: TreeFiles, expected) => {
    expect(await rejection(backendFiles({}, files))).toMatchObject(expected);
  });

  test('an alpha directory whose package.json has no main is ignored, as by the loader', async () => {
    expect(await rejection(backendFiles({}, { 'alpha/package.json': {} }))).toBe('accepted');
  });
});

describe('the frontend setting', () => {
  const both = { ...scalprumFiles(), ...frontendFiles() };
  const none = { 'package.json': frontendFiles()['package.json'] ?? null };
  test.each([
    ['any', frontendFiles(), 'accepted'],
    ['any', scalprumFiles(), 'accepted'],
    ['any', both, 'accepted'],
    ['any', none, 'RemoteManifestMissing'],
    ['module-federation', frontendFiles(), 'accepted'],
    ['module-federation', scalprumFiles(), 'RemoteManifestMissing'],
    ['scalprum', scalprumFiles(), 'accepted'],
    ['scalprum', frontendFiles(), 'RemoteManifestMissing'],
    ['any', { ...both, 'dist-scalprum/plugin-manifest.json': '{' }, 'RemoteManifestInvalid'],
    ['module-federation', { ...both, 'dist-scalprum/plugin-manifest.json': '{' }, 'accepted'],
  ] as const)('%s: case %#', async (backstageFrontend, files, expected) => {
    const result = await rejection(files, { backstageFrontend });
    expect(result === 'accepted' ? result : (result as { reason: string }).reason).toBe(expected);
  });
});

const withEntry = (entry: unknown): unknown => ({ ...REMOTE_MANIFEST, metaData: { remoteEntry: entry } });

describe('a Module Federation manifest', () => {
  test.each([
    ['[]', ''],
    ['{', undefined],
    [{ ...REMOTE_MANIFEST, name: '' }, 'name'],
    [{ ...REMOTE_MANIFEST, name: 5 }, 'name'],
    [{ ...REMOTE_MANIFEST, metaData: undefined }, 'metaData'],
    [{ ...REMOTE_MANIFEST, metaData: {} }, 'metaData.remoteEntry'],
    [withEntry({}), 'metaData.remoteEntry.name'],
    [withEntry({ name: '' }), 'metaData.remoteEntry.name'],
    [withEntry({ name: 'remoteEntry.js', path: 5 }), 'metaData.remoteEntry.path'],
    [withEntry({ name: '/remoteEntry.js' }), 'metaData.remoteEntry.name'],
    [withEntry({ name: '../dist/remoteEntry.js' }), 'metaData.remoteEntry.name'],
    [withEntry({ name: 'remoteEntry.js', path: '../dist' }), 'metaData.remoteEntry.name'],
    [{ ...REMOTE_MANIFEST, exposes: undefined }, 'exposes'],
    [{ ...REMOTE_MANIFEST, exposes: {} }, 'exposes'],
    [{ ...REMOTE_MANIFEST, exposes: [{}] }, 'exposes[0].name'],
    [{ ...REMOTE_MANIFEST, exposes: [{ name: '.' }, { name: 5 }] }, 'exposes[1].name'],
    [{ ...REMOTE_MANIFEST, shared: 'react' }, 'shared'],
  ])('%j is refused at %s', async (manifest, jsonPath) => {
    expect(await rejection(frontendFiles(manifest))).toMatchObject({
      reason: 'RemoteManifestInvalid',
      details: { file: 'dist/mf-manifest.json', ...(jsonPath === undefined ? {} : { jsonPath }) },
    });
  });

  test.each([
    [withEntry({ name: 'absent.js' }), 'dist/absent.js'],
    [withEntry({ name: 'remoteEntry.js', path: 'sub' }), 'dist/sub/remoteEntry.js'],
  ])('%j names a remote entry that is not there', async (manifest, path) => {
    expect(await rejection(frontendFiles(manifest))).toMatchObject({ reason: 'RemoteEntryMissing', details: { path } });
  });

  test('the remote entry may lie in a sub-directory', async () => {
    const files = frontendFiles(withEntry({ name: 'entry.js', path: 'sub' }), { 'dist/sub/entry.js': '' });
    expect(await rejection(files)).toBe('accepted');
  });

  test('one above 4 MiB is refused', async () => {
    const manifest = { ...REMOTE_MANIFEST, padding: 'x'.repeat(4 * 1024 * 1024) };
    expect(await rejection(frontendFiles(manifest))).toMatchObject({ reason: 'EntryTooLarge' });
  });

  test.each([
    [{ ...REMOTE_MANIFEST, exposes: [{ name: 'Page' }] }, ['RemoteExposeMissing']],
    [{ ...REMOTE_MANIFEST, exposes: [] }, ['RemoteExposeMissing']],
    [{ ...REMOTE_MANIFEST, shared: [{ name: '@material-ui/core/styles' }] }, ['SharedStylesMissing']],
    [{ ...REMOTE_MANIFEST, shared: [{ name: '@material-ui/core/styles' }, { name: '@material-ui/styles' }] }, []],
    [{ ...REMOTE_MANIFEST, shared: undefined }, []],
  ])('%j is remarked on with %j', async (manifest, reasons) => {
    const { notices } = await validate(frontendFiles(manifest));
    expect(notices.map(({ reason }) => reason)).toEqual(reasons);
  });
});

describe('a Scalprum manifest', () => {
  test.each([
    ['null', ''],
    [{ ...SCALPRUM, name: undefined }, 'name'],
    [{ ...SCALPRUM, loadScripts: undefined }, 'loadScripts'],
    [{ ...SCALPRUM, loadScripts: [] }, 'loadScripts'],
    [{ ...SCALPRUM, loadScripts: ['static/entry.js', 5] }, 'loadScripts[1]'],
    [{ ...SCALPRUM, loadScripts: ['../dist/x.js'] }, 'loadScripts[0]'],
    [{ ...SCALPRUM, loadScripts: ['/x.js'] }, 'loadScripts[0]'],
  ])('%j is refused at %s', async (manifest, jsonPath) => {
    expect(await rejection(scalprumFiles(manifest))).toMatchObject({
      reason: 'RemoteManifestInvalid',
      details: { file: 'dist-scalprum/plugin-manifest.json', jsonPath },
    });
  });

  test('a script that is not there is refused', async () => {
    expect(await rejection(scalprumFiles({ ...SCALPRUM, loadScripts: ['absent.js'] }))).toMatchObject({
      reason: 'RemoteEntryMissing',
      details: { path: 'dist-scalprum/absent.js', jsonPath: 'loadScripts[0]' },
    });
  });
});

describe('remarks', () => {
  test('a compiled module is named', async () => {
    const { notices } = await validate(backendFiles({}, { 'node_modules/x/build/x.node': '' }));
    expect(notices).toMatchObject([{ reason: 'NativeModule', text: expect.stringContaining('x.node') as string }]);
  });

  test.each([
    ['1.40.0', '1.40.0', 0],
    ['1.40.0', '1.41.0', 1],
    ['^1.40.0', '1.41.0', 0],
    ['1.38.0,1.41.0', '1.41.0', 0],
    ['1.40.0', undefined, 0],
    ['anything', '1.41.0', 0],
    [5, '1.41.0', 0],
  ])('supported-versions %j in a portal %s gives %i remarks', async (supported, backstageVersion, count) => {
    const section = { role: 'backend-plugin', 'supported-versions': supported };
    const { notices } = await validate(backendFiles({ backstage: section }), { backstageVersion });
    expect(notices.filter(({ reason }) => reason === 'HostVersionUnsupported')).toHaveLength(count);
  });
});
