/** A real verdaccio on a free loopback port, without uplinks: what is not published is not there. */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Verdaccio {
  readonly origin: string;
  readonly host: string;
  /** Base URL with trailing slash. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

export interface VerdaccioOptions {
  readonly users: Readonly<Record<string, string>>;
}

const START_MS = 60_000;
const require = createRequire(import.meta.url);

/** Packages of the scope `@private` are for users only; everything else is for everybody. Resolves when it listens. */
export async function startVerdaccio({ users }: VerdaccioOptions): Promise<Verdaccio> {
  const directory = await mkdtemp(join(tmpdir(), 'verdaccio-'));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  await writeFile(join(directory, 'htpasswd'), Object.entries(users).map(passwordLine).join('\n'));
  await writeFile(join(directory, 'config.yaml'), JSON.stringify(configuration(directory, host))); // JSON is YAML
  const program = join(dirname(require.resolve('verdaccio/package.json')), 'bin', 'verdaccio');
  const child = fork(program, ['--config', join(directory, 'config.yaml')], {
    cwd: directory,
    env: { PATH: process.env['PATH'], HOME: directory },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
  });
  const errors: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  const exited = once(child, 'exit');
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    await rm(directory, { recursive: true, force: true });
  };
  // It sends one message over IPC when it listens.
  const started = once(child, 'message', { signal: AbortSignal.timeout(START_MS) }).then(() => true);
  if (!(await Promise.race([started, exited.then(() => false)]))) {
    await close();
    throw new Error(`verdaccio ended before it listened: ${errors.join('')}`);
  }
  return { origin: `http://${host}`, host, url: `http://${host}/`, close };
}

function configuration(directory: string, host: string): Record<string, unknown> {
  return {
    storage: join(directory, 'storage'),
    listen: `http://${host}`,
    auth: { htpasswd: { file: join(directory, 'htpasswd'), max_users: -1 } },
    uplinks: {},
    packages: {
      '@private/*': { access: '$authenticated', publish: '$authenticated' },
      '**': { access: '$all', publish: '$authenticated' },
    },
    web: { enable: false },
    log: { type: 'stdout', format: 'json', level: 'fatal' },
  };
}

/** Apache's `{SHA}` form: no other program is needed to write it. */
function passwordLine([user, password]: [string, string]): string {
  return `${user}:{SHA}${createHash('sha1').update(password).digest('base64')}`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
