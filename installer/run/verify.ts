/** Everything of an installation but the volume: the same lines, the same sealing, in the system's temporary directory. */
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asInstallError, InstallError } from '../core/errors.ts';
import type { AbsPath } from '../core/types.ts';
import { type LineDeps, prepareAll, reportRefusals } from './prepare-all.ts';
import { admitted, beginning, type End, inListOrder, installedEvent, passed } from './result.ts';
import { seal } from './set.ts';

/**
 * Takes every entry as far as an installation would and throws the result away. Never throws; after it the temporary directory is gone.
 * Writes to the system's temporary directory only (`TMPDIR`).
 */
export async function runVerify(deps: LineDeps): Promise<End> {
  let end = beginning(deps.list);
  try {
    const scratch = await makeScratch();
    try {
      const space = await statfs(scratch);
      const freeBytes = space.bavail * space.bsize;
      const place = { scratch, freeBytes, setBytes: deps.limits.setBytes || Number.POSITIVE_INFINITY, usedBytes: 0 };
      const { outcomes, aborted, error } = await prepareAll(admitted(deps.list), place, deps);
      end = { ...end, outcomes: inListOrder([...end.outcomes, ...outcomes]), aborted };
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
  for (const plugin of passed(end)) deps.emit(installedEvent(plugin, { verifyOnly: true }));
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
