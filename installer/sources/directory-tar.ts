/** A directory as the tar stream that `npm pack` would put into an archive, so that it takes the same line under the same policy. */
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';

const CHUNK = 1024 * 1024; // node-tar's default of 16 MiB per open file is a quarter of a small init container

/** What lstat says about one path. */
interface Kind {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/**
 * Tar bytes of everything below `directory`, with `package/` as its top directory: types, links and modes as they are, nothing followed,
 * nothing left out (`node_modules` is part of a bundled plugin), owners and times dropped. The stream throws system errors, and
 * EntryTypeForbidden for sockets, devices and FIFOs.
 */
export async function* directoryAsTar(directory: string): AsyncGenerator<Uint8Array> {
  const { create } = await import('tar');
  const faults: unknown[] = [];
  const pack = create(
    {
      cwd: directory,
      prefix: 'package',
      portable: true,
      noMtime: true,
      strict: true,
      follow: false,
      maxReadSize: CHUNK,
      // node-tar leaves out what a tar cannot hold without a word, and a throw in here would end the process.
      filter: (path, kind) => {
        if (isKept(kind)) return true;
        faults.push(forbidden(path));
        return false;
      },
    },
    ['.'],
  );
  // Jobs that were under way when the reader gave up may still fail, and an error without a listener ends the process.
  pack.on('error', (error: unknown) => faults.push(error));
  yield* pack;
  if (faults.length > 0) throw faults[0];
}

function isKept(kind: object): boolean {
  const stats = kind as Kind; // only paths are added here, so it is never an entry of another archive
  return stats.isFile() || stats.isDirectory() || stats.isSymbolicLink();
}

function forbidden(path: string): InstallError {
  const shown = escapeText(path);
  return new InstallError('EntryTypeForbidden', `${shown} is a socket, device or FIFO`, { details: { path: shown } });
}
