/** The only way validating code reads a plugin: paths may come from the plugin itself (`main`, manifests), so each is checked again here. */
import { constants } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { errorCode, InstallError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import type { AbsPath, Tree } from '../core/types.ts';
import { diskError } from './disk-error.ts';
import { checkPath, quote } from './path-policy.ts';

/**
 * Read-only view of the unpacked plugin at `root`. Paths are relative and POSIX, a leading `./` is tolerated; one that is not clean, leaves
 * the tree or does not exist is absent, never an error. Links are followed as long as they stay inside. `findFile` walks at most
 * `limits.files` names and follows no link.
 */
export function openTree(root: AbsPath, limits: Limits): Tree {
  const locate = (path: string): Promise<string | undefined> => locateInside(root, path, limits);
  return {
    root,
    async readText(path, maxBytes) {
      const found = await locate(path);
      return found === undefined ? undefined : await readBounded(found, path, maxBytes);
    },
    async isFile(path) {
      return (await kindOf(await locate(path))) === 'file';
    },
    async isDirectory(path) {
      return (await kindOf(await locate(path))) === 'directory';
    },
    async list(path) {
      const found = await locate(path);
      return found === undefined ? [] : ((await absentAsUndefined(readdir(found), path)) ?? []).toSorted();
    },
    findFile: (matches) => findFile(root, matches, limits),
  };
}

async function locateInside(root: AbsPath, path: string, limits: Limits): Promise<string | undefined> {
  const clean = path === '' ? '' : checkPath(path, limits);
  if (clean instanceof InstallError) return undefined;
  const [base, found] = await Promise.all([
    absentAsUndefined(realpath(root), '.'),
    absentAsUndefined(realpath(`${root}/${clean}`), clean),
  ]);
  if (base === undefined || found === undefined) return undefined;
  return found === base || found.startsWith(`${base}/`) ? found : undefined;
}

async function kindOf(path: string | undefined): Promise<'file' | 'directory' | undefined> {
  if (path === undefined) return undefined;
  const found = await absentAsUndefined(stat(path), path);
  if (found?.isFile() === true) return 'file';
  return found?.isDirectory() === true ? 'directory' : undefined;
}

async function readBounded(found: string, path: string, maxBytes: number): Promise<string | undefined> {
  // Resolved just now, so a link here was put there since; a FIFO would block for ever without O_NONBLOCK.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const opened = await absentAsUndefined(open(found, flags), path);
  if (opened === undefined) return undefined;
  await using file = opened;
  const { size } = await file.stat().then((entry) => (entry.isFile() ? entry : { size: -1 }));
  if (size === -1) return undefined;
  const buffer = Buffer.alloc(Math.min(size, maxBytes) + 1);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  if (bytesRead > maxBytes) {
    throw new InstallError('EntryTooLarge', `${quote(path)} has ${size} bytes, at most ${maxBytes} are read`, {
      details: { path: quote(path), value: size, limit: maxBytes, fix: `publish the plugin with a smaller ${path}` },
    });
  }
  return buffer.toString('utf8', 0, bytesRead);
}

async function findFile(
  root: AbsPath,
  matches: (path: string) => boolean,
  limits: Limits,
): Promise<string | undefined> {
  const pending = [''];
  let seen = 0;
  for (let directory = pending.shift(); directory !== undefined; directory = pending.shift()) {
    const entries =
      (await absentAsUndefined(readdir(`${root}/${directory}`, { withFileTypes: true }), directory)) ?? [];
    seen += entries.length;
    if (seen > limits.files * 2)
      throw new InstallError(
        'TooManyEntries',
        `the plugin has more than ${limits.files * 2} files and directories (PORTAL_PLUGINS_MAX_FILES)`,
        {
          details: { limit: limits.files * 2, value: seen, setting: 'PORTAL_PLUGINS_MAX_FILES' },
        },
      );
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile() && matches(path)) return path;
    }
  }
  return undefined;
}

const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

async function absentAsUndefined<T>(work: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (ABSENT.has(errorCode(error))) return undefined;
    throw diskError(error, 'read', path);
  }
}
