/**
 * What happens to an archive entry: a pure function of its header, the totals so far and the limits (docs/security.md, "Archives").
 * `unpack.ts` acts on it. A refusal is returned as the error to throw; it always fails the whole archive.
 */
import { InstallError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import { checkPath, checkTarget, quote } from './path-policy.ts';

/** A header with its extension headers applied; nothing in it is trusted. */
export interface TarEntry {
  readonly path: string;
  /** Type flag: `0` file, `1` hard link, `2` symbolic link, `5` directory, …; the byte of the header where it is none of tar's. */
  readonly type: string;
  readonly mode: number | undefined;
  /** Bytes of content that follow. */
  readonly size: number;
  readonly target: string;
}

export interface Totals {
  /** Entries judged before this one, of all layers. */
  readonly entries: number;
  /** Plugins taken from the archive: the limits of one plugin count for each. At least 1. */
  readonly plugins: number;
}

/** `path` is relative and clean; empty for the top of the archive. Modes are ours, never the archive's. */
export type Decision =
  | { readonly kind: 'file'; readonly path: string; readonly mode: 0o644 | 0o755; readonly size: number }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'hardlink'; readonly path: string; readonly target: string }
  /** A symbolic link below `node_modules/.bin/`: never needed at run time, and authors' tools write absolute paths there. */
  | { readonly kind: 'dropped'; readonly path: string };

const BIN_LINK = /(?:^|\/)node_modules\/\.bin\//;
const EXECUTABLE = 0o111;

/** The decision, or the refusal with one of the unpack reasons of core/reasons.ts; limits are named with value and setting. */
export function judgeEntry(entry: TarEntry, totals: Totals, limits: Limits): Decision | InstallError {
  const mostEntries = limits.files * totals.plugins;
  if (totals.entries >= mostEntries) {
    return new InstallError(
      'TooManyEntries',
      `the archive has more than ${mostEntries} entries (PORTAL_PLUGINS_MAX_FILES)`,
      {
        details: { limit: mostEntries, value: totals.entries + 1, setting: 'PORTAL_PLUGINS_MAX_FILES' },
      },
    );
  }
  const path = checkPath(entry.path, limits);
  if (path instanceof InstallError) return path;
  if (path === '' && entry.type !== '5')
    return new InstallError(
      'PathInvalid',
      `archive entry ${quote(entry.path)} would replace the plugin directory itself`,
    );
  return judgeType({ ...entry, path }, limits);
}

function judgeType(entry: TarEntry, limits: Limits): Decision | InstallError {
  const { path } = entry;
  switch (entry.type) {
    case '0':
      return judgeFile(entry, limits);
    case '5':
      return { kind: 'directory', path };
    case '1': {
      const target = checkPath(entry.target, limits);
      if (typeof target === 'string') return { kind: 'hardlink', path, target };
      // The target of a hard link is a path of the archive; link(2) would resolve it against the working directory.
      return new InstallError('LinkEscape', `hard link ${quote(path)} has no valid target: ${target.message}`, {
        cause: target,
        details: { path: quote(path), target: quote(entry.target) },
      });
    }
    case '2': {
      if (BIN_LINK.test(path)) return { kind: 'dropped', path };
      const target = checkTarget(path, entry.target, limits);
      return target instanceof InstallError ? target : { kind: 'symlink', path, target };
    }
    case 'S':
      return new InstallError('ArchiveUnsupported', `archive entry ${quote(path)} is a sparse file`, {
        details: { path: quote(path), fix: 'pack the plugin without --sparse' },
      });
    default:
      return new InstallError('EntryTypeForbidden', `archive entry ${quote(path)} is ${typeName(entry.type)}`, {
        details: { path: quote(path), type: quote(entry.type) },
      });
  }
}

function judgeFile(entry: TarEntry, limits: Limits): Decision | InstallError {
  const { path, size } = entry;
  if (size > limits.fileBytes) {
    const message = `file ${quote(path)} has ${size} bytes, the limit is ${limits.fileBytes} (PORTAL_PLUGINS_MAX_FILE_BYTES)`;
    return new InstallError('EntryTooLarge', message, {
      details: { path: quote(path), value: size, limit: limits.fileBytes, setting: 'PORTAL_PLUGINS_MAX_FILE_BYTES' },
    });
  }
  const isExecutable = ((entry.mode ?? 0) & EXECUTABLE) !== 0;
  return { kind: 'file', path, size, mode: isExecutable ? 0o755 : 0o644 };
}

function typeName(type: string): string {
  const names: Readonly<Record<string, string>> = {
    '3': 'a character device',
    '4': 'a block device',
    '6': 'a FIFO',
    '7': 'a contiguous file',
    D: 'a dump directory',
  };
  return names[type] ?? `of the unknown type ${quote(type)}`;
}

/** Refuses when more directories than files are allowed were named: one entry may name sixty of them without an entry of their own. */
export function judgeDirectories(directories: number, plugins: number, limits: Limits): InstallError | undefined {
  const limit = limits.files * plugins;
  if (directories <= limit) return undefined;
  const setting = 'PORTAL_PLUGINS_MAX_FILES';
  return new InstallError('TooManyEntries', `the archive has more than ${limit} directories (${setting})`, {
    details: { limit, value: directories, setting },
  });
}

/** Refuses when the bytes written so far, `total`, exceed the budget of the plugins taken from the archive. */
export function judgeBytes(total: number, plugins: number, limits: Limits): InstallError | undefined {
  const limit = limits.unpackedBytes * plugins;
  if (total <= limit) return undefined;
  const setting = 'PORTAL_PLUGINS_MAX_UNPACKED_BYTES';
  return new InstallError(
    'SizeBudgetExceeded',
    `the archive unpacks to at least ${total} bytes, the limit is ${limit} (${setting})`,
    {
      details: { value: total, limit, setting, fix: `raise ${setting} if the plugin is honest` },
    },
  );
}

/** Refuses when `produced` bytes came out of `consumed` compressed ones and that is more than an honest archive does. */
export function judgeRatio(consumed: number, produced: number, limits: Limits): InstallError | undefined {
  if (produced <= limits.ratioFloorBytes || produced <= consumed * limits.ratio) return undefined;
  const ratio = Math.floor(produced / Math.max(consumed, 1));
  const setting = 'PORTAL_PLUGINS_MAX_RATIO';
  const message = `the archive inflates ${consumed} bytes to at least ${produced}, a ratio of ${ratio}, the limit is ${limits.ratio} (${setting})`;
  return new InstallError('CompressionRatioExceeded', message, {
    details: { value: ratio, limit: limits.ratio, consumed, produced, setting },
  });
}
