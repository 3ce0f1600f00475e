/** Lists for tests of the config layer: from text or files, without network. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { loadList, type LoadDeps } from '../../installer/config/load.ts';
import { InstallError } from '../../installer/core/errors.ts';
import type { PluginList } from '../../installer/core/types.ts';

/** Well-formed pins of nothing in particular. */
export const PIN = `sha512-${Buffer.alloc(64, 1).toString('base64')}`;
export const OTHER_PIN = `sha512-${Buffer.alloc(64, 2).toString('base64')}`;
export const DIGEST = `sha256:${'ab'.repeat(32)}`;

export const listDeps: LoadDeps = {
  npmRegistry: () => new URL('https://npm.example/'),
  isInsecureHost: () => false,
};

/** Where a list comes from: the text of the variable, one file, or values files in order. */
export type ListFrom =
  | { readonly inline: string; readonly cwd?: string }
  | { readonly config: string; readonly cwd?: string }
  | { readonly values: readonly string[]; readonly cwd?: string };

export function load(from: ListFrom): Promise<PluginList> {
  const list = { config: undefined, values: [], inline: undefined, ...from };
  return loadList({ list, cwd: from.cwd ?? '/nonexistent' }, listDeps);
}

/** The list of a wire document in a variable. */
export function loadText(inline: string): Promise<PluginList> {
  return load({ inline });
}

/** The error that loading must end in. */
export async function failureOf(from: ListFrom | string): Promise<InstallError> {
  try {
    await load(typeof from === 'string' ? { inline: from } : from);
  } catch (thrown) {
    if (thrown instanceof InstallError) return thrown;
    throw thrown;
  }
  throw new Error('the list was accepted');
}

/** `details.problems` of the error that loading must end in. */
export async function problemsOf(from: ListFrom | string): Promise<readonly string[]> {
  const { details } = await failureOf(from);
  const { problems } = details;
  if (!Array.isArray(problems)) throw new Error('the error lists no problems');
  return problems.map(String);
}

/** A temporary directory with these files, removed after the test; returns its path. */
export function directoryOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'list-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}
