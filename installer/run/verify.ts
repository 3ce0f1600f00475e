/** Everything of an installation but the volume: the same lines, the same sealing, in the system's temporary directory. */
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asInstallError, InstallError } from '../core/errors.ts';
import type { AbsPath, Outcome } from '../core/types.ts';
import { type LineDeps, prepareAll, reportRefusals } from './prepare-all.ts';
import type { RunEnd } from './result.ts';
import { recordOf, seal } from './set.ts';

type End = Omit<RunEnd, 'command' | 'list' | 'durationMs'>;

/**
 * Takes every entry as far as an installation would and throws the result away. Never throws; after it the temporary directory is gone.
 * Writes to the system's temporary directory only (`TMPDIR`).
 */
export async function runVerify(deps: LineDeps): Promise<End> {
  const refused = deps.list.refused.map(({ entry, error }): Outcome => ({ entry, ms: 0, status: 'rejected', error }));
  let end: End = { outcomes: refused, aborted: [], refusals: [], runError: undefined, isDone: false, removed: [] };
  try {
    const scratch = await makeScratch();
    try {
      const isRefused = new Set(refused.map(({ entry }) => entry.index));
      const pending = deps.list.entries.filter(({ index }) => !isRefused.has(index));
      const space = await statfs(scratch);
      const freeBytes = space.bavail * space.bsize;
      const place = { scratch, freeBytes, setBytes: deps.limits.setBytes || Number.POSITIVE_INFINITY, usedBytes: 0 };
      const { outcomes, aborted, error } = await prepareAll(pending, place, deps);
      end = { ...end, outcomes: [...refused, ...outcomes].sort((a, b) => a.entry.index - b.entry.index), aborted };
      if (error !== undefined) throw error;
      deps.signal.throwIfAborted();
      const identity = { run: '', set: deps.list.set, completedAt: '', tool: '', rules: '' };
      const sealed = seal(end.outcomes, deps.list.appConfig, identity);
      if ('ready' in sealed) end = { ...end, isDone: true };
      else {
        end = { ...end, refusals: sealed };
        reportRefusals(sealed, end.outcomes, deps.emit);
      }
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  } catch (thrown) {
    end = { ...end, runError: asInstallError(thrown) };
  }
  report(end.outcomes, deps);
  return end;
}

async function makeScratch(): Promise<AbsPath> {
  try {
    return (await mkdtemp(join(tmpdir(), 'portal-plugins-'))) as AbsPath; // tmpdir is absolute
  } catch (cause) {
    const details = { path: tmpdir(), fix: 'set TMPDIR to a writable directory with room for the largest plugin' };
    throw new InstallError('VolumeNotWritable', `no temporary directory can be made in ${tmpdir()}`, {
      details,
      cause,
    });
  }
}

function report(outcomes: readonly Outcome[], deps: LineDeps): void {
  for (const outcome of outcomes) {
    if (outcome.status !== 'ready') continue;
    const { name, version, dir: dest, integrity, bytes, inventory } = recordOf(outcome.ready);
    const { package: reference, index } = outcome.entry;
    deps.emit({
      event: 'plugin_installed',
      package: reference,
      index,
      name,
      version,
      dest,
      bytes,
      integrity: integrity.join(' '),
      files: inventory.files,
      durationMs: outcome.ms,
      verifyOnly: true,
    });
  }
}
