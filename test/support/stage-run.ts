/** One installer run reduced to its stage layer: open, lock, recover, keep or prepare, commit, leave. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../installer/core/context.ts';
import type { InstallError } from '../../installer/core/errors.ts';
import type { RunEvent } from '../../installer/core/events.ts';
import type { StageSettings } from '../../installer/core/settings.ts';
import type { AbsPath, Committed, Ready, SetOutput } from '../../installer/core/types.ts';
import { commitSet } from '../../installer/stage/commit.ts';
import type { FileOperations } from '../../installer/stage/file-operations.ts';
import { checkInventory } from '../../installer/stage/inventory.ts';
import { readLedger } from '../../installer/stage/ledger.ts';
import { describeOwner, type Owner } from '../../installer/stage/owner.ts';
import { enterVolume, leaveVolume } from '../../installer/stage/recover.ts';
import { openVolume, type LockedVolume, type Volume } from '../../installer/stage/volume.ts';
import { realClock } from './clock.ts';
import { keptPlugin, preparedPlugin, sealedSet, type PluginSpec } from './sealed-set.ts';

export const STAGE: StageSettings = { verifyOnStart: 'fast', fsync: 'off', podUid: undefined };

export interface StageRun {
  readonly root: string;
  readonly plugins: readonly PluginSpec[];
  readonly outputs?: readonly SetOutput[];
  readonly settings?: Partial<StageSettings>;
  /** Wraps the real file operations, from the lock on. */
  readonly files?: (files: FileOperations) => FileOperations;
  readonly owner?: Partial<Owner>;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Milliseconds this run waits for the lock. */
  readonly patienceMs?: number;
  /** Called with the lock held, before the commit. */
  readonly whileHeld?: (volume: LockedVolume) => Promise<void> | void;
}

export interface StageResult {
  readonly committed: Committed;
  readonly found: LockedVolume['found'];
  readonly notice: InstallError | undefined;
  readonly events: readonly RunEvent[];
}

export async function openTestVolume(run: Pick<StageRun, 'root' | 'settings' | 'files'>): Promise<Volume> {
  const volume = await openVolume(run.root, { ...STAGE, ...run.settings }, 'write');
  return run.files === undefined ? volume : { ...volume, files: run.files(volume.files) };
}

/** Throws what the stage layer throws, after leaving the volume as `run/run.ts` does. */
export async function stageRun(run: StageRun): Promise<StageResult> {
  const events: RunEvent[] = [];
  const clock = run.clock ?? realClock();
  const signal = run.signal ?? new AbortController().signal;
  const volume = await openTestVolume(run);
  const self = { ...describeOwner(undefined, clock.now()), ...run.owner };
  const deadline = clock.monotonic() + (run.patienceMs ?? 60_000);
  const locked = await enterVolume(volume, self, { clock, signal, deadline, emit: (event) => events.push(event) });
  let committed: Committed;
  try {
    await run.whileHeld?.(locked);
    const ready = await readyPlugins(locked, run.plugins);
    const both = AbortSignal.any([signal, locked.lock.lost]);
    committed = await commitSet(sealedSet(ready, self.run), run.outputs ?? [], locked, both);
  } catch (thrown) {
    await leaveVolume(locked);
    throw thrown;
  }
  return { committed, found: locked.found, notice: await leaveVolume(locked), events };
}

/** Keeps what the ledger has in this version and the volume intact; prepares the rest. */
export async function readyPlugins(volume: LockedVolume, plugins: readonly PluginSpec[]): Promise<readonly Ready[]> {
  const { ledger } = readLedger(volume);
  const ready: Ready[] = [];
  for (const [index, spec] of plugins.entries()) {
    const record = ledger?.plugins.find(({ dir, version }) => dir === spec.dir && version === spec.version);
    const dir = join(volume.root, spec.dir) as AbsPath;
    const isKept = record !== undefined && existsSync(dir) && checkInventory(dir, record.inventory, 'fast').isIntact;
    ready.push(isKept ? keptPlugin(record) : await preparedPlugin(volume.scratch, index, spec));
  }
  return ready;
}
