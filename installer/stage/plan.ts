/** Decides what a commit moves, from the sealed set and what is on the volume; changes nothing. */
import { createHash } from 'node:crypto';
import { dirname, join, relative } from 'node:path';
import { InstallError } from '../core/errors.ts';
import type { Ledger, PluginDir, Ready, SealedSet, SetOutput, Staged } from '../core/types.ts';
import type { Move } from './journal.ts';
import { isPluginPath, isSameLedger, LEDGER_FILE, readLedger } from './ledger.ts';
import { WORKING_DIRECTORY, type LockedVolume } from './volume.ts';

/** Written last of all set-level files. */
const APP_CONFIG = 'app-config.dynamic-plugins.yaml';
/** The file system's own. */
const LOST_AND_FOUND = 'lost+found';
const OUTPUT_MODE = 0o644;
/** Larger set-level files are no work of ours: they are moved out and not copied. */
export const MAX_SAVED_BYTES = 16 * 1024 * 1024;

export interface NewFile {
  /** Relative to the directory of the run. */
  readonly path: string;
  readonly content: string;
}

/** A present set-level file that is copied before it is replaced. */
export interface SavedFile {
  /** Relative to the root. */
  readonly path: string;
  /** Relative to the directory of the run. */
  readonly to: string;
  readonly mode: number;
}

export interface CommitPlan {
  readonly ledger: Ledger;
  readonly moves: readonly Move[];
  readonly newFiles: readonly NewFile[];
  readonly savedFiles: readonly SavedFile[];
  /** Prepared plugin directories, absolute. */
  readonly trees: readonly string[];
  readonly staged: readonly Staged[];
  /** What leaves the volume and is not replaced, relative to the root. */
  readonly removed: readonly string[];
  /** The volume already is what the set demands. */
  readonly isEmpty: boolean;
}

/**
 * The moves that turn what is on the volume into `set`: directories the set does not name, links and hidden things are moved out
 * (docs/contracts.md, "What is written": a scanner reads every child directory and crashes on links), plain files, `lost+found` and
 * mounts of others stay. Throws DirectoryConflict when a plugin wants the name of a set-level file, CommitFailed when a plugin that
 * should be there is not.
 */
export function planCommit(set: SealedSet, outputs: readonly SetOutput[], volume: LockedVolume): CommitPlan {
  const before = readLedger(volume).ledger;
  const ledger: Ledger = {
    ...set.ledger,
    outputs: outputs.map(({ name, content, fingerprint }) => ({
      name,
      sha256: outputHash(content),
      ...(fingerprint === undefined ? {} : { fingerprint }),
    })),
  };
  if (before?.run === ledger.run) {
    throw new InstallError('Internal', `run ${ledger.run} is already on the volume, a run id may be used once`);
  }
  const reserved = new Set([...outputs.map(({ name }) => name), LEDGER_FILE, WORKING_DIRECTORY, LOST_AND_FOUND]);
  for (const ready of set.ready) checkDirectory(dirOf(ready), reserved);
  const builder = new PlanBuilder(volume);
  for (const ready of set.ready) builder.place(ready);
  builder.sweep('', set.ready.map(dirOf));
  for (const output of outputs.toSorted(appConfigLast)) builder.replace(output);
  for (const { name } of before?.outputs ?? []) if (!reserved.has(name)) builder.retire(name);
  return {
    ...builder.work,
    ledger,
    staged: set.ready.map((ready): Staged => ({ ready, change: ready.state === 'prepared' ? 'installed' : 'cached' })),
    removed: builder.strays.flatMap((path) => installedBelow(before, path)),
    isEmpty: builder.work.moves.length === 0 && before !== undefined && isSameLedger(before, ledger),
  };
}

/** Collects moves in the order in which they will be made. */
class PlanBuilder {
  readonly work = {
    moves: [] as Move[],
    newFiles: [] as NewFile[],
    savedFiles: [] as SavedFile[],
    trees: [] as string[],
  };
  readonly strays: string[] = [];
  readonly #volume: LockedVolume;
  /** Paths that a move takes away or makes. */
  readonly #touched = new Set<string>();
  #saved = 0;

  constructor(volume: LockedVolume) {
    this.#volume = volume;
  }

  place(ready: Ready): void {
    const path = dirOf(ready);
    if (ready.state === 'kept') {
      if (this.#stat(path)?.isDirectory() === true) return;
      throw new InstallError('CommitFailed', `${path} is no longer on the volume, although it was found intact before`);
    }
    this.#makeParents(path);
    if (this.#stat(path) !== undefined) this.#out(path);
    this.#touched.add(path);
    this.work.moves.push({ kind: 'in', from: relative(this.#volume.scratch, ready.from), path });
    this.work.trees.push(ready.from);
  }

  /** Moves out what is below `prefix` and in nobody's place; `dirs` are the directories of the set. */
  sweep(prefix: string, dirs: readonly string[]): void {
    const { files, root } = this.#volume;
    for (const name of files.list(join(root, prefix)).toSorted()) {
      const path = prefix === '' ? name : `${prefix}/${name}`;
      if (this.#touched.has(path) || dirs.includes(path) || (prefix === '' && this.#isNobodys(name))) continue;
      if (dirs.some((dir) => dir.startsWith(`${path}/`))) this.sweep(path, dirs);
      else if (prefix !== '' || this.#disturbsScanner(name)) {
        this.strays.push(path);
        this.#out(path);
      }
    }
  }

  replace({ name, content }: SetOutput): void {
    const { files, root } = this.#volume;
    const from = `new/${name}`;
    const present = this.#touched.has(name) ? undefined : this.#stat(name);
    const isSaved = present?.isFile() === true && present.size <= MAX_SAVED_BYTES;
    if (present !== undefined && isSaved) {
      const mode = present.mode & 0o7777;
      if (mode === OUTPUT_MODE && files.read(join(root, name), MAX_SAVED_BYTES).equals(Buffer.from(content))) return;
      const saved = this.#nextSaved();
      this.work.savedFiles.push({ path: name, to: saved, mode });
      this.work.moves.push({ kind: 'replace', from, path: name, saved });
    } else {
      if (present !== undefined) this.#out(name);
      this.work.moves.push({ kind: 'replace', from, path: name });
    }
    this.work.newFiles.push({ path: from, content });
  }

  /** A set-level file of the previous run that this one does not write. */
  retire(name: string): void {
    if (!this.#touched.has(name) && this.#stat(name)?.isFile() === true) this.#out(name);
  }

  #makeParents(path: string): void {
    const parent = dirname(path);
    if (parent === '.' || this.#touched.has(parent)) return;
    this.#makeParents(parent);
    const present = this.#stat(parent);
    if (present?.isDirectory() === true) return;
    if (present !== undefined) this.#out(parent);
    this.#touched.add(parent);
    this.work.moves.push({ kind: 'make', path: parent });
  }

  #out(path: string): void {
    this.#touched.add(path);
    this.work.moves.push({ kind: 'out', path, to: this.#nextSaved() });
  }

  #nextSaved(): string {
    return `old/${this.#saved++}`;
  }

  #isNobodys(name: string): boolean {
    if (name === WORKING_DIRECTORY || this.#volume.mounted.has(name)) return true;
    return name === LOST_AND_FOUND && this.#stat(name)?.isDirectory() === true;
  }

  #disturbsScanner(name: string): boolean {
    const stat = this.#stat(name);
    if (stat === undefined) return false;
    // `.nfs…`: an NFS client's name for a deleted file that is still open; it goes by itself.
    const isHidden = name.startsWith('.') && !(name.startsWith('.nfs') && stat.isFile());
    return stat.isDirectory() || stat.isSymbolicLink() || isHidden;
  }

  #stat(path: string): ReturnType<LockedVolume['files']['stat']> {
    return this.#volume.files.stat(join(this.#volume.root, path));
  }
}

function checkDirectory(dir: PluginDir, reserved: ReadonlySet<string>): void {
  if (!isPluginPath(dir)) throw new InstallError('Internal', `${dir} is not a plugin directory`);
  if (!reserved.has(dir)) return;
  throw new InstallError(
    'DirectoryConflict',
    `a plugin would be written to ${dir}, which is the name of a set-level file`,
    {
      details: { dir, fix: 'remove the plugin: its package name is reserved here' },
    },
  );
}

function dirOf(ready: Ready): PluginDir {
  return ready.state === 'kept' ? ready.record.dir : ready.manifest.dir;
}

/** A stray directory that held plugins of the last run (`node_modules`) is reported by their names. */
function installedBelow(before: Ledger | undefined, path: string): readonly string[] {
  const below = (before?.plugins ?? []).filter(({ dir }) => dir.startsWith(`${path}/`));
  return below.length === 0 ? [path] : below.map(({ dir }) => dir);
}

function appConfigLast(a: SetOutput, b: SetOutput): number {
  return Number(a.name === APP_CONFIG) - Number(b.name === APP_CONFIG);
}

/** sha256 hex of a set-level file, as the ledger records it. */
export function outputHash(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
