import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { integrityOf } from '../core/integrity.ts';
import type { AbsPath, Computed, HashAlgorithm } from '../core/types.ts';
import { storageError } from './storage-errors.ts';

/** Sockets deliver 64 KiB at most. 512 KiB saves a tenth of the CPU time against 128 KiB; 2 MiB saves nothing more and costs memory. */
const BATCH_BYTES = 512 * 1024;
/** Enough to tell a page from an archive. */
const BEGINNING_BYTES = 64;

/**
 * The scratch file of a download: what is appended is counted, hashed and written in one pass, one batch ahead of the disk. Everything
 * hashed is on disk after `settle`, so a download may go on from `bytes`. Throws VolumeFull, VolumeNotWritable and CommitFailed.
 */
export class ArchiveFile {
  readonly #path: AbsPath;
  readonly #handle: FileHandle;
  readonly #algorithms: readonly HashAlgorithm[];
  #hashes: readonly Hash[];
  #bytes = 0;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: AbsPath, handle: FileHandle, algorithms: readonly HashAlgorithm[]) {
    this.#path = path;
    this.#handle = handle;
    this.#algorithms = algorithms;
    this.#hashes = algorithms.map((algorithm) => createHash(algorithm));
  }

  /** Exclusive: a file that is already there belongs to someone else, and a link is not followed. */
  static async create(path: AbsPath, algorithms: readonly HashAlgorithm[]): Promise<ArchiveFile> {
    try {
      return new ArchiveFile(path, await open(path, 'wx+', 0o600), algorithms);
    } catch (error) {
      throw storageError(error, path);
    }
  }

  /** Bytes appended so far. */
  get bytes(): number {
    return this.#bytes;
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (const hash of this.#hashes) hash.update(chunk);
    this.#bytes += chunk.byteLength;
    this.#batch.push(chunk);
    this.#batchBytes += chunk.byteLength;
    if (this.#batchBytes >= BATCH_BYTES) await this.#flush();
  }

  /** Waits until everything appended is written. */
  async settle(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  /** Empties the file. */
  async restart(): Promise<void> {
    await this.settle();
    try {
      await this.#handle.truncate(0);
    } catch (error) {
      throw storageError(error, this.#path);
    }
    this.#bytes = 0;
    this.#hashes = this.#algorithms.map((algorithm) => createHash(algorithm));
  }

  /** SRI values over everything appended since the last restart; nothing can be appended afterwards. */
  digest(): Computed {
    return Object.fromEntries(
      this.#algorithms.map((algorithm, index) => [
        algorithm,
        integrityOf(algorithm, this.#hashes[index]?.digest() ?? Buffer.alloc(0)),
      ]),
    );
  }

  /** The first bytes on disk, at most 64. */
  async beginning(): Promise<Buffer> {
    try {
      const { buffer, bytesRead } = await this.#handle.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }

  async close(): Promise<void> {
    try {
      await this.#handle.close(); // network file systems report a failed write only now
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }

  /** Closes and deletes. Never throws: it runs while another error is on its way, and the working directory is removed later anyway. */
  async remove(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#handle.close().catch(() => undefined);
    await rm(this.#path, { force: true }).catch(() => undefined);
  }

  /** Starts to write the batch once the one before is written. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#batchBytes === 0) return;
    const position = this.#bytes - this.#batchBytes;
    this.#writing = this.#write(this.#batch, this.#batchBytes, position);
    this.#writing.catch(() => undefined); // reported by the next await of #writing
    this.#batch = [];
    this.#batchBytes = 0;
  }

  async #write(chunks: readonly Uint8Array[], size: number, position: number): Promise<void> {
    try {
      const { bytesWritten } = await this.#handle.writev(chunks, position);
      if (bytesWritten === size) return;
      // A write that ends at the edge of a quota or signal is short; the rest either fits or fails with its own error.
      const rest = Buffer.concat(chunks).subarray(bytesWritten);
      for (let done = 0; done < rest.length;) {
        done += (await this.#handle.write(rest, done, rest.length - done, position + bytesWritten + done)).bytesWritten;
      }
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }
}
