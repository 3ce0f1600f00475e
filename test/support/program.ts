/** The whole program as a child process: the list by file, JSON log lines parsed, termination message read back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';

/** What runs: the sources by type stripping. The bundle and the image have tests of their own. */
const MAIN = join(import.meta.dirname, '../../installer/main.ts');

export interface LogLine {
  readonly event?: string;
  readonly level: string;
  readonly msg: string;
  readonly reason?: string;
  readonly code?: string;
  readonly index?: number;
  readonly [field: string]: unknown;
}

export interface ProgramResult {
  /** Null when a signal killed it. */
  readonly exitCode: number | null;
  readonly lines: readonly LogLine[];
  readonly stdout: string;
  readonly stderr: string;
  readonly termination: string;
  /** Log reason of the first rejected plugin (`code` for OCI), else of the first error line. */
  readonly reason: string | undefined;
}

export interface ProgramOptions {
  readonly root: string;
  /** The wire document; or `args` name the list. */
  readonly list?: unknown;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly command?: 'install' | 'verify';
  readonly cwd?: string;
  /** Called for each log line as it is written. */
  readonly onLine?: (line: LogLine, child: ChildProcess) => void;
  /** Program and arguments put before node: `setpriv`, `prlimit`. */
  readonly prefix?: readonly string[];
}

/** Quick failures instead of patient ones; a test that wants patience overrides. */
const IMPATIENT: Readonly<Record<string, string>> = {
  PORTAL_PLUGINS_RETRIES: '2',
  PORTAL_PLUGINS_RETRY_BASE: '10ms',
  PORTAL_PLUGINS_RETRY_CAP: '20ms',
};

/** Runs the program to its end. */
export async function runProgram(options: ProgramOptions): Promise<ProgramResult> {
  const home = await mkdtemp(join(tmpdir(), 'program-'));
  try {
    const { child, result } = await startProgram(options, home);
    if (options.onLine !== undefined) followLines(child, options.onLine);
    return await result;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function startProgram(
  options: ProgramOptions,
  home: string,
): Promise<{ readonly child: ChildProcess; readonly result: Promise<ProgramResult> }> {
  const terminationLog = join(home, 'termination-log');
  await writeFile(terminationLog, '', { mode: 0o666 });
  const args = [MAIN, options.command ?? 'install', '--log-format', 'json'];
  if (options.command !== 'verify') args.push('--root', options.root);
  if (options.list !== undefined) {
    const file = join(home, 'dynamic-plugins.yaml');
    await writeFile(file, JSON.stringify(options.list));
    args.push('--config', file);
  }
  const [program, ...before] = [...(options.prefix ?? []), process.execPath];
  const child = spawn(program ?? process.execPath, [...before, ...args, ...(options.args ?? [])], {
    cwd: options.cwd ?? home,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], PORTAL_PLUGINS_TERMINATION_LOG: terminationLog, ...IMPATIENT, ...options.env },
  });
  const result = collect(child).then(async (output) => {
    const lines = parseLines(output.stdout);
    const termination = await readFile(terminationLog, 'utf8');
    return { ...output, lines, termination, reason: reasonOf(lines) };
  });
  return { child, result };
}

async function collect(child: ChildProcess): Promise<Pick<ProgramResult, 'exitCode' | 'stdout' | 'stderr'>> {
  const text = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, ...text };
}

function parseLines(stdout: string): readonly LogLine[] {
  const complete = stdout.slice(0, stdout.lastIndexOf('\n') + 1);
  return complete
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine);
}

function followLines(child: ChildProcess, onLine: (line: LogLine, child: ChildProcess) => void): void {
  let rest = '';
  child.stdout?.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) onLine(JSON.parse(part) as LogLine, child);
  });
}

function reasonOf(lines: readonly LogLine[]): string | undefined {
  const rejected =
    lines.find(({ event }) => event === 'plugin_rejected') ?? lines.find(({ level }) => level === 'error');
  return rejected?.code ?? rejected?.reason;
}
