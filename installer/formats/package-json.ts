/** `package.json` as every portal family needs it: name, version and the directory they lead to. */
import semver from 'semver';
import { InstallError } from '../core/errors.ts';
import type { Pinned, PluginDir, Tree } from '../core/types.ts';
import { fieldError, readJsonFile, requireString, shown, type JsonFile } from './format.ts';

export interface PackageJson extends JsonFile {
  readonly name: string;
  /** As written; valid semver. */
  readonly version: string;
  readonly dir: PluginDir;
}

/** Real ones stay below 20 KiB. */
const MAX_BYTES = 1024 * 1024;
/** npm's limit for names, and well below what a file name may hold. */
const MAX_NAME_LENGTH = 214;
// validate-npm-package-name 7: URL-safe, no leading dot or underscore. Upper case stays allowed for packages older than that rule.
const NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/i;
/** Names that mean something else in the plugin root, to Node or to this program. */
const RESERVED: ReadonlySet<string> = new Set([
  'node_modules',
  'app-config.dynamic-plugins.yaml',
  'portal-plugins.json',
]);

/**
 * Reads and checks name and version. Throws PackageJsonMissing, PackageJsonInvalid (`details.file`, `details.jsonPath`), NameInvalid,
 * EntryTooLarge.
 */
export async function readPackageJson(tree: Tree): Promise<PackageJson> {
  const json = await readPackageFile(tree, 'package.json');
  const { file, fields } = json;
  const name = requireString('PackageJsonInvalid', { file, jsonPath: 'name' }, fields['name']);
  const dir = directoryName(name);
  const version = requireString('PackageJsonInvalid', { file, jsonPath: 'version' }, fields['version']);
  if (semver.valid(version) === null) {
    const rule = { file, jsonPath: 'version', wanted: 'a semantic version such as 1.4.2' };
    throw fieldError('PackageJsonInvalid', rule, version);
  }
  return { ...json, name, version, dir };
}

/** A `package.json` anywhere in the plugin, without a look at its fields. */
export async function readPackageFile(tree: Tree, file: string): Promise<JsonFile> {
  return readJsonFile(tree, {
    file,
    maxBytes: MAX_BYTES,
    missing: { reason: 'PackageJsonMissing' },
    invalid: { reason: 'PackageJsonInvalid' },
  });
}

/**
 * The directory of a package below the plugin root: its name, the scope flattened (`@acme/x` → `acme-x`); docs/plugins.md, "Directory
 * name". Throws NameInvalid for names that npm would not publish and for reserved ones.
 */
export function directoryName(name: string): PluginDir {
  const fault = nameFault(name);
  if (fault !== undefined) {
    throw new InstallError(
      'NameInvalid',
      `package.json: name ${JSON.stringify(shown(name))} cannot be used: ${fault}`,
      {
        details: { file: 'package.json', jsonPath: 'name', found: shown(name) },
      },
    );
  }
  return name.replace(/^@/, '').replace('/', '-') as PluginDir; // just checked: one segment of URL-safe characters
}

function nameFault(name: string): string | undefined {
  if (name.length > MAX_NAME_LENGTH) return `it has ${name.length} characters, at most ${MAX_NAME_LENGTH} are allowed`;
  if (!NAME.test(name)) return 'it is not a valid npm package name';
  const flat = name.replace(/^@/, '').replace('/', '-');
  return RESERVED.has(flat.toLowerCase()) ? 'it is reserved' : undefined;
}

/** Throws PackageMismatch when the archive is not the package that the registry resolved; for an alias, that of its target. */
export function checkIdentity(found: PackageJson, pinned: Pinned): void {
  const wanted = pinned.identity;
  if (wanted === undefined) return;
  // npm normalises versions when publishing (`v1.0.0+build` → `1.0.0`), package.json inside the tarball keeps the spelling.
  const isSameVersion = semver.valid(found.version) === semver.valid(wanted.version);
  if (found.name === wanted.name && isSameVersion) return;
  const expected = `${wanted.name}@${wanted.version}`;
  const computed = `${found.name}@${found.version}`;
  throw new InstallError(
    'PackageMismatch',
    `package.json of the archive names ${shown(computed)}, the registry resolved ${shown(expected)}`,
    {
      details: {
        file: 'package.json',
        jsonPath: found.name === wanted.name ? 'version' : 'name',
        wanted: expected,
        found: shown(computed),
      },
    },
  );
}
