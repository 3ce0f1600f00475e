/**
 * Compressed archive to tar bytes. The format is decided by content, never by a media type or a name. Inflating happens in the thread pool,
 * so other archives and downloads go on meanwhile; at most one chunk is ready ahead of its reader, so memory does not grow with the archive.
 */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { pipeline, type Transform } from 'node:stream';
import { constants as zlib, createGunzip, createZstdDecompress } from 'node:zlib';
import { errorCode, InstallError } from '../core/errors.ts';
import type { AbsPath } from '../core/types.ts';
import { diskError } from './disk-error.ts';

/** Inflated bytes per chunk; 16 KiB, Node's default, costs a fifth more time (docs/performance.md). */
const CHUNK_BYTES = 256 * 1024;
const READ_BYTES = 256 * 1024;
/**
 * Memory one zstd stream may ask for, as a power of two: 32 MiB, the largest window builders of images use. RFC 8878 demands 8 MiB of
 * every decoder; the format allows 3.75 TiB.
 */
const ZSTD_WINDOW_LOG = 25;
const USTAR_OFFSET = 257;
const NOTHING = Buffer.alloc(0);

export interface Inflated {
  /** Tar bytes, perhaps none; overwritten or freed after the next step of the iteration. */
  readonly bytes: Buffer;
  /** Compressed bytes consumed so far. */
  readonly consumed: number;
}

type Format = 'gzip' | 'zstd' | 'tar';

/**
 * All tar bytes of the archive at `path` in order. Several gzip members (RFC 1952, 2.2) and zstd frames (RFC 8878, 3.1) are one stream.
 * Throws ArchiveUnsupported for other content and for a zstd window over the limit; ArchiveCorrupt for a wrong CRC or length, a cut stream
 * and bytes behind it; the reasons of `diskError` when the file cannot be read. The file is closed on every path.
 */
export async function* inflate(path: AbsPath): AsyncGenerator<Inflated, void, undefined> {
  const { format, size } = sniff(path);
  try {
    if (format === 'tar') yield* readPlain(path);
    else yield* inflateStreams(path, size, format);
  } catch (error) {
    throw inflateError(error, path);
  }
}

function sniff(path: AbsPath): { readonly format: Format; readonly size: number } {
  const { head, size } = readAt(path, 0, USTAR_OFFSET + 5);
  if (head[0] === 0x1f && head[1] === 0x8b) return { format: 'gzip', size };
  if (isZstdFrame(head)) return { format: 'zstd', size };
  if (head.toString('latin1', USTAR_OFFSET, USTAR_OFFSET + 5) === 'ustar') return { format: 'tar', size };
  const shown = head.subarray(0, 4).toString('hex');
  const what = size === 0 ? 'it is empty' : `it starts with the bytes ${shown}`;
  throw new InstallError('ArchiveUnsupported', `the archive is not gzip, zstd or tar: ${what}`, {
    details: { bytes: size, magic: shown },
  });
}

function readAt(path: AbsPath, position: number, length: number): { readonly head: Buffer; readonly size: number } {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const buffer = Buffer.alloc(length);
    const read = readSync(fd, buffer, 0, length, position);
    return { head: buffer.subarray(0, read), size: fstatSync(fd).size };
  } catch (error) {
    throw diskError(error, 'read', path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** A zstd frame or a skippable one, which tools use for tables of contents. RFC 8878, 3.1.1 and 3.1.2. */
function isZstdFrame(head: Buffer): boolean {
  if (head.length < 4) return false;
  const magic = head.readUInt32LE(0);
  return magic === 0xfd2fb528 || (magic >= 0x184d2a50 && magic <= 0x184d2a5f);
}

async function* readPlain(path: AbsPath): AsyncGenerator<Inflated, void, undefined> {
  let consumed = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const bytes = chunk as Buffer; // no encoding is set
    consumed += bytes.length;
    yield { bytes, consumed };
  }
}

/** Node reads all gzip members as one stream, but stops without a word behind the first zstd frame: each gets a decoder of its own. */
async function* inflateStreams(
  path: AbsPath,
  size: number,
  format: 'gzip' | 'zstd',
): AsyncGenerator<Inflated, void, undefined> {
  let start = 0;
  while (start < size) {
    if (format === 'zstd' && !isZstdFrame(readAt(path, start, 4).head)) break;
    const decoder = format === 'gzip' ? makeGunzip() : makeZstd();
    try {
      for await (const chunk of decoded(path, start, decoder))
        yield { bytes: chunk as Buffer, consumed: start + decoder.bytesWritten };
    } finally {
      decoder.destroy();
    }
    start += decoder.bytesWritten;
    if (format === 'gzip') break;
    // A frame may hold nothing: whoever reads must still come to look at the time.
    yield { bytes: NOTHING, consumed: start };
  }
  if (start < size)
    throw new InstallError(
      'ArchiveCorrupt',
      `the archive is damaged: ${size - start} bytes follow the ${format} stream`,
      {
        details: { bytes: size, trailing: size - start },
      },
    );
}

type Decoder = Transform & { readonly bytesWritten: number };

function makeGunzip(): Decoder {
  return createGunzip({ chunkSize: CHUNK_BYTES });
}

function makeZstd(): Decoder {
  return createZstdDecompress({ chunkSize: CHUNK_BYTES, params: { [zlib.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
}

function decoded(path: AbsPath, start: number, decoder: Decoder): Decoder {
  // The decoder takes over errors of the file and closes it when it is destroyed, as the end of an iteration does.
  pipeline(createReadStream(path, { start, highWaterMark: READ_BYTES }), decoder, () => undefined);
  return decoder;
}

function inflateError(thrown: unknown, path: AbsPath): unknown {
  if (thrown instanceof InstallError) return thrown;
  const code = errorCode(thrown);
  if (code === 'ZSTD_error_frameParameter_windowTooLarge') {
    const limit = 2 ** ZSTD_WINDOW_LOG;
    return new InstallError('ArchiveUnsupported', `the zstd window of the archive is larger than ${limit} bytes`, {
      cause: thrown,
      details: { limit, fix: 'compress the archive without --long and --ultra' },
    });
  }
  if (code !== undefined && /^(?:Z_|ZSTD_)/.test(code)) {
    const why = code === 'Z_BUF_ERROR' ? 'it is cut off' : 'its compressed data is wrong';
    return new InstallError('ArchiveCorrupt', `the archive is damaged: ${why} (${code})`, {
      cause: thrown,
      details: { code },
    });
  }
  return diskError(thrown, 'read', path);
}
