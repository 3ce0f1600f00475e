/** Sealing: outcomes of all entries → the one set that may be committed, or every reason why not. Pure. */
import type { AppConfig } from '../core/app-config.ts';
import { InstallError } from '../core/errors.ts';
import { isTolerable } from '../core/exit.ts';
import { snakeCase } from '../core/reasons.ts';
import type { Entry, Ledger, LedgerRecord, Outcome, Prepared, Ready, SealedSet } from '../core/types.ts';

/** What the ledger says about the run itself. */
export interface RunIdentity {
  /** Random id; the commit point is the rename of a ledger that carries it. */
  readonly run: string;
  readonly set: string;
  /** ISO 8601, UTC. */
  readonly completedAt: string;
  /** Name and version of this program. */
  readonly tool: string;
  /** See `Ledger.rules`. */
  readonly rules: string;
}

/** A reason why no set can be committed; `entry` when one entry is to blame. */
export interface SealRefusal {
  readonly entry: Entry;
  readonly error: InstallError;
}

/** Portal families that cannot share one root (docs/plugins.md, "Format"): the scanner would read the other's directories as plugins. */
const EXCLUSIVE_FAMILIES: ReadonlySet<string> = new Set(['backstage', 'forgeportal']);

/** Whether policy lets the run go on without this entry (docs/contracts.md, "Exit codes"). */
export function isTolerated(entry: Entry, error: InstallError): boolean {
  return entry.continueOnError && isTolerable(error.exit);
}

/**
 * Proves the set complete. Refused are: failures that policy does not tolerate, two plugins with one directory (also when they differ
 * only in case: the volume may fold it), and plugins of two families that cannot share a root. A tolerated failure is left out of the
 * set: an older version of it leaves the volume with the commit, stale plugins are never served.
 */
export function seal(
  outcomes: readonly Outcome[],
  appConfig: AppConfig,
  identity: RunIdentity,
): SealedSet | readonly SealRefusal[] {
  const rejected = outcomes.filter((outcome) => outcome.status === 'rejected');
  const ready = outcomes.filter((outcome) => outcome.status === 'ready').map((outcome) => outcome.ready);
  const refusals: SealRefusal[] = [
    ...rejected.filter(({ entry, error }) => !isTolerated(entry, error)),
    ...directoryConflicts(ready),
    ...mixedFamilies(ready),
  ];
  if (refusals.length > 0) return refusals.map(({ entry, error }) => ({ entry, error }));
  const ledger: Ledger = {
    schemaVersion: 1,
    ...identity,
    plugins: ready.map(recordOf),
    outputs: [],
    rejected: rejected.map(({ entry, error }) => ({
      package: entry.package,
      index: entry.index,
      reason: snakeCase(error.reason),
    })),
  };
  // The one place that makes a SealedSet: everything that forbids it was looked for above.
  return { ready, ledger, appConfig } as unknown as SealedSet;
}

function directoryConflicts(ready: readonly Ready[]): readonly SealRefusal[] {
  const owners = new Map<string, Ready>();
  const refusals: SealRefusal[] = [];
  for (const one of ready) {
    const { dir, name } = recordOf(one);
    const folded = dir.normalize('NFKC').toLowerCase();
    const owner = owners.get(folded);
    if (owner === undefined) owners.set(folded, one);
    else refusals.push({ entry: one.entry, error: conflict(owner.entry, one.entry, { dir, name }) });
  }
  return refusals;
}

function conflict(first: Entry, second: Entry, plugin: { dir: string; name: string }): InstallError {
  return new InstallError(
    'DirectoryConflict',
    `${place(first)} and ${place(second)} both install ${plugin.name} into ${plugin.dir}`,
    {
      details: {
        dir: plugin.dir,
        first: first.package,
        second: second.package,
        fix: `remove ${first.path} or ${second.path}`,
      },
    },
  );
}

function place({ path, at }: Entry): string {
  return `${path} (${at.file}:${at.line}:${at.column})`;
}

function mixedFamilies(ready: readonly Ready[]): readonly SealRefusal[] {
  const exclusive = ready.filter((one) => EXCLUSIVE_FAMILIES.has(recordOf(one).family));
  const first = exclusive[0];
  const other = exclusive.find((one) => first !== undefined && recordOf(one).family !== recordOf(first).family);
  if (first === undefined || other === undefined) return [];
  const text = `${first.entry.path} is a ${recordOf(first).family} plugin and ${other.entry.path} a ${recordOf(other).family} plugin`;
  return [{ entry: other.entry, error: new InstallError('MixedFormats', text) }];
}

/** The ledger record of a plugin of the set: the kept one, or a new one. */
export function recordOf(ready: Ready): LedgerRecord {
  return ready.state === 'kept' ? { ...ready.record, index: ready.entry.index } : newRecord(ready);
}

function newRecord(prepared: Prepared): LedgerRecord {
  const { entry, pinned, manifest, archives } = prepared;
  return {
    package: entry.package,
    pin: entry.pin,
    format: entry.format,
    index: entry.index,
    name: manifest.name,
    version: manifest.version,
    family: manifest.family,
    role: manifest.role,
    dir: manifest.dir,
    resolved: pinned.text,
    manifestDigest: pinned.manifestDigest,
    integrity: archives.map(({ computed }) => computed.sha512 ?? computed.sha384 ?? computed.sha256 ?? ''),
    bytes: archives.reduce((sum, archive) => sum + archive.bytes, 0),
    source: archives[0]?.from ?? pinned.text,
    evidence: prepared.evidence,
    inventory: prepared.inventory,
  };
}
