/** FileOperations that fail, freeze or report at a chosen step. */
import type { FileOperations } from '../../installer/stage/file-operations.ts';

/** One call that changes the volume. `half`: in the middle of writing a file, when only its first bytes are on the disk. */
export interface Step {
  /** Counted from 1. */
  readonly number: number;
  readonly call: keyof FileOperations | 'half';
  readonly path: string;
}

/** Calls `before` ahead of every step; what it throws is what the step fails with. Reads are not steps. */
export function watchedFiles(files: FileOperations, before: (step: Step) => void): FileOperations {
  let number = 0;
  const step = (call: Step['call'], path: string): void => before({ number: ++number, call, path });
  return {
    stat: (path) => files.stat(path),
    list: (path) => files.list(path),
    read: (path, maxBytes) => files.read(path, maxBytes),
    write(path, content, mode) {
      step('write', path);
      files.write(path, '', mode);
      files.remove(path);
      const bytes = Buffer.from(content);
      files.write(path, bytes.subarray(0, bytes.length / 2), mode);
      step('half', path);
      files.remove(path);
      files.write(path, content, mode);
    },
    overwrite(path, content) {
      step('overwrite', path);
      files.overwrite(path, content);
    },
    makeDirectory(path, mode) {
      step('makeDirectory', path);
      files.makeDirectory(path, mode);
    },
    rename(from, to) {
      step('rename', from);
      files.rename(from, to);
    },
    remove(path) {
      step('remove', path);
      files.remove(path);
    },
    removeDirectory(path) {
      step('removeDirectory', path);
      files.removeDirectory(path);
    },
    setMode(path, mode) {
      step('setMode', path);
      files.setMode(path, mode);
    },
    async sync(path) {
      step('sync', path);
      await files.sync(path);
    },
  };
}

/** A system error as Node makes it. */
export function systemError(code: string, errno?: number): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected`), { code, ...(errno === undefined ? {} : { errno }) });
}

/**
 * What a killed process leaves: from step `at` on nothing changes the volume any more, so that no clean-up of the program can blur it.
 * Faster than killing a process; the integration test proves with real kills that both leave the same.
 */
export function frozenFrom(files: FileOperations, at: number): FileOperations {
  return watchedFiles(files, ({ number }) => {
    if (number >= at) throw systemError('EIO');
  });
}
