/** Runs the image as Butler Portal's pod spec runs its init container: its paths, its user, no arguments (docs/testing.md, "Image"). */
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, runOk, type CommandResult } from './command.ts';

/** The user of the image, and of the portal that reads the volume. */
export const IMAGE_USER = 65532;

/** What a pod mounts into the init container, as directories and files of this machine. */
export interface Pod {
  /** `dynamic-plugins`, seen as `/dynamic-plugins-root`. */
  readonly root: string;
  /** `dynamic-plugins-config`, seen below `/etc/butler-portal`. */
  readonly list: string;
  /** Seen as `/dev/termination-log`. */
  readonly terminationLog: string;
  /** Seen as `$DOCKER_CONFIG`; holds `config.json` where a test wrote one. */
  readonly dockerConfig: string;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ContainerOptions {
  readonly image: string;
  readonly pod: Pod;
  readonly environment?: Readonly<Record<string, string>>;
  /** Of the container's memory cgroup; default 256 MiB, the chart's limit. */
  readonly memory?: string;
  /** After the image name; the pod spec gives none. */
  readonly args?: readonly string[];
}

export interface Container {
  readonly name: string;
  /** Resolves when the container has ended, with its exit code and what it printed. */
  readonly ended: Promise<CommandResult>;
  /** Sends a signal to its first process, as a kubelet does. */
  kill(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<void>;
}

/** An empty volume owned by the image's user, a list and an empty termination log. */
export async function makePod(list: string): Promise<Pod> {
  const directory = await mkdtemp(join(tmpdir(), 'portal-plugins-pod-'));
  const root = join(directory, 'dynamic-plugins');
  const config = join(directory, 'dynamic-plugins.yaml');
  const terminationLog = join(directory, 'termination-log');
  const dockerConfig = join(directory, 'docker');
  await mkdir(root);
  await mkdir(dockerConfig);
  await chown(root, IMAGE_USER, IMAGE_USER);
  await writeFile(config, list);
  await writeFile(terminationLog, '');
  await chown(terminationLog, IMAGE_USER, IMAGE_USER);
  return {
    root,
    list: config,
    terminationLog,
    dockerConfig,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

let started = 0;

/** Starts the container and returns at once. */
export function startContainer(options: ContainerOptions): Container {
  started += 1;
  const name = `portal-plugins-${process.pid}-${started}`;
  return {
    name,
    ended: run('podman', ['run', '--rm', '--name', name, ...argumentsOf(options)]),
    kill: async (signal) => {
      await runOk('podman', ['kill', '--signal', signal, name]);
    },
  };
}

/** Runs the container to its end. */
export function runContainer(options: ContainerOptions): Promise<CommandResult> {
  return startContainer(options).ended;
}

export interface MeasuredRun extends CommandResult {
  /** Highest memory charged to the container's cgroup, page cache included, in bytes. */
  readonly peakMemoryBytes: number;
}

/** As `runContainer`, and reads the cgroup's own high-water mark while the container lives. */
export async function measureContainer(options: ContainerOptions): Promise<MeasuredRun> {
  const container = startContainer(options);
  const end = new AbortController();
  void container.ended.finally(() => end.abort());
  const id = await waitForId(container.name, end.signal);
  let peakMemoryBytes = 0;
  while (!end.signal.aborted) {
    peakMemoryBytes = Math.max(peakMemoryBytes, await highWaterMark(id));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { ...(await container.ended), peakMemoryBytes };
}

async function waitForId(name: string, end: AbortSignal): Promise<string> {
  while (!end.aborted) {
    const found = await run('podman', ['inspect', '--format', '{{.Id}}', name]);
    if (found.code === 0) return found.stdout.trim();
  }
  return '';
}

/** cgroup v2 and v1 name it differently, and podman nests the container's group. */
async function highWaterMark(id: string): Promise<number> {
  const places = [
    `/sys/fs/cgroup/memory/libpod_parent/libpod-${id}/memory.max_usage_in_bytes`,
    `/sys/fs/cgroup/memory/machine.slice/libpod-${id}.scope/memory.max_usage_in_bytes`,
    `/sys/fs/cgroup/libpod_parent/libpod-${id}/memory.peak`,
    `/sys/fs/cgroup/machine.slice/libpod-${id}.scope/memory.peak`,
  ];
  const values = await Promise.all(places.map((place) => readFile(place, 'utf8').catch(() => '0')));
  return Math.max(...values.map(Number));
}

function argumentsOf(options: ContainerOptions): readonly string[] {
  const { pod } = options;
  const environment = { DOCKER_CONFIG: '/etc/docker-config', ...options.environment };
  return [
    '--network',
    'host',
    '--read-only',
    '--read-only-tmpfs=false',
    '--cap-drop=all',
    '--security-opt=no-new-privileges',
    '--user',
    String(IMAGE_USER),
    '--memory',
    options.memory ?? '256m',
    '--memory-swap',
    options.memory ?? '256m',
    '--volume',
    `${pod.root}:/dynamic-plugins-root`,
    '--volume',
    `${pod.list}:/etc/butler-portal/dynamic-plugins.yaml:ro`,
    '--volume',
    `${pod.dockerConfig}:/etc/docker-config:ro`,
    '--volume',
    `${pod.terminationLog}:/dev/termination-log`,
    ...Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    options.image,
    ...(options.args ?? []),
  ];
}
