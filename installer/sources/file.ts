/** Archives and directories that are part of the image: `./dir`, `../dir`, `/dir`, `file:…` (docs/sources.md, "Local"). */
import { createReadStream, type Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import { errorCode, InstallError } from '../core/errors.ts';
import { escapeText, redactReference } from '../core/redact.ts';
import type { Body, Entry, Part, Pinned, Reference, ResumePoint, Source } from '../core/types.ts';
import { directoryAsTar } from './directory-tar.ts';

export const fileSource: Source = {
  kind: 'file',
  parse(text, ctx) {
    if (/^file:/i.test(text)) return toReference(resolvePath(ctx.cwd, fromFileUrl(text)));
    return /^(?:\.{1,2}(?:\/|$)|\/)/.test(text) ? toReference(resolvePath(ctx.cwd, plain(text, text))) : undefined;
  },
};

/** Kernel interfaces are no part of an image: reading them may block, never end, or read out the node. */
const KERNEL = ['/proc', '/sys', '/dev'];

function toReference(path: string): Reference {
  return {
    kind: 'file',
    text: `file:${path.replaceAll(/[%?#]/g, encodeURIComponent)}`, // reads back as the same path
    origin: { scheme: 'file', path },
    isLocal: true,
    digest: undefined,
    identity: `file:${path}`,
    warnings: [],
    resolve: (entry) => resolve(path, entry),
  };
}

/** The path of `file:PATH` or `file:///PATH`, percent-decoded as in a URL; relative ones as npm reads them. */
function fromFileUrl(text: string): string {
  if (!text.startsWith('file:')) throw invalid(text, 'the scheme must be written file: in lower case');
  const rest = text.slice('file:'.length);
  if (/^\/\/(?!\/)/.test(rest)) throw invalid(text, 'it names a host: local plugins are part of the image');
  if (rest.startsWith('~')) throw invalid(text, '~ is not expanded: there is no home directory in a pod');
  if (/[?#]/.test(rest)) throw invalid(text, '? and # mean nothing in a file reference');
  if (/%(?:2f|5c|00)/i.test(rest)) throw invalid(text, '%2f, %5c and %00 are refused');
  try {
    return plain(decodeURIComponent(rest.replace(/^\/\//, '')), text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw invalid(text, 'a % does not start an escape');
  }
}

function plain(path: string, text: string): string {
  if (path === '') throw invalid(text, 'the path is empty');
  if (escapeText(path) !== path) throw invalid(text, 'control and invisible characters are refused');
  // A mistyped URL may hold a password, and a path is shown as it is.
  if (path.includes('://')) throw invalid(text, 'it holds a URL');
  return path;
}

function invalid(text: string, why: string): InstallError {
  const shown = redactReference(text).slice(0, 300);
  return new InstallError('ReferenceInvalid', `${shown} is not a local reference: ${why}`, {
    details: { reference: shown, fix: 'write ./dir, ./x.tgz or file:/dir' },
  });
}

/**
 * Looks at the path, without network. Throws PackageNotFound when nothing is there, FileUnreadable when it is neither file nor directory
 * or cannot be read, ListInvalid for an integrity on a directory.
 */
async function resolve(path: string, entry: Entry): Promise<Pinned> {
  const real = await asLocal(path, () => realpath(path));
  if (KERNEL.some((root) => real === root || real.startsWith(`${root}/`)))
    throw unreadable(path, 'it is no part of the image');
  const found = await asLocal(path, () => stat(real));
  const part = found.isDirectory() ? directoryPart(real, entry) : archivePart(path, real, found);
  return { key: `file:${real}`, text: part.label, layout: 'package', within: undefined, parts: [part], warnings: [] };
}

function archivePart(path: string, real: string, found: Stats): Part {
  if (!found.isFile()) throw unreadable(path, 'it is neither a file nor a directory');
  const label = `file:${escapeText(real)}`;
  const open = (_ctx: unknown, from: ResumePoint): Promise<Body> =>
    Promise.resolve({
      stream: mapped(real, () => createReadStream(real, { start: from.offset })),
      offset: from.offset,
      total: found.size,
      validator: undefined,
      from: label,
    });
  return { claims: { bytes: found.size }, label, open };
}

function directoryPart(real: string, entry: Entry): Part {
  const label = `file:${escapeText(real)}`;
  if (entry.checks.length > 0) {
    throw new InstallError('ListInvalid', `${label} is a directory: an integrity covers the bytes of an archive`, {
      details: { key: `${entry.path}.integrity`, fix: `remove ${entry.path}.integrity, or refer to an archive` },
    });
  }
  const open = (): Promise<Body> =>
    Promise.resolve({
      stream: mapped(real, () => directoryAsTar(real)),
      offset: 0,
      total: undefined,
      validator: undefined,
      from: label,
    });
  return { claims: {}, label, open };
}

/**
 * Errors of the file system become reasons here: the steps that read the stream know nothing of files. Nothing is opened before the first
 * byte is asked for, so a body that is never read leaves nothing open.
 */
async function* mapped(path: string, open: () => AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* open();
  } catch (error) {
    throw asReason(path, error);
  }
}

async function asLocal<T>(path: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    throw asReason(path, error);
  }
}

function asReason(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof InstallError || code === undefined) return error;
  const shown = escapeText(path);
  const isAbsent = code === 'ENOENT' || code === 'ENOTDIR';
  if (!isAbsent) return unreadable(path, `it cannot be read (${code})`, error);
  return new InstallError('PackageNotFound', `${shown} does not exist`, {
    details: { path: shown, fix: 'check the path: it must be part of the image of the init container' },
    cause: error,
  });
}

function unreadable(path: string, why: string, cause?: unknown): InstallError {
  const shown = escapeText(path);
  return new InstallError('FileUnreadable', `${shown} is not a plugin that can be read: ${why}`, {
    details: { path: shown, cause: why },
    ...(cause === undefined ? {} : { cause }),
  });
}
