/** Unpacks archives built in a test, in a directory that shows whether anything was written beside it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { unpackArchives, type UnpackedTree, type UnpackResult } from '../../installer/archive/index.ts';
import { InstallError } from '../../installer/core/errors.ts';
import type { AbsPath, ArchivePath, FetchedArchive, Layout } from '../../installer/core/types.ts';
import { testContext, type ContextOverrides } from './context.ts';
import { volumeState, type VolumeState } from './volume-state.ts';

export interface UnpackOptions {
  readonly layout?: Layout;
  readonly wanted?: readonly (string | undefined)[];
  readonly context?: ContextOverrides;
}

export interface Unpacking {
  readonly result: UnpackResult;
  /** The first tree. */
  readonly tree: Extract<UnpackedTree, { status: 'ok' }>;
  /** What is on disk below the first tree. */
  readonly state: VolumeState;
}

/** A temporary directory, removed when the test is over. */
export function temporaryDirectory(): AbsPath {
  const directory = mkdtempSync(join(tmpdir(), 'unpack-')) as AbsPath;
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function fetched(path: string, bytes: number): FetchedArchive {
  return { path: path as AbsPath, bytes, computed: {}, claims: {}, announced: bytes, from: 'test' };
}

/** Unpacks and demands that the first tree is complete; `archives` is one archive or the layers of an image. */
export async function unpack(
  archives: Uint8Array | readonly Uint8Array[],
  options: UnpackOptions = {},
): Promise<Unpacking> {
  const { outcome } = await attempt(archives, options);
  if (outcome instanceof Error) throw outcome;
  const tree = outcome.trees[0];
  if (tree === undefined) throw new Error('nothing was wanted');
  if (tree.status === 'failed') throw tree.error;
  return { result: outcome, tree, state: volumeState(tree.root) };
}

/** Unpacks and demands a refusal, thrown or as the first tree, that leaves nothing behind; returns it. */
export async function refusal(
  archives: Uint8Array | readonly Uint8Array[],
  options: UnpackOptions = {},
): Promise<InstallError> {
  const { outcome, left } = await attempt(archives, options);
  const tree = outcome instanceof Error ? undefined : outcome.trees[0];
  if (tree !== undefined) {
    if (tree.status === 'failed') return tree.error;
    throw new Error(`the archive was unpacked: ${JSON.stringify(volumeState(tree.root), undefined, 1)}`);
  }
  if (Object.keys(left).length > 0) throw new Error(`left behind: ${Object.keys(left).join(' ')}`);
  if (outcome instanceof InstallError) return outcome;
  throw outcome;
}

interface Attempt {
  readonly outcome: UnpackResult | Error;
  /** What is below the target directory. */
  readonly left: VolumeState;
}

/** Unpacks between two witnesses; throws when anything beside the target directory changed, whatever the outcome. */
export async function attempt(
  archives: Uint8Array | readonly Uint8Array[],
  options: UnpackOptions = {},
): Promise<Attempt> {
  const base = temporaryDirectory();
  const into = join(base, 'work', '0', 'tree') as AbsPath;
  mkdirSync(into, { recursive: true });
  writeFileSync(join(base, 'victim'), 'precious');
  writeFileSync(join(base, 'work', '0', 'victim'), 'precious');
  const layers = archives instanceof Uint8Array ? [archives] : archives;
  const inputs = layers.map((bytes, index) => {
    const path = join(base, `archive-${index}`);
    writeFileSync(path, bytes);
    return fetched(path, bytes.length);
  });
  const before = volumeState(base, ['work/0/tree']);
  const wanted = (options.wanted ?? [undefined]) as readonly (ArchivePath | undefined)[];
  const input = { archives: inputs, layout: options.layout ?? 'package', wanted, into };
  const outcome = await unpackArchives(input, testContext(options.context)).catch((error: unknown) => {
    if (error instanceof Error) return error;
    throw new Error('something that is no Error was thrown', { cause: error });
  });
  const after = volumeState(base, ['work/0/tree']);
  if (JSON.stringify(after) !== JSON.stringify(before)) throw new Error(`written outside: ${JSON.stringify(after)}`);
  return { outcome, left: volumeState(into) };
}
