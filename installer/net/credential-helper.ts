/** docker-credential-* programs: run only from a directory the operator configured (docs/sources.md, "Credential helpers"). */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { OciCredential } from '../core/context.ts';
import { InstallError } from '../core/errors.ts';

export interface HelperRequest {
  readonly directory: string;
  /** `docker-credential-<name>`. */
  readonly name: string;
  /** Written to the helper's standard input: the registry as the config spells it. */
  readonly server: string;
  /** File that asked for the helper, for messages. */
  readonly file: string;
}

const TIMEOUT_MS = 10_000; // a cloud token endpoint answers in well under a second
const MAX_OUTPUT = 64 * 1024;
/** docker-credential-helpers protocol: this text on standard output means "none", whatever the exit code. */
const NOT_FOUND = 'credentials not found in native keychain';

/**
 * Runs `docker-credential-<name> get`. Undefined: the helper has no credential for the server. Throws CredentialsInvalid when the helper
 * cannot be run, fails, takes longer than 10 s, prints more than 64 KiB or something else than the protocol says; its output is never
 * repeated.
 */
export async function askHelper(request: HelperRequest): Promise<OciCredential | undefined> {
  const { stdout, failure } = await runHelper(request);
  if (failure !== undefined) {
    if (stdout.trim() === NOT_FOUND) return undefined;
    throw helperFailed(request, 'failed', failure);
  }
  const answer = parseAnswer(stdout);
  if (answer === undefined) throw helperFailed(request, 'did not print a credential');
  const label = `${request.file}:docker-credential-${request.name}`;
  if (answer.username === '<token>') return { kind: 'identity-token', token: answer.secret, label };
  return { kind: 'basic', username: answer.username, password: answer.secret, label };
}

interface HelperResult {
  readonly stdout: string;
  readonly failure: Error | undefined;
}

async function runHelper({ directory, name, server }: HelperRequest): Promise<HelperResult> {
  return new Promise((resolve) => {
    const child = execFile(
      join(directory, `docker-credential-${name}`),
      ['get'],
      {
        cwd: directory,
        // Nothing of this process: its environment may hold other secrets.
        env: { PATH: directory },
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT,
        encoding: 'utf8',
      },
      (failure, stdout) => resolve({ stdout, failure: failure ?? undefined }),
    );
    // A helper that does not read its input closes the pipe: what counts is what it prints.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(server);
  });
}

function parseAnswer(stdout: string): { readonly username: string; readonly secret: string } | undefined {
  try {
    const answer: unknown = JSON.parse(stdout);
    if (typeof answer !== 'object' || answer === null) return undefined;
    const username: unknown = Reflect.get(answer, 'Username');
    const secret: unknown = Reflect.get(answer, 'Secret');
    return typeof username === 'string' && typeof secret === 'string' ? { username, secret } : undefined;
  } catch {
    return undefined;
  }
}

function helperFailed({ name, file }: HelperRequest, what: string, cause?: Error): InstallError {
  const code = cause === undefined || !('code' in cause) ? undefined : String(cause.code);
  const ended = code === undefined ? '' : ` (${code})`;
  return new InstallError('CredentialsInvalid', `docker-credential-${name}, named by ${file}, ${what}${ended}`, {
    details: { file, helper: name, fix: 'run the helper by hand in this image, or mount the credential as a Secret' },
  });
}
