/**
 * The only code that writes what an archive holds. Every file is created exclusively and never through a link, in directories we made, in a
 * private directory; while files are written there is no link below it at all. Synchronous: an asynchronous file costs sixty system calls
 * and more, this one three (docs/performance.md).
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import type { AbsPath } from '../core/types.ts';
import { diskError } from './disk-error.ts';

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY;
const DIRECTORY_MODE = 0o755;
const PERMISSIONS = 0o7777;

/** Paths handed in are absolute, below `into`, and made of names that path-policy.ts accepted. All methods throw the reasons of `diskError`. */
export class TreeWriter {
  readonly #into: AbsPath;
  /** Whether the kernel gives other modes than asked for here: umask, default ACL, set-gid bit of the volume. */
  readonly #mustSetFileMode: boolean;
  readonly #mustSetDirectoryMode: boolean;
  #fd: number | undefined;
  #path = '';

  /** `into` exists and is empty. */
  constructor(into: AbsPath) {
    this.#into = into;
    const probe = `${into}/probe`;
    try {
      mkdirSync(probe, DIRECTORY_MODE);
      this.#mustSetDirectoryMode = (lstatSync(probe).mode & PERMISSIONS) !== DIRECTORY_MODE;
      rmdirSync(probe);
      const fd = openSync(probe, CREATE, DIRECTORY_MODE);
      try {
        this.#mustSetFileMode = (fstatSync(fd).mode & PERMISSIONS) !== DIRECTORY_MODE;
      } finally {
        closeSync(fd);
      }
      unlinkSync(probe);
    } catch (error) {
      throw diskError(error, 'write to', into);
    }
  }

  makeDirectory(path: string): void {
    try {
      mkdirSync(path, DIRECTORY_MODE);
      if (this.#mustSetDirectoryMode) chmodSync(path, DIRECTORY_MODE);
    } catch (error) {
      throw diskError(error, 'create directory', this.#shown(path));
    }
  }

  writeFile(path: string, mode: number, content: Uint8Array): void {
    this.openFile(path, mode);
    this.append(content);
    this.closeFile();
  }

  /** Starts a file whose content comes in pieces; one at a time. */
  openFile(path: string, mode: number): void {
    this.#path = path;
    try {
      this.#fd = openSync(path, CREATE, mode);
      if (this.#mustSetFileMode) fchmodSync(this.#fd, mode);
    } catch (error) {
      throw diskError(error, 'create', this.#shown(path));
    }
  }

  append(piece: Uint8Array): void {
    try {
      let offset = 0;
      // A full disk shows as a short write first.
      while (offset < piece.length) offset += writeSync(this.#fd ?? -1, piece, offset);
    } catch (error) {
      throw diskError(error, 'write', this.#shown(this.#path));
    }
  }

  closeFile(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    try {
      if (fd !== undefined) closeSync(fd);
    } catch (error) {
      // Network file systems report a full disk here.
      throw diskError(error, 'write', this.#shown(this.#path));
    }
  }

  /** `from` is a file written before; its mode comes along. */
  copyFile(from: string, to: string): void {
    try {
      copyFileSync(from, to, constants.COPYFILE_EXCL);
    } catch (error) {
      throw diskError(error, 'copy', this.#shown(to));
    }
  }

  link(target: string, path: string): void {
    try {
      symlinkSync(target, path);
    } catch (error) {
      throw diskError(error, 'create link', this.#shown(path));
    }
  }

  removeFile(path: string): void {
    try {
      unlinkSync(path);
    } catch (error) {
      throw diskError(error, 'remove', this.#shown(path));
    }
  }

  removeDirectory(path: string): void {
    try {
      rmSync(path, { recursive: true });
    } catch (error) {
      throw diskError(error, 'remove', this.#shown(path));
    }
  }

  #shown(path: string): string {
    return path.startsWith(`${this.#into}/`) ? path.slice(this.#into.length + 1) : path;
  }
}
