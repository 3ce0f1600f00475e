/** Plugins as trees on disk, opened as the unpacker opens them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { openTree } from '../../installer/archive/tree.ts';
import { DEFAULT_LIMITS } from '../../installer/core/limits.ts';
import type { AbsPath, Entry, Pinned, Tree, Unpacked } from '../../installer/core/types.ts';
import { testEntry, testResolved } from './entries.ts';

/** Path to content; objects are written as JSON, `null` makes a directory. */
export type TreeFiles = Readonly<
  Record<string, string | Readonly<Record<string, unknown>> | readonly unknown[] | null>
>;

const made: string[] = [];
afterAll(async () => {
  for (const directory of made) await rm(directory, { recursive: true, force: true });
});

export async function pluginTree(files: TreeFiles): Promise<Tree> {
  const root = await mkdtemp(join(tmpdir(), 'plugin-'));
  made.push(root);
  for (const [path, content] of Object.entries(files)) {
    const target = join(root, path);
    await mkdir(content === null ? target : dirname(target), { recursive: true });
    if (content !== null) await writeFile(target, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return openTree(root as AbsPath, DEFAULT_LIMITS);
}

/** The step before validation; `proof` is not looked at by any format, hence the cast. */
export async function unpackedPlugin(
  files: TreeFiles,
  overrides: { readonly entry?: Partial<Entry>; readonly pinned?: Partial<Pinned> } = {},
): Promise<Unpacked> {
  const tree = await pluginTree(files);
  const resolved = testResolved(testEntry(0, overrides.entry), overrides.pinned);
  const rest = {
    archives: [],
    evidence: [],
    tree,
    files: 1,
    unpackedBytes: 1,
    treeDigest: 'a'.repeat(64),
    notices: [],
  };
  return { ...resolved, ...rest } as unknown as Unpacked;
}

/** Files of a backend plugin that passes; overrides replace single files. */
export function backendFiles(packageJson: Readonly<Record<string, unknown>> = {}, files: TreeFiles = {}): TreeFiles {
  const base = {
    name: '@acme/plugin-todo-backend',
    version: '1.4.2',
    main: 'dist/index.cjs.js',
    backstage: { role: 'backend-plugin' },
  };
  return { 'package.json': { ...base, ...packageJson }, 'dist/index.cjs.js': 'exports.default = {};', ...files };
}

export const REMOTE_MANIFEST = {
  name: 'acme_todo',
  metaData: { remoteEntry: { name: 'remoteEntry.js', path: '' } },
  exposes: [{ name: '.' }],
  shared: [{ name: 'react' }],
};

/** Files of a Module Federation frontend plugin that passes. */
export function frontendFiles(manifest: unknown = REMOTE_MANIFEST, files: TreeFiles = {}): TreeFiles {
  return {
    'package.json': {
      name: '@acme/plugin-todo',
      version: '1.4.2',
      main: 'dist/index.esm.js',
      backstage: { role: 'frontend-plugin' },
    },
    'dist/mf-manifest.json': typeof manifest === 'string' ? manifest : JSON.stringify(manifest),
    'dist/remoteEntry.js': 'export const get = () => undefined;',
    ...files,
  };
}

export const SCALPRUM = { name: 'acme.todo', version: '1.4.2', baseURL: 'auto', loadScripts: ['static/entry.js'] };

/** Files of a Scalprum frontend plugin that passes. */
export function scalprumFiles(manifest: unknown = SCALPRUM, files: TreeFiles = {}): TreeFiles {
  const { 'package.json': packageJson } = frontendFiles();
  return {
    'package.json': packageJson ?? null,
    'dist-scalprum/plugin-manifest.json': typeof manifest === 'string' ? manifest : JSON.stringify(manifest),
    'dist-scalprum/static/entry.js': '',
    ...files,
  };
}
