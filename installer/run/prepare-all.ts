/** All entries that are not kept: resolved side by side, grouped by download, each group taken through the line. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Context, CredentialProvider, Http, StepOptions } from '../core/context.ts';
import { asInstallError, InstallError } from '../core/errors.ts';
import type { RunEvent } from '../core/events.ts';
import { endsTheRun } from '../core/exit.ts';
import type { Limits } from '../core/limits.ts';
import type { AbsPath, Entry, Outcome, PluginList, Resolved } from '../core/types.ts';
import { stageError } from '../stage/stage-errors.ts';
import { startDeadline } from './deadline.ts';
import { type Group, groupByDownload } from './groups.ts';
import { outcomeOf, prepareGroup } from './line.ts';
import { mapConcurrent } from './pool.ts';
import { isTolerated, type SealRefusal } from './set.ts';
import type { Steps } from './steps.ts';

/** What the lines of one run share. */
export interface LineDeps {
  readonly list: PluginList;
  readonly steps: Steps;
  readonly limits: Limits;
  readonly options: StepOptions;
  readonly clock: Clock;
  readonly http: Http;
  readonly credentials: CredentialProvider;
  readonly emit: (event: RunEvent) => void;
  /** Aborts with the reason of a signal or of the run's deadline. */
  readonly signal: AbortSignal;
}

/** Where the lines work and how much they may write. */
export interface Workplace {
  /** Exists; each line gets a directory in it. */
  readonly scratch: AbsPath;
  /** Bytes free on its file system. */
  readonly freeBytes: number;
  /** Unpacked bytes the set may have; the kept plugins' are in `usedBytes`. */
  readonly setBytes: number;
  readonly usedBytes: number;
}

/** Outcomes of entries that came to one; `aborted` are those another failure or a signal cut short. */
export interface Prepared {
  readonly outcomes: readonly Outcome[];
  readonly aborted: readonly Entry[];
  /** Nobody's failure but the volume's: what was announced cannot fit on it. */
  readonly error: InstallError | undefined;
}

/**
 * Takes `pending` entries as far as prepared. Never throws for a plugin's failure: each becomes an outcome, reported at once, and the
 * others go on, so one run reports all failures. Only failures that make going on pointless (a bug, the volume, no space) end the rest.
 */
export async function prepareAll(pending: readonly Entry[], place: Workplace, deps: LineDeps): Promise<Prepared> {
  const batch = new Batch(place, deps);
  const resolved = await mapConcurrent(pending, deps.limits.concurrency, (entry) => batch.resolve(entry));
  const groups = groupByDownload(resolved.filter((one) => one !== undefined));
  const error = lackOfSpace(groups, place.freeBytes);
  if (error === undefined) await mapConcurrent(groups, deps.limits.concurrency, (group) => batch.prepare(group));
  return { ...batch.result(pending), error };
}

class Batch {
  readonly #place: Workplace;
  readonly #deps: LineDeps;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #outcomes = new Map<number, Outcome>();
  readonly #started = new Map<number, number>();
  #unpackedBytes: number;

  constructor(place: Workplace, deps: LineDeps) {
    this.#place = place;
    this.#deps = deps;
    this.#signal = AbortSignal.any([deps.signal, this.#stop.signal]);
    this.#unpackedBytes = place.usedBytes;
  }

  async resolve(entry: Entry): Promise<Resolved | undefined> {
    if (this.#signal.aborted) return undefined;
    this.#started.set(entry.index, this.#deps.clock.monotonic());
    this.#deps.emit({ event: 'plugin_started', package: entry.package, index: entry.index });
    using deadline = this.#deadline(entry);
    try {
      return await this.#deps.steps.resolve(entry, this.#context(entry, deadline, this.#place.scratch));
    } catch (thrown) {
      this.#reject(entry, asInstallError(thrown));
      return undefined;
    }
  }

  async prepare(group: Group): Promise<void> {
    if (this.#signal.aborted) return;
    const lead = group[0].entry;
    const scratch = join(this.#place.scratch, String(lead.index)) as AbsPath; // below an absolute directory
    using deadline = this.#deadline(lead);
    const ctx = this.#context(lead, deadline, scratch);
    try {
      await mkdir(scratch);
    } catch (cause) {
      this.#reject(lead, stageError(cause, `create scratch space for ${lead.package}`));
      return;
    }
    for (const result of await prepareGroup(group, this.#deps.steps, ctx)) {
      if (result.prepared === undefined) this.#reject(result.resolved.entry, result.error);
      else this.#accept(outcomeOf(result, this.#elapsed(result.resolved.entry)), result.prepared.unpackedBytes);
    }
  }

  result(pending: readonly Entry[]): Omit<Prepared, 'error'> {
    const outcomes = pending.map((entry) => this.#outcomes.get(entry.index)).filter((one) => one !== undefined);
    return { outcomes, aborted: pending.filter((entry) => !this.#outcomes.has(entry.index)) };
  }

  #accept(outcome: Outcome, unpackedBytes: number): void {
    this.#unpackedBytes += unpackedBytes;
    const { setBytes } = this.#place;
    if (this.#unpackedBytes <= setBytes) {
      this.#outcomes.set(outcome.entry.index, outcome);
      return;
    }
    const text = `the set is ${this.#unpackedBytes} bytes unpacked, at most ${setBytes} are allowed`;
    const details = { bytes: this.#unpackedBytes, limit: setBytes, setting: 'PORTAL_PLUGINS_MAX_SET_BYTES' };
    this.#reject(outcome.entry, new InstallError('SizeBudgetExceeded', text, { details }));
  }

  #reject(entry: Entry, error: InstallError): void {
    // Cut short by a signal, a deadline of the run or another entry's failure: not this plugin's fault.
    if (this.#signal.aborted && error === this.#signal.reason) return;
    this.#outcomes.set(entry.index, { entry, ms: this.#elapsed(entry), status: 'rejected', error });
    reportRejection(entry, error, this.#elapsed(entry), this.#deps.emit);
    if (endsTheRun(error.exit)) this.#stop.abort(error);
  }

  #elapsed(entry: Entry): number {
    const now = this.#deps.clock.monotonic();
    return Math.round(now - (this.#started.get(entry.index) ?? now));
  }

  #deadline(entry: Entry): ReturnType<typeof startDeadline> {
    const limit = {
      ms: this.#deps.limits.pluginDeadlineMs,
      what: entry.package,
      setting: 'PORTAL_PLUGINS_PLUGIN_DEADLINE',
    };
    return startDeadline(this.#deps.clock, this.#signal, limit);
  }

  #context(entry: Entry, deadline: { signal: AbortSignal; at: number }, scratch: AbsPath): Context {
    const { limits, options, clock, http, credentials, emit, list } = this.#deps;
    const subject = { package: entry.package, index: entry.index };
    const timing = { signal: deadline.signal, deadline: deadline.at };
    return { ...timing, limits, options, clock, http, credentials, emit, admits: list.admits, scratch, subject };
  }
}

/** VolumeFull when the announced archives alone do not fit: found before the first byte. */
function lackOfSpace(groups: readonly Group[], freeBytes: number): InstallError | undefined {
  const announced = groups.flatMap(([{ pinned }]) => pinned.parts.map((part) => part.claims.bytes ?? 0));
  const neededBytes = announced.reduce((sum, bytes) => sum + bytes, 0);
  if (neededBytes <= freeBytes) return undefined;
  const text = `the archives to download are ${neededBytes} bytes, the volume has ${freeBytes} free`;
  return new InstallError('VolumeFull', text, { details: { neededBytes, freeBytes } });
}

/** The one `plugin_rejected` event of an entry. */
export function reportRejection(entry: Entry, error: InstallError, ms: number, emit: (event: RunEvent) => void): void {
  const tolerated = isTolerated(entry, error);
  const { index, path } = entry;
  emit({
    event: 'plugin_rejected',
    package: entry.package,
    index,
    path,
    kind: entry.reference.kind,
    error,
    durationMs: ms,
    tolerated,
  });
}

/** What only the whole set shows (`DirectoryConflict`, `MixedFormats`); the failures of single entries were reported when they happened. */
export function reportRefusals(
  refusals: readonly SealRefusal[],
  outcomes: readonly Outcome[],
  emit: (event: RunEvent) => void,
): void {
  for (const { entry, error } of refusals) {
    const outcome = outcomes.find((one) => one.entry.index === entry.index);
    if (outcome?.status === 'ready') reportRejection(entry, error, outcome.ms, emit);
  }
}
