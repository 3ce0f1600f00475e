/** What a downloaded file is, read again from scratch after a check failed. Nothing here accepts an archive. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { errorCode } from '../core/errors.ts';
import { integrityOf, type Integrity } from '../core/integrity.ts';
import type { AbsPath, HashAlgorithm } from '../core/types.ts';

export type ContentKind = 'gzip' | 'zstd' | 'tar' | 'html' | 'json' | 'text' | 'empty' | 'binary';
/** SRI values of one sequence of bytes, all accepted algorithms. */
export type Hashes = Readonly<Record<HashAlgorithm, Integrity>>;

/** The bytes just failed their hash: the stream must not choose how much memory it gets. As in archive/inflate.ts, 32 MiB. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_d_windowLogMax]: 25 } };

/** What servers send instead of an archive. */
export function isPage(kind: ContentKind): boolean {
  return kind === 'html' || kind === 'json' || kind === 'text';
}

const SNIFFED = 512; // one tar block: the magic stands at 257

/** Kind of a file by its first 512 bytes. RFC 1952 2.3.1, RFC 8878 3.1.1, POSIX ustar. */
export async function contentKind(path: AbsPath): Promise<ContentKind> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(SNIFFED), 0, SNIFFED, 0);
  const start = buffer.subarray(0, bytesRead);
  if (bytesRead === 0) return 'empty';
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  if (start.subarray(0, 4).equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))) return 'zstd';
  if (start.subarray(257, 262).toString('latin1') === 'ustar') return 'tar';
  return textKind(
    start
      .toString('utf8')
      .replace(/^\ufeff/, '')
      .trimStart(),
  );
}

function textKind(start: string): ContentKind {
  if (/^<(?:!doctype|!--|\?xml|[a-z])/i.test(start)) return 'html';
  // The cut may fall into a character, so one replacement character at the very end says nothing.
  const isText = !/[\u0000-\u0008\u000e-\u001f\ufffd]/.test(start.replace(/\ufffd$/, ''));
  if (!isText) return 'binary';
  return /^[[{]/.test(start) ? 'json' : 'text';
}

/** Hashes of the file as it is. */
export async function hashesOf(path: AbsPath): Promise<Hashes> {
  const sink = new HashSink(Number.MAX_SAFE_INTEGER);
  await pipeline(createReadStream(path), (source: AsyncIterable<Buffer>) => sink.take(source));
  return sink.hashes();
}

/** What a file inflates to. `cut`: the compressed stream ends in the middle; `other`: not compressed, damaged, or beyond the limit. */
export type Inflated = { readonly state: 'whole'; readonly hashes: Hashes } | { readonly state: 'cut' | 'other' };

/** Inflates and hashes, at most `maxBytes`: an unproved archive is never inflated beyond what an honest one may hold. */
export async function inflate(path: AbsPath, maxBytes: number): Promise<Inflated> {
  const kind = await contentKind(path);
  if (kind !== 'gzip' && kind !== 'zstd') return { state: 'other' };
  const sink = new HashSink(maxBytes);
  const inflater = kind === 'gzip' ? createGunzip() : createZstdDecompress(ZSTD_OPTIONS);
  try {
    await pipeline(createReadStream(path), inflater, (source: AsyncIterable<Buffer>) => sink.take(source));
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'Z_BUF_ERROR') return { state: 'cut' };
    if (error instanceof TooMuch || /^(?:Z_|ZSTD_)/.test(code)) return { state: 'other' };
    throw error;
  }
  return { state: 'whole', hashes: sink.hashes() };
}

class TooMuch extends Error {}

class HashSink {
  readonly #running = { sha256: createHash('sha256'), sha384: createHash('sha384'), sha512: createHash('sha512') };
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  async take(source: AsyncIterable<Buffer>): Promise<void> {
    let bytes = 0;
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > this.#maxBytes) throw new TooMuch();
      for (const hash of Object.values(this.#running)) hash.update(chunk);
    }
  }

  hashes(): Hashes {
    const { sha256, sha384, sha512 } = this.#running;
    return {
      sha256: integrityOf('sha256', sha256.digest()),
      sha384: integrityOf('sha384', sha384.digest()),
      sha512: integrityOf('sha512', sha512.digest()),
    };
  }
}
