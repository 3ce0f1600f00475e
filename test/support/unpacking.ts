/** Unpacks archives built in a test, in a directory that shows whether anything was written beside it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  unpackArchives,
  type UnpackedTree,
  type UnpackInput,
  type UnpackResult,
} from '../../installer/archive/index.ts';
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
export async function unpack(archives: Archives, options: UnpackOptions = {}): Promise<Unpacking> {
  const { outcome, state } = await attempt(archives, options);
  if (outcome instanceof Error) throw outcome;
  const tree = outcome.trees[0];
  if (tree === undefined || state === undefined) throw new Error('nothing was wanted');
  if (tree.status === 'failed') throw tree.error;
  return { result: outcome, tree, state };
}

/** Unpacks and demands a refusal, thrown or as the first tree, that leaves nothing behind; returns it. */
export async function refusal(archives: Archives, options: UnpackOptions = {}): Promise<InstallError> {
  const { outcome, left, state } = await attempt(archives, options);
  if (!(outcome instanceof Error)) {
    const tree = outcome.trees[0];
    if (tree?.status === 'failed') return tree.error;
    throw new Error(`the archive was unpacked: ${JSON.stringify(state, undefined, 1)}`);
  }
  if (Object.keys(left).length > 0) throw new Error(`left behind: ${Object.keys(left).join(' ')}`);
  if (outcome instanceof InstallError) return outcome;
  throw outcome;
}

type Archives = Uint8Array | readonly Uint8Array[];

interface Attempt {
  readonly outcome: UnpackResult | Error;
  /** What is below the target directory. */
  readonly left: VolumeState;
  /** What is below the first tree, if it is complete. */
  readonly state: VolumeState | undefined;
}

/** Unpacks between two witnesses; throws when anything beside the target directory changed, whatever the outcome. */
export async function attempt(archives: Archives, options: UnpackOptions = {}): Promise<Attempt> {
  const base = mkdtempSync(join(tmpdir(), 'unpack-'));
  try {
    const input = prepare(base, archives, options);
    const before = volumeState(base, ['work/0/tree']);
    const outcome = await unpackArchives(input, testContext(options.context)).catch((error: unknown) => {
      if (error instanceof Error) return error;
      throw new Error('something that is no Error was thrown', { cause: error });
    });
    const after = volumeState(base, ['work/0/tree']);
    if (JSON.stringify(after) !== JSON.stringify(before)) throw new Error(`written outside: ${JSON.stringify(after)}`);
    const tree = outcome instanceof Error ? undefined : outcome.trees[0];
    const state = tree?.status === 'ok' ? volumeState(tree.root) : undefined;
    return { outcome, left: volumeState(input.into), state };
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

function prepare(base: string, archives: Archives, options: UnpackOptions): UnpackInput {
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
  const wanted = (options.wanted ?? [undefined]) as readonly (ArchivePath | undefined)[];
  return { archives: inputs, layout: options.layout ?? 'package', wanted, into };
}
