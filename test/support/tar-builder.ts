/** Tar archives block by block, honest or hostile: every field can be set to what no honest writer would put there. */
import { gzipSync, zstdCompressSync } from 'node:zlib';

export interface TarHeader {
  readonly name?: string | Uint8Array;
  readonly mode?: number;
  /** Type flag; default `0`, a file. */
  readonly type?: string;
  readonly target?: string;
  /** Announced size; default the size of the content. */
  readonly size?: number;
  /** Raw bytes of the size field instead, 12 at most. */
  readonly sizeField?: string | Uint8Array;
  readonly prefix?: string;
  /** `ustar` (POSIX, default), `gnu`, or `v7`: no magic at all. */
  readonly format?: 'ustar' | 'gnu' | 'v7';
  /** Added to the right checksum. */
  readonly checksumError?: number;
  readonly device?: readonly [major: number, minor: number];
}

const BLOCK = 512;

/** Two blocks of zeros: the end marker. */
export const END = Buffer.alloc(2 * BLOCK);

const DEFAULTS = {
  name: '',
  mode: 0o644,
  type: '0',
  target: '',
  prefix: '',
  format: 'ustar',
  checksumError: 0,
} as const;

/** One header block. */
export function header(given: TarHeader, contentBytes = 0): Buffer {
  const fields = { ...DEFAULTS, size: contentBytes, ...given };
  const block = Buffer.alloc(BLOCK);
  Buffer.from(fields.name).copy(block, 0, 0, 100);
  writeOctal(block, fields.mode, 100, 8);
  writeOctal(block, 0, 108, 8);
  writeOctal(block, 0, 116, 8);
  if (fields.sizeField === undefined) writeOctal(block, fields.size, 124, 12);
  else Buffer.from(fields.sizeField).copy(block, 124, 0, 12);
  writeOctal(block, 0, 136, 12);
  block.write(fields.type, 156, 1, 'latin1');
  Buffer.from(fields.target).copy(block, 157, 0, 100);
  if (fields.format !== 'v7') block.write(fields.format === 'gnu' ? 'ustar  \0' : 'ustar\u000000', 257, 'latin1');
  if (fields.device !== undefined) {
    writeOctal(block, fields.device[0], 329, 8);
    writeOctal(block, fields.device[1], 337, 8);
  }
  Buffer.from(fields.prefix).copy(block, 345, 0, 155);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0) + fields.checksumError;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Header, content and padding. */
export function entry(fields: TarHeader, content: string | Uint8Array = ''): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([header(fields, bytes.length), bytes, padding(bytes.length)]);
}

export function file(name: string, content: string | Uint8Array = '', fields: TarHeader = {}): Buffer {
  return entry({ name, ...fields }, content);
}

export function directory(name: string, fields: TarHeader = {}): Buffer {
  return entry({ name, type: '5', mode: 0o755, ...fields });
}

export function symlink(name: string, target: string, fields: TarHeader = {}): Buffer {
  return entry({ name, type: '2', target, ...fields });
}

export function hardlink(name: string, target: string, fields: TarHeader = {}): Buffer {
  return entry({ name, type: '1', target, ...fields });
}

/** A PAX header for the next entry; values may hold anything. */
export function pax(records: Readonly<Record<string, string | Uint8Array>>, type: 'x' | 'g' = 'x'): Buffer {
  return rawPax(Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value))), type);
}

/** A PAX header whose body is given byte for byte. */
export function rawPax(body: string | Uint8Array, type: 'x' | 'g' = 'x'): Buffer {
  return entry({ name: 'PaxHeader/x', type }, body);
}

/** `LEN key=value\n`, where LEN counts itself; `lengthError` is added to it. */
export function paxRecord(key: string, value: string | Uint8Array, lengthError = 0): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length + String(rest.length).length;
  length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length + lengthError)), rest]);
}

/** GNU long name (`L`) or long link target (`K`) for the next entry. */
export function gnuLong(text: string | Uint8Array, type: 'L' | 'K' = 'L', fields: TarHeader = {}): Buffer {
  return entry(
    { name: '././@LongLink', type, format: 'gnu', ...fields },
    Buffer.concat([Buffer.from(text), Buffer.from([0])]),
  );
}

/** The blocks and the end marker. */
export function tar(...blocks: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...blocks, END]);
}

/** The same, gzipped. */
export function tgz(...blocks: readonly Uint8Array[]): Buffer {
  return gzipSync(tar(...blocks), { level: 1 });
}

export function tarZstd(...blocks: readonly Uint8Array[]): Buffer {
  return zstdCompressSync(tar(...blocks));
}

function padding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
}

function writeOctal(block: Buffer, value: number, offset: number, length: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, length, 'latin1');
}
