/** The process edge: argv, environment, signals, clock and exit code; nothing else in the program touches them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommandLine } from './cli.ts';
import type { Machine } from './commands/machine.ts';
import { type Environment, readEnvironment } from './config/env.ts';
import { asInstallError, InstallError } from './core/errors.ts';
import type { Clock } from './core/context.ts';
import { failedBeforeList } from './run/result.ts';
import { DEFAULT_TERMINATION_LOG, terminationMessage, writeTerminationMessage } from './report/termination.ts';
import { VERSION } from './version.ts';

/** A run that was told to stop must end within this time, in milliseconds (docs/contracts.md, "What is written"). */
const STOP_WITHIN_MS = 5_000;
const TERMINATION_FLAG = '--termination-log';

const stop = new AbortController();
// Before anything else: as PID 1 a process without handlers ignores these signals.
onSignal('SIGTERM', new InstallError('Terminated', 'stopped by SIGTERM before the new set was in place'));
onSignal('SIGINT', new InstallError('Interrupted', 'stopped by SIGINT before the new set was in place'));
// A bug must not leave a half-made set behind: the run is aborted and undone like any other failure.
process.on('uncaughtException', onBug);
process.on('unhandledRejection', onBug);

const clock: Clock = {
  monotonic: () => performance.now(),
  now: () => new Date(),
  random: Math.random,
  sleep: async (ms, signal) => {
    try {
      await sleep(ms, undefined, { signal });
    } catch (cause) {
      throw signal.aborted ? signal.reason : cause;
    }
  },
};

// A reader that went away (`| head`) costs the report, not the run.
process.stdout.on('error', () => undefined);

let lastResort: NodeJS.Timeout | undefined;
let hasBug = false;
let isCommitted = false;
const code = await main();
clearTimeout(lastResort);
process.exitCode = hasBug && code === 0 ? 1 : code;

async function main(): Promise<number> {
  const env = readEnvironment();
  const machine: Machine = {
    clock,
    stdout: process.stdout,
    stderr: process.stderr,
    cwd: process.cwd(),
    signal: stop.signal,
    version: VERSION,
    onCommitted: () => {
      isCommitted = true;
    },
  };
  try {
    return await runCommandLine(process.argv.slice(2), env, machine);
  } catch (thrown) {
    const error = asInstallError(thrown);
    process.stderr.write(`portal-plugins: ${error.reason}: ${error.message}\nfix: ${error.fix}\n`);
    if (error.reason === 'Internal') process.stderr.write(`${stackOf(thrown)}\n`);
    const summary = failedBeforeList('portal-plugins', error, Math.round(clock.monotonic()));
    await writeTerminationMessage(
      terminationLog(env),
      terminationMessage(summary, (text) => text),
    );
    return error.exit;
  }
}

/** The command line was not understood, so the flag is looked for as it stands. */
function terminationLog(env: Environment): string {
  const args = process.argv.slice(2);
  const flag = args.findLastIndex((arg) => arg === TERMINATION_FLAG || arg.startsWith(`${TERMINATION_FLAG}=`));
  const value = args[flag] === TERMINATION_FLAG ? args[flag + 1] : args[flag]?.slice(TERMINATION_FLAG.length + 1);
  return value ?? env['PORTAL_PLUGINS_TERMINATION_LOG'] ?? DEFAULT_TERMINATION_LOG;
}

function onSignal(signal: 'SIGTERM' | 'SIGINT', reason: InstallError): void {
  process.on(signal, () => {
    stop.abort(reason);
    exitLater(() => (isCommitted ? 0 : reason.exit));
  });
}

function onBug(thrown: unknown): void {
  hasBug = true;
  process.stderr.write(`${stackOf(thrown)}\n`);
  stop.abort(
    new InstallError('Internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown }),
  );
  exitLater(() => 1);
}

/** Something hangs although everything was aborted: the next run repairs the volume. */
function exitLater(exitCode: () => number): void {
  lastResort ??= setTimeout(() => process.exit(exitCode()), STOP_WITHIN_MS);
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
