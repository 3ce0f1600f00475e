/** Who is measured: every contestant makes the same plugin directories from the same archives, and is one command line. */
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasProgram, runOk } from '../test/support/command.ts';
import type { CorpusPlugin } from './corpus.ts';
import type { Command } from './measure.ts';

export interface Arena {
  readonly plugins: readonly CorpusPlugin[];
  /** `127.0.0.1:PORT` of the server. */
  readonly host: string;
  /** Absolute; every contestant works in a directory of its own below it. */
  readonly work: string;
  /** The program under test, absolute. */
  readonly program: string;
}

export interface Contestant {
  readonly name: string;
  /** Directory that is emptied before a run; left as it is for a warm start. */
  readonly directory: string;
  readonly keepsDirectory: boolean;
  readonly command: Command;
  /** How many rounds of all it joins at most; slow peers tell enough in few. */
  readonly maxRounds: number;
}

/** The pipeline people write by hand: download and hash in one pass, unpack, compare nothing. */
const SHELL_PIPELINE = [
  'set -o errexit -o pipefail',
  'mkdir -p "$1"; mkfifo "$1.fifo"',
  'sha512sum < "$1.fifo" > "$1.sum" &',
  'curl --silent --fail "$2" | tee "$1.fifo" | tar --extract --gzip --directory "$1" --strip-components 1',
  'wait',
].join('\n');

/** skopeo and GNU tar, as a shell script would use them. */
const SKOPEO_COPY = [
  'set -o errexit',
  'mkdir -p "$1"',
  'skopeo copy --quiet --insecure-policy --src-tls-verify=false "docker://$3/$4:$5" "dir:$1.image" > /dev/null',
  'tar --extract --gzip --directory "$1" --strip-components 1 --file "$1.image/$6"',
].join('\n');

/** Writes the scripts, the lists and npm's settings, and names the contestants in the order they run. */
export async function contestants(arena: Arena, parallel: number): Promise<readonly Contestant[]> {
  await mkdir(arena.work, { recursive: true });
  const lists = await writeLists(arena);
  const all = [
    await shell(arena, { name: 'floor: curl | sha512sum, tar xz, one at a time', script: SHELL_PIPELINE, parallel: 1 }),
    await shell(arena, { name: FLOOR, script: SHELL_PIPELINE, parallel }),
    ours(arena, { name: OURS_OCI, list: lists.oci }),
    ours(arena, { name: OURS_NPM, list: lists.npm }),
    spawning(arena, { name: PEER_NPM, tool: 'npm', parallel }),
  ];
  if (await hasProgram('skopeo')) {
    all.push(spawning(arena, { name: PEER_SKOPEO, tool: 'skopeo', parallel }));
    all.push(
      await shell(arena, { name: 'peer: skopeo copy + GNU tar, four at a time', script: SKOPEO_COPY, parallel }),
    );
  }
  return all;
}

const PLUGINS_FILE = 'plugins.json';

export const FLOOR = 'floor: curl | sha512sum, tar xz, four at a time';
export const OURS_OCI = 'ours: cold install, OCI';
export const OURS_NPM = 'ours: cold install, npm';
export const PEER_NPM = 'peer: npm pack + node-tar, four at a time';
export const PEER_SKOPEO = 'peer: skopeo copy + node-tar, four at a time';
export const OURS_WARM = 'ours: warm start';
export const OURS_WARM_CACHED = 'ours: warm start, compile cache as in the image';
export const BARE_NODE = 'bare: node -e 0';

/** The short runs, measured on a volume that a cold install has filled. */
export async function warmContestants(arena: Arena): Promise<readonly Contestant[]> {
  const lists = await writeLists(arena);
  const warm = ours(arena, { name: OURS_WARM, list: lists.oci });
  const cache = { NODE_COMPILE_CACHE: join(arena.work, 'compile-cache') };
  const bare = { program: process.execPath, args: ['-e', '0'] };
  return [
    { ...warm, keepsDirectory: true },
    {
      ...warm,
      name: OURS_WARM_CACHED,
      keepsDirectory: true,
      command: { ...warm.command, env: { ...warm.command.env, ...cache } },
    },
    { name: BARE_NODE, directory: arena.work, keepsDirectory: true, command: bare, maxRounds: Infinity },
  ];
}

/** An empty directory for a cold run. */
export async function prepare(contestant: Contestant): Promise<void> {
  if (contestant.keepsDirectory) return;
  await rm(contestant.directory, { recursive: true, force: true });
  await mkdir(contestant.directory, { recursive: true });
}

function ours(arena: Arena, run: { readonly name: string; readonly list: string }): Contestant {
  const directory = join(arena.work, run.name.replaceAll(/[^a-z]+/gi, '-'));
  return {
    name: run.name,
    directory,
    keepsDirectory: false,
    maxRounds: Infinity,
    command: {
      program: process.execPath,
      args: [arena.program, 'install', '--config', run.list, '--root', directory],
      env: {
        ...imageEnvironment(),
        PORTAL_PLUGINS_INSECURE_HOSTS: arena.host,
        PORTAL_PLUGINS_LOG_FORMAT: 'logfmt',
        PORTAL_PLUGINS_TERMINATION_LOG: join(arena.work, 'termination-log'),
        NPM_CONFIG_USERCONFIG: join(arena.work, 'npmrc'),
      },
    },
  };
}

/** What is shipped is the image, so its memory settings are measured. */
function imageEnvironment(): Readonly<Record<string, string>> {
  const dockerfile = readFileSync(join(import.meta.dirname, '../Dockerfile'), 'utf8');
  const heap = /^ARG NODE_HEAP="(.+)"$/m.exec(dockerfile)?.[1];
  const arenas = /MALLOC_ARENA_MAX=(\d+)/.exec(dockerfile)?.[1];
  if (heap === undefined || arenas === undefined)
    throw new Error('the Dockerfile no longer sets NODE_HEAP or MALLOC_ARENA_MAX');
  return { NODE_OPTIONS: heap, MALLOC_ARENA_MAX: arenas };
}

/** Slow peers tell enough in this many rounds. */
const PEER_ROUNDS = 3;

function spawning(
  arena: Arena,
  run: { readonly name: string; readonly tool: 'npm' | 'skopeo'; readonly parallel: number },
): Contestant {
  const directory = join(arena.work, run.name.replaceAll(/[^a-z]+/gi, '-'));
  const script = join(import.meta.dirname, 'spawn-installer.ts');
  const args = [script, run.tool, arena.host, directory, String(run.parallel)];
  return {
    name: run.name,
    directory,
    keepsDirectory: false,
    maxRounds: PEER_ROUNDS,
    command: {
      program: 'sh',
      args: [
        '-c',
        'input=$1; shift; exec "$@" < "$input"',
        'sh',
        join(arena.work, PLUGINS_FILE),
        process.execPath,
        ...args,
      ],
      // A cache would turn the second round into another measurement.
      env: { npm_config_cache: join(directory, '.npm'), npm_config_update_notifier: 'false' },
    },
  };
}

interface ShellRun {
  readonly name: string;
  readonly script: string;
  readonly parallel: number;
}

async function shell(arena: Arena, run: ShellRun): Promise<Contestant> {
  const label = run.name.replaceAll(/[^a-z]+/gi, '-');
  const directory = join(arena.work, label);
  const script = join(arena.work, `${label}.sh`);
  const lines = join(arena.work, `${label}.args`);
  await writeFile(script, run.script);
  await writeFile(
    lines,
    arena.plugins.map((plugin) => `${shellArguments(arena, directory, plugin).join(' ')}\n`).join(''),
  );
  return {
    name: run.name,
    directory,
    keepsDirectory: false,
    maxRounds: Infinity,
    command: {
      program: 'xargs',
      args: ['--arg-file', lines, '--max-lines=1', `--max-procs=${run.parallel}`, 'bash', script],
    },
  };
}

/** $1 directory, $2 address of the archive, $3 host, $4 name, $5 version, $6 the layer's digest in hex. */
function shellArguments(arena: Arena, directory: string, plugin: CorpusPlugin): readonly string[] {
  const blob = `http://${arena.host}/v2/${plugin.name}/blobs/${plugin.digest}`;
  return [
    join(directory, plugin.name),
    blob,
    arena.host,
    plugin.name,
    plugin.version,
    plugin.digest.replace('sha256:', ''),
  ];
}

async function writeLists(arena: Arena): Promise<{ readonly oci: string; readonly npm: string }> {
  const lists = { oci: join(arena.work, 'oci.json'), npm: join(arena.work, 'npm.json') };
  await writeFile(join(arena.work, PLUGINS_FILE), JSON.stringify(arena.plugins));
  await writeFile(join(arena.work, 'npmrc'), `registry=http://${arena.host}/\n`);
  const listOf = (packageOf: (plugin: CorpusPlugin) => string): string =>
    JSON.stringify({
      plugins: arena.plugins.map((plugin) => ({ package: packageOf(plugin), integrity: plugin.integrity })),
    });
  await writeFile(
    lists.oci,
    listOf((plugin) => `oci://${arena.host}/${plugin.name}:${plugin.version}`),
  );
  await writeFile(
    lists.npm,
    listOf((plugin) => `npm:${plugin.name}@${plugin.version}`),
  );
  return lists;
}

/** Versions of the tools that took part, for the head of the table. */
export async function toolVersions(): Promise<readonly string[]> {
  const tools = ['curl', 'tar', 'npm'];
  if (await hasProgram('skopeo')) tools.push('skopeo');
  return Promise.all(tools.map(versionOf));
}

async function versionOf(program: string): Promise<string> {
  const version = /\d+(?:\.\d+)+/.exec(await runOk(program, ['--version']));
  return `${program} ${version?.[0] ?? ''}`;
}
