/**
 * PAX records, read as bytes (POSIX.1-2024 pax, "pax Extended Header"): `LENGTH SP KEYWORD=VALUE LF`, where LENGTH counts the whole record.
 * node-tar's own reader splits at line feeds and skips what it does not understand; a record that is skipped is a file under another
 * name, so here the first record that is not exact fails the archive.
 */
import { InstallError } from '../core/errors.ts';
import { quote } from './path-policy.ts';

/** The records that change what an entry is; times, owners and extended attributes are ignored. */
export interface PaxRecords {
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
}

const SPACE = 0x20;
const EQUALS = 0x3d;
const LINE_FEED = 0x0a;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Throws ArchiveCorrupt for a record whose length, keyword, size or encoding is wrong and for a keyword that occurs twice,
 * ArchiveUnsupported for sparse files and for names in another character set.
 */
export function parsePax(body: Uint8Array): PaxRecords {
  const seen = new Map<string, Uint8Array>();
  let position = 0;
  while (position < body.length) {
    const { keyword, value, end } = readRecord(body, position);
    if (keyword.startsWith('GNU.sparse.'))
      throw new InstallError('ArchiveUnsupported', 'the archive holds a sparse file', {
        details: { fix: 'pack the plugin without --sparse' },
      });
    if (keyword === 'hdrcharset' && decode(value) !== 'ISO-IR 10646 2000 UTF-8')
      throw new InstallError('ArchiveUnsupported', 'the archive has names that are not UTF-8');
    if (seen.has(keyword)) throw corrupt(`the keyword ${quote(keyword)} occurs twice`);
    seen.set(keyword, value);
    position = end;
  }
  const path = seen.get('path');
  const linkpath = seen.get('linkpath');
  const size = seen.get('size');
  return {
    ...(path === undefined ? {} : { path: decode(path) }),
    ...(linkpath === undefined ? {} : { linkpath: decode(linkpath) }),
    ...(size === undefined ? {} : { size: parseSize(decode(size)) }),
  };
}

interface Record {
  readonly keyword: string;
  readonly value: Uint8Array;
  readonly end: number;
}

function readRecord(body: Uint8Array, start: number): Record {
  const space = body.indexOf(SPACE, start);
  const digits = space === -1 ? '' : latin1(body.subarray(start, Math.min(space, start + 8)));
  if (!/^[1-9][0-9]{0,6}$/.test(digits)) throw corrupt('a record does not start with its length');
  const end = start + Number(digits);
  if (end > body.length || end <= space + 1 || body[end - 1] !== LINE_FEED)
    throw corrupt(`a record of ${digits} bytes does not end with a line feed`);
  const equals = body.indexOf(EQUALS, space + 1);
  if (equals === -1 || equals >= end || equals === space + 1) throw corrupt('a record has no keyword');
  return { keyword: latin1(body.subarray(space + 1, equals)), value: body.subarray(equals + 1, end - 1), end };
}

/** A name from header bytes that must be UTF-8. Throws ArchiveCorrupt. */
export function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new InstallError('PathInvalid', 'an extension header of the archive holds bytes that are not UTF-8', {
      cause: error,
      details: { bytes: Buffer.from(bytes.subarray(0, 100)).toString('hex') },
    });
  }
}

function parseSize(text: string): number {
  const size = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw corrupt(`the size ${quote(text)} is not a size`);
  return size;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function corrupt(why: string): InstallError {
  return new InstallError('ArchiveCorrupt', `a PAX header of the archive is malformed: ${why}`);
}
