/** A whole installation: lock → repair → reuse or line for each entry → barrier → seal → assemble → commit (docs/architecture.md). */
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { asInstallError, InstallError } from '../core/errors.ts';
import type { Settings } from '../core/settings.ts';
import type { AbsPath, Entry, Kept, Ledger, Outcome } from '../core/types.ts';
import { validateStaged } from '../formats/index.ts';
import { checkInventory } from '../stage/inventory.ts';
import { commitSet } from '../stage/commit.ts';
import { readLedger } from '../stage/ledger.ts';
import { describeOwner } from '../stage/owner.ts';
import { enterVolume, leaveVolume } from '../stage/recover.ts';
import { type LockedVolume, openVolume, type Volume } from '../stage/volume.ts';
import { outputsOf } from './outputs.ts';
import { type LineDeps, prepareAll, reportRefusals, type Workplace } from './prepare-all.ts';
import { admitted, beginning, type End, inListOrder, installedEvent, passed } from './result.ts';
import { reuse } from './reuse.ts';
import { recordOf, seal } from './set.ts';

/** Share of the volume that a set may fill when no budget is set: eviction is worse than an error. */
const USABLE_SHARE = 0.9;

/** The running program, as far as a run is concerned. */
export interface Program {
  readonly version: string;
  /** Called when the new set is in place: what comes now is clean-up, and no signal makes a failure of it. */
  onCommitted(): void;
}

/**
 * Brings the volume to the state of the list. Never throws: failures of plugins are outcomes, a failure of the volume, the lock, a signal
 * or the deadline is `runError`. Unless `isDone`, the volume holds exactly what it held before, and nothing else.
 */
export async function runInstall(deps: LineDeps, settings: Settings, program: Program): Promise<End> {
  const run = new Installation(deps, settings, program);
  try {
    const volume = await openVolume(settings.root, settings.stage, 'write');
    deps.emit({ event: 'note', level: 'debug', text: describeVolume(volume) });
    const owner = describeOwner(settings.stage.podUid, deps.clock.now());
    const { signal, clock, emit } = deps;
    const deadline = clock.monotonic() + settings.limits.runDeadlineMs;
    const locked = await enterVolume(volume, owner, { signal, clock, emit, deadline });
    try {
      await run.within(locked, owner.run);
    } finally {
      const notice = await leaveVolume(locked);
      if (notice !== undefined) emit({ event: 'note', level: 'warn', text: notice.message, reason: notice.reason });
    }
  } catch (thrown) {
    run.fail(asInstallError(thrown));
  }
  return run.end;
}

class Installation {
  readonly #deps: LineDeps;
  readonly #settings: Settings;
  readonly #program: Program;
  #end: End;

  constructor(deps: LineDeps, settings: Settings, program: Program) {
    this.#deps = deps;
    this.#settings = settings;
    this.#program = program;
    this.#end = beginning(deps.list);
  }

  get end(): End {
    return this.#end;
  }

  fail(runError: InstallError): void {
    if (!this.#end.isDone) this.#end = { ...this.#end, runError };
  }

  async within(volume: LockedVolume, runId: string): Promise<void> {
    // A lock that was taken over ends the run like a signal: two writers would undo each other's work.
    const signal = AbortSignal.any([this.#deps.signal, volume.lock.lost]);
    const { ledger, notice } = readLedger(volume);
    if (notice !== undefined)
      this.#deps.emit({ event: 'note', level: 'warn', text: notice.message, reason: notice.reason });
    await this.#prepare(volume, ledger, signal);
    signal.throwIfAborted();
    const completedAt = this.#deps.clock.now().toISOString();
    const identity = {
      run: runId,
      set: this.#deps.list.set,
      completedAt,
      tool: `portal-plugin-installer ${this.#program.version}`,
      rules: this.#rules,
    };
    const set = seal(this.#end.outcomes, this.#deps.list.appConfig, identity);
    if (!('ready' in set)) {
      this.#end = { ...this.#end, refusals: set };
      reportRefusals(set, this.#end.outcomes, this.#deps.emit);
      return;
    }
    const outputs = await outputsOf(set, ledger, volume);
    const { removed } = await commitSet(set, outputs, volume, signal);
    this.#program.onCommitted();
    this.#end = { ...this.#end, removed, isDone: true };
    this.#report(removed);
  }

  /** Every entry comes to an outcome: refused by policy, kept, or taken through the line. */
  async #prepare(volume: LockedVolume, ledger: Ledger | undefined, signal: AbortSignal): Promise<void> {
    const { list, clock } = this.#deps;
    const { verifyOnStart } = this.#settings.stage;
    const isIntact: Parameters<typeof reuse>[1]['isIntact'] = (dir, inventory) => {
      // Checking is synchronous; this also beats, so that a long check does not look like a dead owner.
      volume.lock.assertHeld();
      const verdict = checkInventory(dir, inventory, verifyOnStart);
      if (!verdict.isIntact) this.#note(`${dir} is fetched again: ${verdict.why}`);
      return verdict.isIntact;
    };
    const kept: Outcome[] = [];
    const pending: Entry[] = [];
    for (const entry of admitted(list)) {
      // Hashing a whole set can take long: a signal and the deadline must be heard meanwhile.
      await turn();
      const started = clock.monotonic();
      const ready = signal.aborted ? undefined : reuse(entry, { ledger, root: volume.root, isIntact });
      if (ready === undefined || !(await this.#isStillValid(ready, ledger, volume))) pending.push(entry);
      else kept.push({ entry, ms: Math.round(clock.monotonic() - started), status: 'ready', ready });
    }
    const place = workplace(volume, kept, this.#settings.limits.setBytes);
    const { outcomes, aborted, error } = await prepareAll(pending, place, { ...this.#deps, signal });
    this.#end = { ...this.#end, outcomes: inListOrder([...this.#end.outcomes, ...kept, ...outcomes]), aborted };
    if (error !== undefined) throw error;
  }

  get #rules(): string {
    return `${this.#program.version} frontend=${this.#deps.options.backstageFrontend}`;
  }

  /** A newer program or another portal setting may refuse what an older one accepted; without network, from the files. */
  async #isStillValid({ record, entry }: Kept, ledger: Ledger | undefined, volume: LockedVolume): Promise<boolean> {
    if (ledger?.rules === this.#rules) return true;
    const { openTree } = await import('../archive/index.ts');
    const subject = { package: entry.package, index: entry.index };
    const { list, limits } = this.#deps;
    const place = { scratch: volume.scratch, deadline: Number.POSITIVE_INFINITY, subject, admits: list.admits };
    const dir = join(volume.root, record.dir) as AbsPath; // root is absolute, dir was checked when the ledger was read
    try {
      await validateStaged(openTree(dir, limits), record.family, { ...this.#deps, ...place });
      return true;
    } catch (thrown) {
      if (!(thrown instanceof InstallError)) throw thrown;
      this.#note(`${dir} is fetched again: ${thrown.message}`);
      return false;
    }
  }

  #report(removed: readonly string[]): void {
    const { emit } = this.#deps;
    for (const dest of removed) emit({ event: 'plugin_removed', dest });
    for (const plugin of passed(this.#end)) {
      const { name, version, dir: dest } = recordOf(plugin.ready);
      const { package: reference, index } = plugin.entry;
      if (plugin.ready.state === 'prepared') emit(installedEvent(plugin, { verifyOnly: false }));
      else emit({ event: 'plugin_cached', package: reference, index, name, version, dest });
    }
  }

  #note(text: string): void {
    this.#deps.emit({ event: 'note', level: 'info', text });
  }
}

function describeVolume({ root, fileSystem, freeBytes, totalBytes, isSynced }: Volume): string {
  const flush = isSynced ? 'files are flushed' : 'files are not flushed';
  return `${root} is on ${fileSystem}, ${freeBytes} of ${totalBytes} bytes are free, ${flush}`;
}

function workplace(volume: LockedVolume, kept: readonly Outcome[], setBytes: number): Workplace {
  const usedBytes = kept.reduce(
    (sum, one) => sum + (one.status === 'ready' ? recordOf(one.ready).inventory.bytes : 0),
    0,
  );
  return {
    scratch: volume.scratch,
    freeBytes: volume.freeBytes,
    setBytes: setBytes === 0 ? Math.floor(volume.totalBytes * USABLE_SHARE) : setBytes,
    usedBytes,
  };
}
