/**
 * `npm run bench`: our cold and warm runs, the shell pipeline everybody knows, and installers that spawn a tool per plugin, in one run on
 * one machine, round after round, as medians with ratios. Only the ratios mean anything elsewhere (docs/performance.md).
 *
 *     npm run bench                 sets S and M, five rounds
 *     npm run bench -- --quick      six plugins of set S, two rounds
 *     npm run bench -- --set S --rounds 3 --large
 */
import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildBundle, ENTRY_NAME } from '../installer/tools/build.ts';
import { contestants, prepare, toolVersions, warmContestants, type Arena, type Contestant } from './contestants.ts';
import { first, makeCorpus, SET_L, SET_M, SET_S, type CorpusPlugin, type CorpusSet } from './corpus.ts';
import { measure, medianSample, type Sample } from './measure.ts';
import { startServer, type BenchServer } from './server.ts';
import { renderSet } from './table.ts';

const PROJECT_DIR = resolve(import.meta.dirname, '..');
const CACHE_DIR = join(PROJECT_DIR, '.cache/bench');
const PARALLEL = 4;
const WARM_ROUNDS = 11;

interface Plan {
  readonly sets: readonly CorpusSet[];
  readonly rounds: number;
}

function planOf(argv: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean' },
      set: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      large: { type: 'boolean' },
    },
  });
  if (values.quick === true) return { sets: [first(SET_S, 6)], rounds: 2 };
  const wanted = values.set ?? ['S', 'M', ...(values.large === true ? ['L'] : [])];
  const sets = [SET_S, SET_M, SET_L].filter((set) => wanted.includes(set.name));
  const rounds = Number(values.rounds ?? 5);
  if (sets.length !== new Set(wanted).size || !Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--set takes S, M or L and --rounds a whole number, got ${argv.join(' ')}`);
  }
  return { sets, rounds };
}

/** Memory where there is enough of it: a disk's queue would be measured otherwise. */
async function workDirectory(): Promise<string> {
  const shm = await statfs('/dev/shm').catch(() => undefined);
  const hasRoom = shm !== undefined && shm.bavail * shm.bsize > 8e9;
  return mkdtemp(join(hasRoom ? '/dev/shm' : tmpdir(), 'portal-plugins-bench-'));
}

async function runSet(arena: Arena, server: BenchServer, rounds: number): Promise<ReadonlyMap<string, Sample>> {
  const samples = new Map<string, Sample[]>();
  const sampleOnce = async (contestant: Contestant): Promise<void> => {
    await prepare(contestant);
    await server.takeCount();
    const cost = await measure(contestant.command);
    const sample = { ...cost, requests: await server.takeCount() };
    samples.set(contestant.name, [...(samples.get(contestant.name) ?? []), sample]);
  };
  const cold = await contestants(arena, PARALLEL);
  for (let round = 0; round < rounds; round += 1) {
    for (const contestant of cold) if (round < contestant.maxRounds) await sampleOnce(contestant);
    process.stderr.write(`round ${round + 1} of ${rounds} done\n`);
  }
  const warm = await warmContestants(arena);
  const [first] = warm;
  if (first !== undefined) {
    await prepare({ ...first, keepsDirectory: false });
    await measure(first.command);
  }
  for (let round = 0; round < WARM_ROUNDS; round += 1) for (const contestant of warm) await sampleOnce(contestant);
  return new Map([...samples].map(([name, taken]) => [name, medianSample(taken)]));
}

function headOf(set: CorpusSet, plugins: readonly CorpusPlugin[]): string {
  const bytes = plugins.reduce((sum, plugin) => sum + plugin.bytes, 0);
  const files = plugins.reduce((sum, plugin) => sum + plugin.files, 0);
  return `Set ${set.name}: ${plugins.length} plugins, ${(bytes / 1e6).toFixed(1)} MB, ${files} files`;
}

async function main(): Promise<void> {
  const plan = planOf(process.argv.slice(2));
  await mkdir(CACHE_DIR, { recursive: true });
  const dist = join(CACHE_DIR, 'dist');
  await buildBundle({ projectDir: PROJECT_DIR, outDir: dist });
  const program = join(dist, `${ENTRY_NAME}.mjs`);
  const work = await workDirectory();
  process.stdout.write(`Node ${process.version}, ${availableParallelism()} cores, ${work.split('/portal')[0]}; `);
  process.stdout.write(`${(await toolVersions()).join('; ')}\n`);
  try {
    for (const set of plan.sets) {
      const plugins = await makeCorpus(CACHE_DIR, set);
      const server = await startServer(plugins);
      try {
        const arena = { plugins, host: server.host, work: join(work, set.name), program };
        const medians = await runSet(arena, server, plan.rounds);
        process.stdout.write(`\n${headOf(set, plugins)}; medians of ${plan.rounds} rounds\n\n${renderSet(medians)}\n`);
      } finally {
        server.close();
      }
      await rm(join(work, set.name), { recursive: true, force: true });
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

await main();
