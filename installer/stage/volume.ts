/** The plugin root: a real, writable directory with enough known about its storage. Opening it changes nothing on it. */
import {
  accessSync,
  constants,
  lstatSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync,
  type Stats,
} from 'node:fs';
import { resolve } from 'node:path';
import { errorCode, InstallError } from '../core/errors.ts';
import type { StageSettings } from '../core/settings.ts';
import type { AbsPath } from '../core/types.ts';
import { NODE_FILES, type FileOperations } from './file-operations.ts';
import { isPersistent, mountedBelow, mountOf, parseMountInfo, type Mount } from './mounts.ts';
import { stageError } from './stage-errors.ts';

/** Name of the working directory below the root: rename(2) between two mounts fails even on one file system. */
export const WORKING_DIRECTORY = '.portal-plugins';

export interface Volume {
  /** Resolved: no symbolic link in it. */
  readonly root: AbsPath;
  /** File system type of the mount table, for logs; `unknown` where there is none. */
  readonly fileSystem: string;
  /** Bytes this process may still write, when it was opened. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Whether plugin files are fsynced before they become visible. */
  readonly isSynced: boolean;
  /** Names below the root that are mounts of their own; they are nobody's leftovers and cannot be moved. */
  readonly mounted: ReadonlySet<string>;
  readonly files: FileOperations;
}

/** The right to be the only writer. */
export interface Lock {
  readonly run: string;
  /** Aborts, with LockBusy as reason, when another installer took the volume over. */
  readonly lost: AbortSignal;
  /**
   * Throws LockBusy when the lock was lost. Also a heartbeat when one is due, so that long synchronous work that calls this between its
   * pieces stays alive in the eyes of others.
   */
  assertHeld(): void;
  /** Ends the heartbeat; nothing on the volume changes. */
  stop(): void;
}

/** A volume of which this process is the only writer, repaired; only `enterVolume` makes one. */
export interface LockedVolume extends Volume {
  readonly lock: Lock;
  /** Private directory of this run, on the same file system as the root; gone when the lock is lost. */
  readonly scratch: AbsPath;
  /** What an earlier, killed run had left: `nothing`, only `scratch`, or a commit that was taken back or found complete. */
  readonly found: 'nothing' | 'scratch' | 'undone' | 'committed' | 'unreadable';
}

/**
 * Checks the plugin root without changing it (docs/contracts.md, "What is written"). `write` demands write permission. Throws
 * VolumeMissing when the root is absent, a file or a symbolic link, VolumeNotWritable when it is read-only or permission is lacking.
 */
export async function openVolume(root: string, settings: StageSettings, mode: 'read' | 'write'): Promise<Volume> {
  // Without a trailing slash: lstat("link/") would look behind the link.
  const resolved = realDirectory(resolve(root));
  checkAccess(resolved, mode);
  const mounts = readMounts();
  const mount = mountOf(mounts, resolved);
  const space = statfsSync(resolved);
  return Promise.resolve({
    root: resolved,
    fileSystem: mount?.type ?? 'unknown',
    freeBytes: space.bavail * space.bsize,
    totalBytes: space.blocks * space.bsize,
    isSynced: settings.fsync === 'on' || (settings.fsync === 'auto' && isPersistent(mount)),
    mounted: mountedBelow(mounts, resolved),
    files: NODE_FILES,
  });
}

function realDirectory(root: string): AbsPath {
  const found = statRoot(root);
  // A scanner crashes on a root that is a link, and a link can be pointed elsewhere between two renames.
  if (found.isSymbolicLink()) {
    const fix = `mount the volume at ${root} itself, or set the root to the real directory`;
    throw new InstallError('VolumeMissing', `plugin root ${root} is a symbolic link, expected a real directory`, {
      details: { root, fix },
    });
  }
  if (!found.isDirectory()) {
    const fix = `remove the file and mount a volume at ${root}`;
    throw new InstallError('VolumeMissing', `plugin root ${root} is a file, expected a directory`, {
      details: { root, fix },
    });
  }
  return realpathSync.native(root) as AbsPath; // realpath is absolute
}

function statRoot(root: string): Stats {
  try {
    return lstatSync(root);
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === 'EACCES') throw denied(root, 'reached', thrown);
    const fix = `mount a volume at ${root} in this container (volumeMounts), or name another root with --root`;
    const details = { root, code, fix };
    throw new InstallError('VolumeMissing', `plugin root ${root} does not exist`, { details, cause: thrown });
  }
}

function checkAccess(root: AbsPath, mode: 'read' | 'write'): void {
  try {
    accessSync(root, constants.R_OK | constants.X_OK);
    if (mode === 'write') accessSync(root, constants.W_OK);
  } catch (thrown) {
    throw accessError(root, thrown);
  }
}

/** A refused write below `root` with the exact remedy; other failures by the general rule. */
export function accessError(root: AbsPath, thrown: unknown): InstallError {
  const code = errorCode(thrown);
  if (code === 'EACCES' || code === 'EPERM') return denied(root, 'written', thrown);
  if (code !== 'EROFS') return stageError(thrown, `write to the plugin root ${root}`, { root });
  const fix = `remove readOnly from the volume mounted at ${root} in the init container; only the portal mounts it read-only`;
  const details = { root, code, fix };
  return new InstallError('VolumeNotWritable', `plugin root ${root} is mounted read-only`, { details, cause: thrown });
}

function denied(root: string, verb: 'reached' | 'written', cause: unknown): InstallError {
  const uid = process.getuid?.() ?? -1;
  const gid = process.getgid?.() ?? -1;
  const owner = ownerOf(root);
  const fix = `set securityContext.fsGroup: ${gid} on the pod (a PVC belongs to root otherwise), or let uid ${uid} own ${root}`;
  const text = `plugin root ${root} cannot be ${verb} by uid ${uid} gid ${gid}${owner}`;
  return new InstallError('VolumeNotWritable', text, {
    details: { root, uid, gid, code: errorCode(cause), fix },
    cause,
  });
}

function ownerOf(root: string): string {
  const stat = statSync(root, { throwIfNoEntry: false, bigint: false });
  if (stat === undefined) return '';
  return `, it belongs to ${stat.uid}:${stat.gid} with mode ${(stat.mode & 0o7777).toString(8).padStart(4, '0')}`;
}

/** Empty where there is no mount table (other systems). */
export function readMounts(): readonly Mount[] {
  try {
    return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch (thrown) {
    if (errorCode(thrown) === undefined) throw thrown;
    return [];
  }
}
