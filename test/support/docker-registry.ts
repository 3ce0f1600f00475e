/** The reference OCI registry (Debian's docker-registry 2.8) on a free loopback port, with each kind of authentication it has. */
import { spawn } from 'node:child_process';
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hasProgram, runOk } from './command.ts';
import { startTokenServer, type TokenGrant, type TokenServer } from './token-server.ts';

export interface DockerRegistry {
  readonly origin: string;
  readonly host: string;
  /** The token service in front of it, with `auth: 'token'`. */
  readonly tokens: TokenServer | undefined;
  close(): Promise<void>;
}

export interface DockerRegistryOptions {
  readonly auth: 'none' | 'htpasswd' | 'token';
  readonly users: Readonly<Record<string, string>>;
}

/** Why the reference registry cannot run with this authentication on this machine, or undefined when it can. */
export async function whyNoDockerRegistry(auth: DockerRegistryOptions['auth']): Promise<string | undefined> {
  const needed = ['docker-registry', ...{ none: [], htpasswd: ['htpasswd'], token: ['openssl'] }[auth]];
  for (const program of needed) {
    if (!(await hasProgram(program)))
      return `${program} is not installed (apt-get install docker-registry apache2-utils openssl)`;
  }
  return undefined;
}

/** Starts the registry with an empty store; resolves when it listens. */
export async function startDockerRegistry({ auth, users }: DockerRegistryOptions): Promise<DockerRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'docker-registry-'));
  const tokens = auth === 'token' ? await startJwtServer(directory, users) : undefined;
  if (auth === 'htpasswd') await writeFile(join(directory, 'htpasswd'), await htpasswd(users));
  const config = join(directory, 'config.yml');
  await writeFile(config, JSON.stringify(configuration(directory, auth, tokens))); // JSON is YAML
  const child = spawn('docker-registry', ['serve', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const exited = once(child, 'exit');
  const killWithUs = (): boolean => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited.catch(() => undefined); // it never started
    process.off('exit', killWithUs);
    await tokens?.close();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const port = await Promise.race([portOf(child.stderr), exited.then(() => undefined)]);
    if (port === undefined) throw new Error('docker-registry ended before it listened');
    child.stderr.resume();
    const host = `127.0.0.1:${port}`;
    return { origin: `http://${host}`, host, tokens, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const ISSUER = 'test-issuer';

function configuration(
  directory: string,
  auth: DockerRegistryOptions['auth'],
  tokens: TokenServer | undefined,
): Record<string, unknown> {
  const htpasswdAuth = { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } };
  const tokenAuth = {
    token: {
      realm: tokens?.realm,
      service: tokens?.service,
      issuer: ISSUER,
      rootcertbundle: join(directory, 'token.crt'),
    },
  };
  return {
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'store') }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', secret: 'not a secret' },
    ...{ none: {}, htpasswd: { auth: htpasswdAuth }, token: { auth: tokenAuth } }[auth],
  };
}

async function portOf(stderr: NodeJS.ReadableStream): Promise<number | undefined> {
  const lines = createInterface({ input: stderr });
  for await (const line of lines) {
    const [, port] = /listening on 127\.0\.0\.1:(\d+)/.exec(line) ?? [];
    if (port !== undefined) return Number(port);
  }
  return undefined;
}

async function htpasswd(users: Readonly<Record<string, string>>): Promise<string> {
  const lines: string[] = [];
  // Cost 5, the lowest bcrypt has: these passwords protect nothing and every request checks one.
  for (const [user, password] of Object.entries(users))
    lines.push(await runOk('htpasswd', ['-nbBC', '5', user, password]));
  return `${lines.join('\n')}\n`;
}

/** A token service whose tokens the reference registry accepts: RS256, with the certificate that `rootcertbundle` holds. */
async function startJwtServer(directory: string, users: Readonly<Record<string, string>>): Promise<TokenServer> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const keyFile = join(directory, 'token.key');
  const certFile = join(directory, 'token.crt');
  await writeFile(keyFile, pem, { mode: 0o600 });
  await runOk('openssl', ['req', '-x509', '-key', keyFile, '-subj', '/CN=test', '-days', '2', '-out', certFile]);
  const certificate = (await readFile(certFile, 'utf8')).replaceAll(/-----[A-Z ]+-----|\s/g, '');
  const header = { typ: 'JWT', alg: 'RS256', x5c: [certificate] };
  return startTokenServer({
    users,
    mint: (grant) => {
      const unsigned = `${encode(header)}.${encode(claims(grant))}`;
      return `${unsigned}.${createSign('RSA-SHA256').update(unsigned).sign(pem, 'base64url')}`;
    },
  });
}

function claims({ user, service, scopes }: TokenGrant): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  const access = scopes.flatMap((scope) => {
    const [, type, name, actions] = /^([a-z]+):(.+):([^:]*)$/.exec(scope) ?? [];
    return name === undefined || actions === undefined ? [] : [{ type, name, actions: actions.split(',') }];
  });
  return {
    iss: ISSUER,
    sub: user ?? '',
    aud: service,
    iat: now,
    nbf: now - 10,
    exp: now + 300,
    jti: randomUUID(),
    access,
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
