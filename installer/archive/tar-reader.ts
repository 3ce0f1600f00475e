/**
 * Tar blocks to entries. Headers are decoded by node-tar's `Header` (names, numbers, checksum); what stands around them is ours, because
 * the streaming half of node-tar drops, repairs or hoards what must fail here: unknown types, records cut at a chunk boundary, data behind
 * the end (docs/security.md, "Archives"). Synchronous: the caller feeds inflated bytes as they come, nothing but 64 KiB is kept.
 */
import { Header } from 'tar/header';
import { InstallError } from '../core/errors.ts';
import { decode, parsePax, type PaxRecords } from './pax.ts';
import { quote } from './path-policy.ts';
import type { TarEntry } from './policy.ts';

/** Receives entries in archive order; whatever it throws ends the reading. */
export interface TarSink {
  onEntry(entry: TarEntry): void;
  /** The next piece of the entry's content; valid only during the call. Never empty. */
  onContent(piece: Buffer): void;
  /** All `size` bytes were handed out. */
  onEntryEnd(): void;
}

const BLOCK = 512;
/** Longest extension header read: sixty times the longest path allowed, and room for attributes that are ignored. */
const MAX_EXTENSION_BYTES = 64 * 1024;
/** `x`, `L` and `K` once each and a few `g`: bounds what an archive costs that never comes to an entry. */
const MAX_EXTENSIONS_PER_ENTRY = 8;
/** Tar pads to its record size, 10 KiB by default; archives of tape drives pad to more. */
const MAX_PADDING_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(64 * 1024);

interface Extension {
  readonly type: string;
  readonly body: Buffer;
  filled: number;
}

interface Pending {
  pax: PaxRecords | undefined;
  longName: string | undefined;
  longTarget: string | undefined;
  count: number;
}

const nothingPending = (): Pending => ({ pax: undefined, longName: undefined, longTarget: undefined, count: 0 });

/** A global header may stand alone: `git archive` of an empty tree. */
const describesEntry = ({ pax, longName, longTarget }: Pending): boolean =>
  pax !== undefined || longName !== undefined || longTarget !== undefined;

export class TarReader {
  readonly #sink: TarSink;
  readonly #block = Buffer.alloc(BLOCK);
  #blockFilled = 0;
  /** Bytes of the current body and of the padding behind it that have not come yet. */
  #content = 0;
  #padding = 0;
  #isInEntry = false;
  #extension: Extension | undefined;
  #pending = nothingPending();
  #zeroBlocks = 0;
  #zerosAfterEnd = 0;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /** Throws ArchiveCorrupt or ArchiveUnsupported, or what the sink throws; the reader must not be used after that. */
  write(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.#content > 0) position += this.#takeContent(chunk, position);
      else if (this.#padding > 0) position += this.#takePadding(chunk.length - position);
      else if (this.#zeroBlocks >= 2) position += this.#takeZeros(chunk.subarray(position));
      else position += this.#takeBlock(chunk, position);
    }
  }

  /** The archive is over. Throws ArchiveCorrupt unless it ended where an archive ends: behind the end marker, on a block boundary. */
  finish(): void {
    if (this.#content > 0) throw corrupt(`it is cut off, ${this.#content} bytes of the last file are missing`);
    if (this.#padding > 0 || this.#blockFilled > 0) throw corrupt('it is cut off in the middle of a block');
    if (this.#zeroBlocks < 2) throw corrupt('it is cut off, the end marker is missing');
    if (this.#zerosAfterEnd % BLOCK !== 0) throw corrupt('its length is not a multiple of 512');
  }

  #takeContent(chunk: Buffer, position: number): number {
    const length = Math.min(this.#content, chunk.length - position);
    this.#content -= length;
    if (this.#extension === undefined) {
      this.#sink.onContent(chunk.subarray(position, position + length));
      if (this.#content === 0) this.#endEntry();
    } else {
      chunk.copy(this.#extension.body, this.#extension.filled, position, position + length);
      this.#extension.filled += length;
      if (this.#content === 0) this.#endExtension(this.#extension);
    }
    return length;
  }

  #takePadding(available: number): number {
    const length = Math.min(this.#padding, available);
    this.#padding -= length;
    return length;
  }

  /** Behind the end marker only zeros may follow: data there would be read by one tar and not by another. */
  #takeZeros(rest: Buffer): number {
    const piece = rest.subarray(0, ZEROS.length);
    if (ZEROS.compare(piece, 0, piece.length, 0, piece.length) !== 0) throw corrupt('data follows the end marker');
    this.#zerosAfterEnd += piece.length;
    if (this.#zerosAfterEnd > MAX_PADDING_BYTES)
      throw corrupt(`more than ${MAX_PADDING_BYTES} bytes of padding follow the end marker`);
    return piece.length;
  }

  #takeBlock(chunk: Buffer, position: number): number {
    const available = chunk.length - position;
    if (this.#blockFilled === 0 && available >= BLOCK) {
      this.#onBlock(chunk, position);
      return BLOCK;
    }
    const length = Math.min(BLOCK - this.#blockFilled, available);
    chunk.copy(this.#block, this.#blockFilled, position, position + length);
    this.#blockFilled += length;
    if (this.#blockFilled === BLOCK) {
      this.#blockFilled = 0;
      this.#onBlock(this.#block, 0);
    }
    return length;
  }

  #onBlock(buffer: Buffer, offset: number): void {
    if (buffer[offset] === 0 && ZEROS.compare(buffer, offset, offset + BLOCK, 0, BLOCK) === 0) {
      if (describesEntry(this.#pending)) throw corrupt('it ends with an extension header that belongs to no entry');
      this.#zeroBlocks += 1;
      return;
    }
    if (this.#zeroBlocks > 0) throw corrupt('an entry follows an end marker that is only half there');
    const header = decodeHeader(buffer, offset);
    const type = String.fromCharCode(buffer[offset + 156] ?? 0);
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K')
      this.#startExtension(type, sizeOf(header, buffer, offset));
    else this.#startEntry(header, type, sizeOf(header, buffer, offset));
  }

  #startExtension(type: string, size: number): void {
    this.#pending.count += 1;
    if (this.#pending.count > MAX_EXTENSIONS_PER_ENTRY)
      throw corrupt('too many extension headers stand before one entry');
    if (size > MAX_EXTENSION_BYTES)
      throw corrupt(`an extension header has ${size} bytes, at most ${MAX_EXTENSION_BYTES} are read`);
    this.#extension = { type, body: Buffer.alloc(size), filled: 0 };
    this.#content = size;
    this.#padding = paddingOf(size);
    if (size === 0) this.#endExtension(this.#extension);
  }

  #endExtension({ type, body }: Extension): void {
    this.#extension = undefined;
    const pending = this.#pending;
    if (type === 'g') {
      // A global name or size would apply to every entry in one tar and to none in another.
      const records = parsePax(body);
      if (Object.keys(records).length > 0) throw corrupt('a global PAX header sets names or sizes');
    } else if (type === 'x') {
      if (pending.pax !== undefined) throw corrupt('two PAX headers stand before one entry');
      pending.pax = parsePax(body);
    } else if (type === 'L') {
      if (pending.longName !== undefined) throw corrupt('two long names stand before one entry');
      pending.longName = cString(body);
    } else {
      if (pending.longTarget !== undefined) throw corrupt('two long link targets stand before one entry');
      pending.longTarget = cString(body);
    }
  }

  #startEntry(header: Header, type: string, size: number): void {
    const entry = resolveEntry(header, { type, size }, this.#pending);
    this.#pending = nothingPending();
    this.#content = entry.size;
    this.#padding = paddingOf(entry.size);
    this.#isInEntry = true;
    this.#sink.onEntry(entry);
    if (entry.size === 0) this.#endEntry();
  }

  #endEntry(): void {
    if (!this.#isInEntry) return;
    this.#isInEntry = false;
    this.#sink.onEntryEnd();
  }
}

function decodeHeader(buffer: Buffer, offset: number): Header {
  let header: Header;
  try {
    // Extension headers are not passed on: which of them applies to what is decided in resolveEntry, once.
    header = new Header(buffer, offset);
  } catch (error) {
    throw corrupt('a header holds a number that is none', error);
  }
  if (!header.cksumValid) throw corrupt('a header has a wrong checksum');
  // With a prefix alone, the slash behind it makes a directory for one tar and a file for another.
  if (buffer[offset] === 0) throw corrupt('a header has no name');
  return header;
}

/**
 * The size field, strictly: octal digits, then blanks or NULs. node-tar reads as many digits as there are and takes garbage for nothing.
 * Base-256 sizes are 8 GiB and more or negative; the ones that are numbers are left to the size limits.
 */
function sizeOf(header: Header, buffer: Buffer, offset: number): number {
  const first = buffer[offset + 124] ?? 0;
  if ((first & 0x80) !== 0) {
    // node-tar takes the size of a directory for 0 whatever is written there.
    if (first === 0xff || header.size === undefined) throw corrupt('a header has a negative size');
    return header.size;
  }
  const field = buffer.toString('latin1', offset + 124, offset + 136);
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field)?.[1];
  if (digits === undefined) throw corrupt(`the size field ${quote(field)} is not a number`);
  const type = buffer[offset + 156];
  // Directories, links and devices have no content, so some writers leave the field empty.
  if (digits === '' && (type === 0x30 || type === 0)) throw corrupt('a file has no size');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function resolveEntry(
  header: Header,
  raw: { readonly type: string; readonly size: number },
  pending: Pending,
): TarEntry {
  const { pax, longName, longTarget } = pending;
  const path = oneName({ pax: pax?.path, gnu: longName, header: header.path });
  const target = oneName({ pax: pax?.linkpath, gnu: longTarget, header: header.linkpath });
  const type = typeOf(raw.type, path);
  // stat(2) sizes of directories: written by some old tars, followed by no content.
  const size = raw.type === '5' ? 0 : raw.size;
  const entry: TarEntry = { path, type, mode: header.mode, size, target };
  demandOneReading(entry, pax?.size);
  return entry;
}

/** Refuses what another tar would read as something else, so that no scanner sees other files than are installed (CVE-2026-53655). */
function demandOneReading({ path, type, size, target }: TarEntry, paxSize = size): void {
  if (target !== '' && type !== '1' && type !== '2')
    throw corrupt(`entry ${quote(path)} is no link and has a link target`);
  if (size > 0 && type !== '0' && type !== 'S')
    throw corrupt(`entry ${quote(path)} is no file and has ${size} bytes of content`);
  // Readers that know PAX and readers that do not must find the next header at the same place.
  if (paxSize !== size)
    throw corrupt(`the PAX size ${paxSize} of ${quote(path)} differs from the ${size} of its header`);
}

interface Names {
  readonly pax: string | undefined;
  readonly gnu: string | undefined;
  readonly header: string | undefined;
}

/** Where both kinds of long name are given, every reader believes another one. */
function oneName({ pax, gnu, header }: Names): string {
  if (pax !== undefined && gnu !== undefined) throw corrupt('an entry has a PAX name and a GNU long name');
  return pax ?? gnu ?? header ?? '';
}

/** NUL is what tar wrote before POSIX; a file whose name ends in a slash is how it wrote directories. */
function typeOf(flag: string, path: string): string {
  const type = flag === '\0' ? '0' : flag;
  return type === '0' && path.endsWith('/') ? '5' : type;
}

function cString(body: Buffer): string {
  const nul = body.indexOf(0);
  return decode(nul === -1 ? body : body.subarray(0, nul));
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function corrupt(why: string, cause?: unknown): InstallError {
  return new InstallError('ArchiveCorrupt', `the archive is damaged: ${why}`, { cause });
}
