import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../test/support/command.ts';

/** What one run cost. */
export interface Sample {
  readonly wallMs: number;
  /** User and system time of the program and of everything it waited for. */
  readonly cpuMs: number;
  /** Largest resident set of any one of its processes, in bytes. */
  readonly peakBytes: number;
  readonly requests: number;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** GNU time: Node tells nobody what its children used. */
const GNU_TIME = '/usr/bin/time';

/** Runs `command` to its end; rejects with its output when it fails. `requests` is filled in by who knows the server. */
export async function measure(command: Command): Promise<Omit<Sample, 'requests'>> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-'));
  const report = join(directory, 'report');
  try {
    const before = performance.now();
    const result = await run(GNU_TIME, ['--format', '%U %S %M', '--output', report, command.program, ...command.args], {
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      env: { ...cleanEnvironment(), ...command.env },
    });
    const wallMs = performance.now() - before;
    if (result.code !== 0)
      throw new Error(`${command.program} ${command.args.join(' ')}\n${result.stdout}${result.stderr}`);
    const [user, system, kilobytes] = (await readFile(report, 'utf8')).trim().split(' ').map(Number);
    return { wallMs, cpuMs: ((user ?? 0) + (system ?? 0)) * 1000, peakBytes: (kilobytes ?? 0) * 1024 };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Nothing of the machine's proxies, npm settings or Node options reaches a measured program. */
function cleanEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, LANG: 'C' };
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Median of each figure on its own. */
export function medianSample(samples: readonly Sample[]): Sample {
  const of = (pick: (sample: Sample) => number): number => median(samples.map(pick));
  return {
    wallMs: of((sample) => sample.wallMs),
    cpuMs: of((sample) => sample.cpuMs),
    peakBytes: of((sample) => sample.peakBytes),
    requests: of((sample) => sample.requests),
  };
}
