/**
 * Backstage dynamic plugins, as `dynamicPluginsFeatureLoader()` of @backstage/backend-dynamic-feature-service 0.8.7 reads them. The
 * portal logs and starts without a broken plugin, or crashes on some; what it would stumble over is refused here (docs/plugins.md).
 */
import semver from 'semver';
import { InstallError } from '../core/errors.ts';
import type { Context } from '../core/context.ts';
import type { Format, Notice, PluginManifest, Tree } from '../core/types.ts';
import { assembleAppConfig, fingerprintAppConfig } from './backstage-output.ts';
import { fieldError, isObject, pathInside, shown, type JsonFile } from './format.ts';
import { checkModuleFederation, MODULE_FEDERATION_MANIFEST } from './module-federation.ts';
import { readPackageFile, readPackageJson, type PackageJson } from './package-json.ts';
import { checkScalprum, SCALPRUM_MANIFEST } from './scalprum.ts';

/** Roles of @backstage/cli-node 0.3 (`PackageRoles`): any other value crashes the backend. `undefined`: known, never loaded. */
const PLATFORMS: ReadonlyMap<string, 'node' | 'web' | undefined> = new Map([
  ['backend-plugin', 'node'],
  ['backend-plugin-module', 'node'],
  ['frontend-plugin', 'web'],
  ['frontend-plugin-module', 'web'],
  ['frontend-dynamic-container', 'web'],
  ['frontend', undefined],
  ['backend', undefined],
  ['cli', undefined],
  ['cli-module', undefined],
  ['web-library', undefined],
  ['node-library', undefined],
  ['common-library', undefined],
]);
const LOADABLE = [...PLATFORMS].filter(([, platform]) => platform !== undefined).map(([role]) => role);

export const backstage: Format = {
  family: 'backstage',

  /** A `backstage.role` of whatever value: judging it is the business of `validate`. */
  async detect(tree) {
    const { fields } = await readPackageFile(tree, 'package.json');
    return isObject(fields['backstage']) && Object.hasOwn(fields['backstage'], 'role');
  },

  /**
   * Throws RoleMissing, RoleUnsupported, EntryPointMissing, RemoteManifestMissing, RemoteManifestInvalid, RemoteEntryMissing,
   * PackageJsonMissing, PackageJsonInvalid, NameInvalid. Plugin code is never run: a wrong export is for the portal to report.
   */
  async validate(tree, ctx): Promise<PluginManifest> {
    const json = await readPackageJson(tree);
    const { role, platform } = roleOf(json);
    await checkEntryPoints(tree, json, platform);
    const frontend = platform === 'web' ? await checkFrontend(tree, ctx) : [];
    const notices = [...frontend, ...(await nativeModules(tree)), ...hostVersion(json, ctx)];
    return { family: 'backstage', name: json.name, version: json.version, dir: json.dir, role, notices };
  },

  assemble: assembleAppConfig,
  fingerprint: fingerprintAppConfig,
};

interface Role {
  readonly role: string;
  readonly platform: 'node' | 'web';
}

function roleOf(json: JsonFile): Role {
  const section = json.fields['backstage'];
  const role = isObject(section) ? section['role'] : undefined;
  const rule = { file: json.file, jsonPath: 'backstage.role', wanted: `one of ${LOADABLE.join(', ')}` };
  if (role === undefined || role === null || role === '') throw fieldError('RoleMissing', rule, role);
  if (typeof role !== 'string') throw fieldError('PackageJsonInvalid', rule, role);
  const platform = PLATFORMS.get(role);
  if (platform !== undefined) return { role, platform };
  const fix = PLATFORMS.has(role)
    ? 'Backstage never loads this kind of package as a plugin: list the plugin package instead'
    : `correct backstage.role: write one of ${LOADABLE.join(', ')}`;
  throw fieldError('RoleUnsupported', { ...rule, fix }, role);
}

async function checkEntryPoints(tree: Tree, json: PackageJson, platform: 'node' | 'web'): Promise<void> {
  const { main } = json.fields;
  // The scanner skips a package without main whatever its role; only a backend's file is ever opened.
  const rule = { file: json.file, jsonPath: 'main' };
  await checkMain(tree, { ...rule, base: '', main, mustExist: platform === 'node' });
  if (!(await tree.isDirectory('alpha'))) return;
  // Preferred over package.json by the loader; when the directory exists without a readable manifest, the whole plugin is skipped.
  const alpha = await readPackageFile(tree, 'alpha/package.json');
  if (alpha.fields['main'] === undefined) return;
  const base = { file: alpha.file, jsonPath: 'main', base: 'alpha' };
  await checkMain(tree, { ...base, main: alpha.fields['main'], mustExist: platform === 'node' });
}

interface MainField {
  readonly file: string;
  readonly jsonPath: string;
  /** Directory that `main` is relative to. */
  readonly base: string;
  readonly main: unknown;
  readonly mustExist: boolean;
}

async function checkMain(tree: Tree, field: MainField): Promise<void> {
  const { file, jsonPath, base, main } = field;
  const rule = { file, jsonPath, wanted: 'the path of the entry file' };
  if (typeof main !== 'string' || main === '') throw fieldError('EntryPointMissing', rule, main);
  const path = pathInside(base, main);
  if (path === undefined) throw fieldError('EntryPointMissing', { ...rule, wanted: 'a path inside the package' }, main);
  if (!field.mustExist || (await resolvesToFile(tree, path))) return;
  throw new InstallError('EntryPointMissing', `${file}: ${jsonPath} names ${shown(main)}, which is not in the plugin`, {
    details: { file, jsonPath, found: shown(main), path },
  });
}

/** Node's CommonJS resolution of a path: the file, with an extension added, or `index` of a directory. */
async function resolvesToFile(tree: Tree, path: string): Promise<boolean> {
  for (const suffix of ['', '.js', '.json', '.node', '/index.js', '/index.json', '/index.node'])
    if (await tree.isFile(path + suffix)) return true;
  return false;
}

const FRONTENDS = {
  'module-federation': { manifest: MODULE_FEDERATION_MANIFEST, check: checkModuleFederation },
  scalprum: { manifest: SCALPRUM_MANIFEST, check: checkScalprum },
} as const;

/** `any`: one manifest must be there, and every one that is there must be valid, since any of them may be the one that is used. */
async function checkFrontend(tree: Tree, ctx: Context): Promise<readonly Notice[]> {
  const setting = ctx.options.backstageFrontend;
  const wanted = setting === 'any' ? Object.values(FRONTENDS) : [FRONTENDS[setting]];
  const notices: Notice[] = [];
  let found = 0;
  for (const { manifest, check } of wanted) {
    if (!(await tree.isFile(manifest))) continue;
    found += 1;
    notices.push(...(await check(tree)));
  }
  if (found > 0) return notices;
  const names = wanted.map(({ manifest }) => manifest).join(' nor ');
  throw new InstallError(
    'RemoteManifestMissing',
    `the frontend plugin has ${wanted.length > 1 ? 'neither ' : 'no '}${names}`,
    { details: { file: wanted.map(({ manifest }) => manifest), setting: `backstage-frontend=${setting}` } },
  );
}

async function nativeModules(tree: Tree): Promise<readonly Notice[]> {
  const file = await tree.findFile((path) => path.endsWith('.node'));
  if (file === undefined) return [];
  const text = `the plugin holds a compiled module, ${shown(file)}: it must fit platform and Node version of the portal`;
  return [{ reason: 'NativeModule', text }];
}

/** `backstage.supported-versions`: one version or a range; anything else says nothing. */
function hostVersion(json: PackageJson, ctx: Context): readonly Notice[] {
  const host = semver.coerce(ctx.options.backstageVersion ?? '');
  const section = json.fields['backstage'];
  const supported = isObject(section) ? section['supported-versions'] : undefined;
  if (host === null || typeof supported !== 'string') return [];
  const range = semver.validRange(supported.replaceAll(',', '||'));
  if (range === null || semver.satisfies(host, range)) return [];
  const text = `the plugin supports Backstage ${shown(supported)}, the portal is ${host.version}`;
  return [{ reason: 'HostVersionUnsupported', text }];
}
