/**
 * Names an archive may use (docs/security.md, "Archives"). Everything a file system, a terminal or another tar reader could understand
 * differently than we do is refused; nothing is repaired.
 */
import { InstallError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import { escapeText } from '../core/redact.ts';

export type PathLimits = Pick<Limits, 'pathBytes' | 'segmentBytes' | 'pathDepth'>;

// C0, DEL, C1, bidirectional, zero-width and line separator characters, U+FFFD (bytes that were not UTF-8), lone surrogates.
const FORBIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffd]|\p{Surrogate}/u;
const DRIVE = /(?:^|\/)[A-Za-z]:/;
const QUOTED_LENGTH = 200;
/** Whatever the setting says: system calls take 4,096 bytes of path, and trees are walked by recursion (CVE-2026-73566). */
const DEEPEST = 2048;

/** Foreign text fit for a message: escaped, quoted, shortened. */
export function quote(text: string): string {
  const shown = text.length > QUOTED_LENGTH ? `${text.slice(0, QUOTED_LENGTH)}…` : text;
  return `"${escapeText(shown)}"`;
}

/**
 * The path of an entry, relative, without leading `./` and trailing `/`; the empty string is the top of the archive itself. Or the refusal:
 * PathEscape, PathInvalid or PathTooDeep. `raw` may come from a header, a PAX record or a GNU long name; all obey the same rules.
 */
export function checkPath(raw: string, limits: PathLimits): string | InstallError {
  const shape = checkShape(raw);
  if (shape !== undefined) return new InstallError(shape.reason, `archive entry ${quote(raw)} ${shape.why}`, at(raw));
  const path = trim(raw);
  if (path === '') return path;
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.')
      return new InstallError('PathInvalid', `archive entry ${quote(raw)} has an empty or . segment`, at(raw));
    if (segment === '..')
      return new InstallError('PathEscape', `archive entry ${quote(raw)} has a .. segment`, at(raw));
  }
  return checkLength(path, limits) ?? path;
}

/**
 * The target of a link as it is kept, or the refusal (LinkEscape, PathInvalid, PathTooDeep). Only its spelling is judged here; where it
 * leads is judged by `links.ts` when the whole tree is known.
 */
export function checkTarget(path: string, raw: string, limits: PathLimits): string | InstallError {
  const shape = checkShape(raw);
  if (shape !== undefined) {
    const reason = shape.reason === 'PathEscape' ? 'LinkEscape' : shape.reason;
    return new InstallError(reason, `target ${quote(raw)} of link ${quote(path)} ${shape.why}`, at(path, raw));
  }
  if (climbsOut(path, raw)) {
    const details = at(path, raw);
    return new InstallError('LinkEscape', `target ${quote(raw)} of link ${quote(path)} leaves the archive`, details);
  }
  return checkLength(raw, { ...limits, pathDepth: limits.pathDepth * 2 }) ?? raw; // up and down again
}

function checkShape(raw: string): { readonly reason: 'PathEscape' | 'PathInvalid'; readonly why: string } | undefined {
  if (raw === '') return { reason: 'PathInvalid', why: 'is empty' };
  if (raw.startsWith('/')) return { reason: 'PathEscape', why: 'is absolute' };
  // A separator on other systems: `..\x` and UNC paths; never in an honest package.
  if (raw.includes('\\')) return { reason: 'PathEscape', why: 'holds a backslash' };
  if (DRIVE.test(raw)) return { reason: 'PathEscape', why: 'holds a drive letter' };
  if (FORBIDDEN.test(raw))
    return { reason: 'PathInvalid', why: 'holds forbidden characters or bytes that are not UTF-8' };
  return undefined;
}

function trim(raw: string): string {
  const start = raw === '.' || raw === './' ? raw.length : raw.startsWith('./') ? 2 : 0;
  const end = raw.endsWith('/') && raw.length > start ? raw.length - 1 : raw.length;
  return raw.slice(start, end);
}

function checkLength(path: string, limits: PathLimits): InstallError | undefined {
  if (
    path.length <= limits.segmentBytes / 3 &&
    limits.pathBytes >= limits.segmentBytes &&
    path.length <= limits.pathDepth
  )
    return undefined; // a UTF-16 unit is at most three bytes, a segment at least one unit: no limit can be reached
  const bytes = Buffer.byteLength(path);
  if (bytes > limits.pathBytes)
    return tooDeep(path, `is ${bytes} bytes long`, {
      limit: limits.pathBytes,
      value: bytes,
      setting: 'PORTAL_PLUGINS_MAX_PATH_BYTES',
    });
  const segments = path.split('/');
  const deepest = Math.min(limits.pathDepth, DEEPEST);
  if (segments.length > deepest)
    return tooDeep(path, `is ${segments.length} levels deep`, {
      limit: deepest,
      value: segments.length,
      setting: 'PORTAL_PLUGINS_MAX_PATH_DEPTH',
    });
  const longest = Math.max(...segments.map((segment) => Buffer.byteLength(segment)));
  if (longest > limits.segmentBytes)
    return tooDeep(path, `has a name of ${longest} bytes`, {
      limit: limits.segmentBytes,
      value: longest,
      fix: 'shorten the named path',
    });
  return undefined;
}

type TooDeep = { readonly limit: number; readonly value: number } & (
  | { readonly setting: string }
  | { readonly fix: string }
);

function tooDeep(path: string, what: string, details: TooDeep): InstallError {
  const setting = 'setting' in details ? ` (${details.setting})` : '';
  return new InstallError(
    'PathTooDeep',
    `archive path ${quote(path)} ${what}, the limit is ${details.limit}${setting}`,
    {
      details: { path: quote(path), ...details },
    },
  );
}

/** Whether following `target` from the directory of `path` steps above the top of the archive, even if it comes back. */
function climbsOut(path: string, target: string): boolean {
  let depth = path.split('/').length - 1;
  for (const segment of target.split('/')) {
    if (segment === '..') depth -= 1;
    else if (segment !== '' && segment !== '.') depth += 1;
    if (depth < 0) return true;
  }
  return false;
}

function at(path: string, target?: string): { details: Record<string, string> } {
  return { details: { path: quote(path), ...(target === undefined ? {} : { target: quote(target) }) } };
}

/**
 * The key under which a name is claimed: names with one key cannot be told apart by some file system or reader. Unicode NFKC and full
 * case folding; upper case first because lower case alone leaves `ß` and `ss` apart (CVE-2026-23950).
 */
export function foldName(name: string): string {
  if (/^[\u0020-\u007e]*$/.test(name)) return name.toLowerCase();
  return name.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC');
}
