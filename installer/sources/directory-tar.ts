/** A directory as the tar stream that `npm pack` would put into an archive, so that it takes the same line under the same policy. */

const CHUNK = 1024 * 1024; // node-tar's default of 16 MiB per open file is a quarter of a small init container

/**
 * Tar bytes of everything below `directory`, with `package/` as its top directory: types, links and modes as they are, nothing followed,
 * nothing left out (`node_modules` is part of a bundled plugin), owners and times dropped. The stream throws system errors, and
 * `TAR_ENTRY_UNSUPPORTED` for sockets and devices.
 */
export async function directoryAsTar(directory: string): Promise<AsyncIterable<Uint8Array>> {
  const { create } = await import('tar');
  return create(
    {
      cwd: directory,
      prefix: 'package',
      portable: true,
      noMtime: true,
      strict: true,
      follow: false,
      maxReadSize: CHUNK,
    },
    ['.'],
  );
}
