import { InstallError } from '../core/errors.ts';
import type { Notice, Tree } from '../core/types.ts';
import { fieldError, isObject, pathInside, readJsonFile, requireString, shown, type JsonFile } from './format.ts';

export const MODULE_FEDERATION_MANIFEST = 'dist/mf-manifest.json';

/** It lists every chunk of the remote; real ones have up to 200 KiB. */
const MAX_BYTES = 4 * 1024 * 1024;
const INVALID = 'RemoteManifestInvalid';

/**
 * Checks a Module Federation 2 manifest by what Backstage's remotes server demands of it, and that the remote entry exists. Resolves
 * with remarks. Throws RemoteManifestMissing, RemoteManifestInvalid, RemoteEntryMissing, EntryTooLarge.
 */
export async function checkModuleFederation(tree: Tree): Promise<readonly Notice[]> {
  const json = await readJsonFile(tree, {
    file: MODULE_FEDERATION_MANIFEST,
    maxBytes: MAX_BYTES,
    missing: { reason: 'RemoteManifestMissing' },
    invalid: { reason: INVALID },
  });
  requireString(INVALID, { file: json.file, jsonPath: 'name' }, json.fields['name']);
  await checkRemoteEntry(tree, json);
  const exposed = namesOf(json, 'exposes', json.fields['exposes']);
  const { shared } = json.fields;
  return [...exposeNotices(exposed), ...(shared === undefined ? [] : styleNotices(namesOf(json, 'shared', shared)))];
}

async function checkRemoteEntry(tree: Tree, json: JsonFile): Promise<void> {
  const { file, fields } = json;
  const meta = fields['metaData'];
  if (!isObject(meta)) throw fieldError(INVALID, { file, jsonPath: 'metaData', wanted: 'an object' }, meta);
  const entry = meta['remoteEntry'];
  const jsonPath = 'metaData.remoteEntry';
  if (!isObject(entry)) throw fieldError(INVALID, { file, jsonPath, wanted: 'an object' }, entry);
  const name = requireString(INVALID, { file, jsonPath: `${jsonPath}.name` }, entry['name']);
  const folder = entry['path'] ?? '';
  if (typeof folder !== 'string')
    throw fieldError(INVALID, { file, jsonPath: `${jsonPath}.path`, wanted: 'a string' }, folder);
  const stated = folder === '' ? name : `${folder}/${name}`;
  const path = pathInside('dist', stated);
  if (path === undefined || stated.split('/').includes('..')) {
    throw fieldError(INVALID, { file, jsonPath: `${jsonPath}.name`, wanted: 'a path inside dist' }, stated);
  }
  if (await tree.isFile(path)) return;
  throw new InstallError(
    'RemoteEntryMissing',
    `${file} names the remote entry ${shown(stated)}, which is not in dist`,
    {
      details: { file, jsonPath: `${jsonPath}.name`, found: shown(stated), path },
    },
  );
}

/** Names of `[{name}]`; the loader refuses the plugin when one has none. */
function namesOf(json: JsonFile, jsonPath: string, value: unknown): readonly string[] {
  const { file } = json;
  if (!Array.isArray(value)) throw fieldError(INVALID, { file, jsonPath, wanted: 'an array' }, value);
  return value.map((item: unknown, index) => {
    const name: unknown = isObject(item) ? item['name'] : undefined;
    return requireString(INVALID, { file, jsonPath: `${jsonPath}[${index}].name` }, name);
  });
}

/** Butler Portal reads `dynamicPluginsExports` from the root module. */
function exposeNotices(exposed: readonly string[]): readonly Notice[] {
  if (exposed.includes('.')) return [];
  const text = `${MODULE_FEDERATION_MANIFEST} exposes no "." module: a portal that reads the root export finds nothing`;
  return [{ reason: 'RemoteExposeMissing', text }];
}

/** Class name generators are singletons of the host; sharing one of the two packages lets style sheets collide. */
function styleNotices(shared: readonly string[]): readonly Notice[] {
  if (!shared.includes('@material-ui/core/styles') || shared.includes('@material-ui/styles')) return [];
  const text = `${MODULE_FEDERATION_MANIFEST} shares @material-ui/core/styles but not @material-ui/styles`;
  return [{ reason: 'SharedStylesMissing', text }];
}
