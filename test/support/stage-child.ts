/** A process of its own around `stageRun`, for kills and for several installers at once. `node stage-child.ts '<StageOrder as JSON>'` */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { asInstallError, InstallError } from '../../installer/core/errors.ts';
import { systemError, watchedFiles } from './faulty-files.ts';
import { stageRun, type StageRun } from './stage-run.ts';

/** What the child does; everything in it survives JSON. */
export interface StageOrder extends Pick<
  StageRun,
  'root' | 'plugins' | 'outputs' | 'settings' | 'owner' | 'patienceMs'
> {
  /** SIGKILL ahead of the step with this number. */
  readonly killAt?: number;
  /** SIGTERM ahead of that step. */
  readonly terminateAt?: number;
  /** The rename of the ledger fails, so that the commit is undone. */
  readonly failsAtLedger?: boolean;
  /** User to become before anything is done. */
  readonly uid?: number;
  /** File that exists while the lock is held: two holders would both try to make it. */
  readonly marker?: string;
  readonly holdMs?: number;
}

/** Prints `{"reason", "details"}` of a failure, or `{"found"}`; exits with the code of the reason. */
async function main(order: StageOrder): Promise<number> {
  const controller = new AbortController();
  process.on('SIGTERM', () => controller.abort(new InstallError('Terminated', 'SIGTERM')));
  if (order.uid !== undefined) {
    process.setgid?.(order.uid);
    process.setgroups?.([]);
    process.setuid?.(order.uid);
  }
  try {
    const { found } = await stageRun({
      ...order,
      signal: controller.signal,
      files: (files) =>
        watchedFiles(files, ({ number, call, path }) => {
          if (number === order.killAt) process.kill(process.pid, 'SIGKILL');
          if (number === order.terminateAt) process.kill(process.pid, 'SIGTERM');
          const isLedger = call === 'rename' && path.endsWith('new/portal-plugins.json');
          if (isLedger && order.failsAtLedger === true) throw systemError('EIO');
        }),
      whileHeld: async () => holdMarked(order),
    });
    process.stdout.write(JSON.stringify({ found }));
    return 0;
  } catch (thrown) {
    const error = asInstallError(thrown);
    process.stdout.write(JSON.stringify({ reason: error.reason, message: error.message, details: error.details }));
    return error.exit;
  }
}

async function holdMarked({ marker, holdMs }: StageOrder): Promise<void> {
  if (marker === undefined) return;
  writeFileSync(marker, '', { flag: 'wx' });
  await sleep(holdMs ?? 0);
  if (!existsSync(marker)) throw new Error('another holder removed the marker');
  rmSync(marker);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(JSON.parse(process.argv[2] ?? '') as StageOrder);
}
