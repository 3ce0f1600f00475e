import { spawn } from 'node:child_process';

export interface CommandResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  /** Replaces the environment entirely where given. */
  readonly env?: NodeJS.ProcessEnv;
  /** Kills the child (SIGKILL) after this many milliseconds; default ten minutes. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end and returns what it said; rejects only when it cannot be started. */
export function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 600_000,
      killSignal: 'SIGKILL',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({
        code,
        signal,
        stdout: Buffer.concat(stdout).toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8'),
      }),
    );
  });
}

/** As `run`, but a non-zero exit rejects with everything the program said. Returns standard output, trimmed. */
export async function runOk(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await run(program, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${program} ${args.join(' ')} ended with ${result.code ?? result.signal}\n${result.stdout}\n${result.stderr}`,
    );
  }
  return result.stdout.trim();
}

/** Whether `program` can be found on the path. */
export async function hasProgram(program: string): Promise<boolean> {
  return (await run('sh', ['-c', 'command -v "$1"', 'sh', program])).code === 0;
}
