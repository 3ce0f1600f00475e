/** Unpacks in a child process whose heap, umask or file-size limit a test sets. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from './unpacking.ts';
import { volumeState, type VolumeState } from './volume-state.ts';

export interface ProcessOptions {
  readonly nodeOptions?: readonly string[];
  /** Shell commands before the process: `umask 077`, `ulimit -f 64`. */
  readonly prelude?: string;
}

export interface ProcessOutcome {
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** Growth of the peak resident memory while unpacking. */
  readonly grownKiB: number;
  readonly state: VolumeState;
}

/** Rejects when the process dies of anything but its own will. */
export async function unpackInProcess(archive: Uint8Array, options: ProcessOptions = {}): Promise<ProcessOutcome> {
  const base = temporaryDirectory();
  const path = join(base, 'archive');
  const into = join(base, 'tree');
  writeFileSync(path, archive);
  mkdirSync(into);
  const script = join(import.meta.dirname, 'unpack-child.ts');
  const command = `${options.prelude ?? ':'}; exec "$0" "$@"`;
  const args = ['-c', command, process.execPath, ...(options.nodeOptions ?? []), script, path, into];
  const { stdout } = await promisify(execFile)('/bin/sh', args, { env: { PATH: process.env['PATH'] ?? '' } });
  return { ...(JSON.parse(stdout) as Omit<ProcessOutcome, 'state'>), state: volumeState(into) };
}
