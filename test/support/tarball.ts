/** Archives built in code, byte for byte the same on every run: no clock, no owner, no file-system order. */
import { createHash } from 'node:crypto';
import { constants, gzipSync } from 'node:zlib';
import { integrityOf, type Integrity } from '../../installer/core/integrity.ts';
import type { HashAlgorithm } from '../../installer/core/types.ts';

/** Content of a file, or content with a mode (default 0644). */
export type FileContent = string | Uint8Array | { readonly content: string | Uint8Array; readonly mode: number };
/** Path (POSIX, relative to the top directory) to content; archive order is the order of the map. */
export type Files = Readonly<Record<string, FileContent>>;

export interface TarballOptions {
  /** Top directory; npm writes `package`. Empty: entries at the top, as in an image layer. */
  readonly top?: string;
  /** gzip level 0 to 9, default 6. */
  readonly level?: number;
}

const BLOCK = 512;

/** A gzipped tar as `npm pack` shapes it: every file below one top directory. */
export function npmTarball(files: Files, options: TarballOptions = {}): Buffer {
  const level = options.level ?? constants.Z_DEFAULT_COMPRESSION;
  return gzipSync(plainTar(files, options.top ?? 'package'), { level });
}

/** The uncompressed tar (POSIX ustar, a PAX record for paths over 100 bytes), end-of-archive blocks included. */
export function plainTar(files: Files, top = 'package'): Buffer {
  const blocks: Buffer[] = [];
  for (const [path, file] of Object.entries(files)) {
    const { content, mode } = normalise(file);
    const full = top === '' ? path : `${top}/${path}`;
    const isLong = Buffer.byteLength(full) > 100;
    if (isLong) blocks.push(...entry('PaxHeader', Buffer.from(paxRecord('path', full)), { type: 'x', mode: 0o644 }));
    blocks.push(...entry(isLong ? full.slice(0, 90) : full, content, { type: '0', mode }));
  }
  blocks.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(blocks);
}

/** SRI value of `bytes`, by default sha512. */
export function sriOf(bytes: Uint8Array, algorithm: HashAlgorithm = 'sha512'): Integrity {
  return integrityOf(algorithm, createHash(algorithm).update(bytes).digest());
}

function normalise(file: FileContent): { readonly content: Buffer; readonly mode: number } {
  if (typeof file === 'string') return { content: Buffer.from(file), mode: 0o644 };
  if (file instanceof Uint8Array) return { content: Buffer.from(file), mode: 0o644 };
  return { content: Buffer.from(file.content), mode: file.mode };
}

function entry(name: string, content: Buffer, header: { readonly type: string; readonly mode: number }): Buffer[] {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, 'utf8');
  block.write(`${header.mode.toString(8).padStart(7, '0')}\0`, 100);
  block.write('0000000\0'.repeat(2), 108); // owner and group
  block.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  block.write('03443141727\0', 136); // one fixed date, the one npm pack writes
  block.write(' '.repeat(8), 148); // the checksum counts as blanks while it is computed
  block.write(header.type, 156);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [block, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
}

/** `LEN key=value\n`, where LEN counts itself (POSIX pax, "Extended Header"). */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}
