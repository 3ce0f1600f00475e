/** Real mounts for tests, where this user may make them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why mounts cannot be made here, or undefined; a test that skips prints it. */
export const mountObstacle: string | undefined = findObstacle();

export interface TestMount extends Disposable {
  readonly path: string;
  remount(options: string): void;
}

/** A tmpfs of its own with the given options (`size=2m`). */
export function mountTmpfs(options: string): TestMount {
  const path = mkdtempSync(join(tmpdir(), 'tmpfs-'));
  mount(['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
  return mounted(path);
}

/** `source` once more at `path`, as subPath and bind mounts do. */
export function mountBind(source: string, path: string): TestMount {
  mount(['--bind', source, path]);
  return mounted(path);
}

function mounted(path: string): TestMount {
  return {
    path,
    remount: (options) => mount(['-o', `remount,${options}`, path]),
    [Symbol.dispose]() {
      execFileSync('umount', ['-l', path]);
      if (path.startsWith(join(tmpdir(), 'tmpfs-'))) rmSync(path, { recursive: true });
    },
  };
}

function mount(args: readonly string[]): void {
  execFileSync('mount', args, { stdio: 'pipe' });
}

function findObstacle(): string | undefined {
  if (process.platform !== 'linux') return `mounts are made on linux only, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'only root may mount';
  try {
    mountTmpfs('size=64k')[Symbol.dispose]();
    return undefined;
  } catch (thrown) {
    return `mounting a tmpfs failed: ${thrown instanceof Error ? thrown.message.split('\n').join(' ') : String(thrown)}`;
  }
}
