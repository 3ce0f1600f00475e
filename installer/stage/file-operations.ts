/**
 * Everything the stage layer does to a disk, as a value: tests put another one into the Volume to fail or to die at any step. Calls are
 * synchronous because an asynchronous one costs sixty system calls where this costs one; only `sync` waits for a device.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { promisify } from 'node:util';

/** Failures are system errors with their `code`; no call follows a symbolic link in the last segment of a path. */
export interface FileOperations {
  /** Undefined when nothing is there. */
  stat(path: string): Stats | undefined;
  /** Names in a directory, in no order. */
  list(path: string): readonly string[];
  /** A regular file of at most `maxBytes`; `EFBIG` when it is larger, `EINVAL` when it is something else. */
  read(path: string, maxBytes: number): Buffer;
  /** A new file with exactly this mode, whatever the umask; `EEXIST` when something is there. */
  write(path: string, content: string | Buffer, mode: number): void;
  /** The first bytes of an existing file, in place: needs no free space. */
  overwrite(path: string, content: string): void;
  /** A new directory with exactly this mode, whatever the umask. */
  makeDirectory(path: string, mode: number): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  removeDirectory(path: string): void;
  setMode(path: string, mode: number): void;
  /** fsync(2) of a file or a directory. */
  sync(path: string): Promise<void>;
}

const NO_FOLLOW = constants.O_NOFOLLOW;
// O_NONBLOCK: a FIFO in place of a file must not stop the program.
const READ = constants.O_RDONLY | NO_FOLLOW | constants.O_NONBLOCK;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW;
const fsyncAsync = promisify(fsync);

export const NODE_FILES: FileOperations = {
  stat: (path) => lstatSync(path, { throwIfNoEntry: false }),
  list: (path) => readdirSync(path),
  read: readBounded,
  write: writeNew,
  overwrite: overwriteInPlace,
  makeDirectory(path, mode) {
    mkdirSync(path, { mode });
    chmodSync(path, mode);
  },
  rename: renameSync,
  remove: unlinkSync,
  removeDirectory: (path) => rmdirSync(path),
  setMode: chmodSync,
  sync: syncPath,
};

function readBounded(path: string, maxBytes: number): Buffer {
  const file = openSync(path, READ);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw systemError('EINVAL', `not a regular file: ${path}`);
    if (stat.size > maxBytes)
      throw systemError('EFBIG', `${path} has ${stat.size} bytes, at most ${maxBytes} are read`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

function writeNew(path: string, content: string | Buffer, mode: number): void {
  const file = openSync(path, CREATE, mode);
  try {
    fchmodSync(file, mode);
    writeFileSync(file, content);
  } finally {
    closeSync(file);
  }
}

function overwriteInPlace(path: string, content: string): void {
  const file = openSync(path, constants.O_WRONLY | NO_FOLLOW);
  try {
    writeSync(file, content, 0);
  } finally {
    closeSync(file);
  }
}

async function syncPath(path: string): Promise<void> {
  const file = openSync(path, READ);
  try {
    await fsyncAsync(file);
  } finally {
    closeSync(file);
  }
}

function systemError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
