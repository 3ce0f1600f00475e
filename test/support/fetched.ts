/** A downloaded archive for tests of verification: bytes on disk with the hashes a download computes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AbsPath, Check, Claims, Entry, Fetched, FetchedArchive, Pinned } from '../../installer/core/types.ts';
import { testEntry, testResolved } from './entries.ts';
import { sriOf } from './tarball.ts';

export interface FetchedOptions {
  readonly checks?: readonly Check[];
  readonly claims?: Claims;
  readonly announced?: number;
  readonly pinned?: Partial<Omit<Pinned, 'within'>>;
  readonly entry?: Partial<Entry>;
}

export interface FetchedScratch extends AsyncDisposable {
  /** Entry 3 of a list, with these archives; hashes are of the bytes given. */
  fetched(archives: readonly Uint8Array[], options?: FetchedOptions): Promise<Fetched>;
}

export async function fetchedScratch(): Promise<FetchedScratch> {
  const directory = await mkdtemp(join(tmpdir(), 'fetched-'));
  let files = 0;
  const store = async (bytes: Uint8Array, options: FetchedOptions): Promise<FetchedArchive> => {
    const path = join(directory, `archive-${(files += 1)}`) as AbsPath; // tmpdir is absolute
    await writeFile(path, bytes);
    return {
      path,
      bytes: bytes.length,
      computed: { sha256: sriOf(bytes, 'sha256'), sha512: sriOf(bytes) },
      claims: options.claims ?? {},
      announced: options.announced,
      from: 'https://registry.example/todo-1.4.2.tgz',
    };
  };
  return {
    async fetched(archives, options = {}) {
      const entry = testEntry(3, { checks: options.checks ?? [], ...options.entry });
      const stored: FetchedArchive[] = [];
      for (const bytes of archives) stored.push(await store(bytes, options));
      return { ...testResolved(entry, options.pinned), archives: stored };
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}
