import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Path relative to the root → kind, mode and content; two equal states are two byte-for-byte equal trees. */
export type VolumeState = Readonly<Record<string, string>>;

/**
 * Everything below `root` without following links: `dir 0755`, `file 0644 12 <sha256>`, `link <target>`, `other`. Owners and times are
 * left out, because nothing promises them. `skip` holds paths (relative, POSIX) that are left out with all below them.
 */
export function volumeState(root: string, skip: readonly string[] = []): VolumeState {
  const state: Record<string, string> = {};
  const pending = [''];
  for (let relative = pending.pop(); relative !== undefined; relative = pending.pop()) {
    for (const name of readdirSync(join(root, relative))) {
      const path = relative === '' ? name : `${relative}/${name}`;
      if (skip.includes(path)) continue;
      state[path] = describe(join(root, path));
      if (state[path].startsWith('dir ')) pending.push(path);
    }
  }
  return Object.fromEntries(Object.entries(state).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Names directly below `root`, sorted: what a portal's scanner sees. */
export function topLevel(root: string): readonly string[] {
  return readdirSync(root).toSorted();
}

function describe(path: string): string {
  const stat = lstatSync(path);
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
  if (stat.isDirectory()) return `dir ${mode}`;
  if (stat.isSymbolicLink()) return `link ${readlinkSync(path)}`;
  if (!stat.isFile()) return `other ${mode}`;
  const content = readFileSync(path);
  return `file ${mode} ${content.length} ${createHash('sha256').update(content).digest('hex')}`;
}
