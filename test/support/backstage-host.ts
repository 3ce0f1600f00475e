/**
 * A real Backstage backend that loads dynamic plugins, on loopback; installed once from its own lock file, by the first test that needs it
 * or beforehand by `node test/support/backstage-host.ts` (needed where npm wants a proxy or CA variable, as tests clear these).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const SOURCES = join(import.meta.dirname, 'backstage-host');
const CACHE = join(import.meta.dirname, '..', '..', '.cache');
const HOST_FILES = ['package.json', 'package-lock.json', 'index.js', 'backstage.json', 'app-config.yaml'] as const;
/** A cold start takes 1 to 3 s; both cores may be busy. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

export interface BackstageOptions {
  /** Plugin root; scanned at start. */
  readonly root: string;
  /** `app-config.dynamic-plugins.yaml` of the installer, as a further `--config`. */
  readonly appConfig?: string;
  /** False: the host starts without NODE_PATH, so plugins outside of it find no shared modules. */
  readonly hasNodePath?: boolean;
}

export interface BackstageHost extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly baseUrl: string;
  /** Everything the host has printed so far, without colours. */
  log(): string;
  stop(): Promise<void>;
}

/** A host that did not come up. */
export class BackstageStartError extends Error {
  override readonly name = 'BackstageStartError';
  readonly log: string;

  constructor(message: string, log: string) {
    super(`${message}\n${log}`);
    this.log = log;
  }
}

/**
 * Installs the host below `.cache/` unless its lock file was installed before (a minute, 380 MB), starts it on a free port and waits until
 * it is ready. Rejects with BackstageStartError when it exits first or is not ready in time.
 */
export async function startBackstage(options: BackstageOptions): Promise<BackstageHost> {
  const folder = await installHost();
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const printed: string[] = [];
  const configs = options.appConfig === undefined ? [] : ['--config', 'app-config.yaml', '--config', options.appConfig];
  const child = spawn(process.execPath, ['index.js', ...configs], {
    cwd: folder,
    env: environment(folder, baseUrl, options),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => printed.push(text.replaceAll(/\u001b\[\d+m/g, '')));
  const log = (): string => printed.join('');
  const stop = async (): Promise<void> => stopChild(child);
  try {
    await waitUntilReady(baseUrl, child);
  } catch (error) {
    await stop();
    throw new BackstageStartError(error instanceof Error ? error.message : String(error), log());
  }
  return { baseUrl, log, stop, [Symbol.asyncDispose]: stop };
}

function environment(folder: string, baseUrl: string, options: BackstageOptions): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return {
    PATH,
    HOME,
    NODE_ENV: 'production',
    ...(options.hasNodePath === false ? {} : { NODE_PATH: join(folder, 'node_modules') }),
    APP_CONFIG_app_baseUrl: JSON.stringify(baseUrl),
    APP_CONFIG_backend_baseUrl: JSON.stringify(baseUrl),
    APP_CONFIG_backend_listen_port: new URL(baseUrl).port,
    APP_CONFIG_dynamicPlugins_rootDirectory: JSON.stringify(options.root),
  };
}

async function waitUntilReady(baseUrl: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`Backstage exited with ${child.exitCode} before it was ready`);
    if (await isReady(baseUrl)) return;
    await sleep(POLL_MS);
  }
  throw new Error(`Backstage was not ready after ${START_TIMEOUT_MS} ms`);
}

async function isReady(baseUrl: string): Promise<boolean> {
  try {
    const response = await fetch(`${baseUrl}/.backstage/health/v1/readiness`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // not listening yet
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

let installed: Promise<string> | undefined;

async function installHost(): Promise<string> {
  installed ??= install();
  return installed;
}

/** The folder carries the hash of all host files: what has that name is complete, since it gets it by a rename. */
async function install(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of HOST_FILES) hash.update(await readFile(join(SOURCES, name)));
  const folder = join(CACHE, `backstage-host-${hash.digest('hex').slice(0, 12)}`);
  if (await exists(folder)) return folder;
  const scratch = `${folder}.${process.pid}`;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
  for (const name of HOST_FILES) await cp(join(SOURCES, name), join(scratch, name));
  try {
    await npmCi(scratch);
    await rename(scratch, folder);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    if (!(await exists(folder))) throw error; // otherwise another test process was faster
  }
  return folder;
}

/** Install scripts stay off: better-sqlite3 ships its binary, and no other package of the lock file needs one. */
async function npmCi(folder: string): Promise<void> {
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  const child = spawn('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0)
    throw new Error(`npm ci of the Backstage host ended with ${code}; try: node test/support/backstage-host.ts`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // a TCP server has one
  server.close();
  await once(server, 'close');
  return port;
}

if (import.meta.main) console.log(await installHost());
