import { InstallError } from '../core/errors.ts';
import type { Notice, Tree } from '../core/types.ts';
import { fieldError, pathInside, readJsonFile, requireString, shown } from './format.ts';

export const SCALPRUM_MANIFEST = 'dist-scalprum/plugin-manifest.json';

/** Extensions are part of it; real ones have a few KiB. */
const MAX_BYTES = 4 * 1024 * 1024;
const INVALID = 'RemoteManifestInvalid';

/**
 * Checks the manifest of a Scalprum remote (OpenShift dynamic plugin SDK, `plugin-manifest.json`) and that every script it loads exists.
 * Throws RemoteManifestMissing, RemoteManifestInvalid, RemoteEntryMissing, EntryTooLarge. There are no remarks.
 */
export async function checkScalprum(tree: Tree): Promise<readonly Notice[]> {
  const { file, fields } = await readJsonFile(tree, {
    file: SCALPRUM_MANIFEST,
    maxBytes: MAX_BYTES,
    missing: { reason: 'RemoteManifestMissing' },
    invalid: { reason: INVALID },
  });
  requireString(INVALID, { file, jsonPath: 'name' }, fields['name']);
  const scripts = fields['loadScripts'];
  if (!Array.isArray(scripts) || scripts.length === 0)
    throw fieldError(INVALID, { file, jsonPath: 'loadScripts', wanted: 'a non-empty array' }, scripts);
  for (const [index, value] of scripts.entries()) {
    const jsonPath = `loadScripts[${index}]`;
    await checkScript(tree, { file, jsonPath }, requireString(INVALID, { file, jsonPath }, value));
  }
  return [];
}

async function checkScript(tree: Tree, at: { file: string; jsonPath: string }, script: string): Promise<void> {
  const path = pathInside('dist-scalprum', script);
  if (path === undefined || script.split('/').includes('..'))
    throw fieldError(INVALID, { ...at, wanted: 'a path inside dist-scalprum' }, script);
  if (await tree.isFile(path)) return;
  throw new InstallError('RemoteEntryMissing', `${at.file} loads ${shown(script)}, which is not in dist-scalprum`, {
    details: { ...at, found: shown(script), path },
  });
}
