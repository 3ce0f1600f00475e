/**
 * The full hash of an unpacked plugin, computed while unpacking and again when a volume is verified: sha256 over one line for each
 * regular file and each symbolic link, sorted. Directories are implied by what they hold, owners and times are left out.
 */
import { createHash } from 'node:crypto';

export interface DigestFile {
  /** Relative to the plugin directory, POSIX. */
  readonly path: string;
  /** The nine permission bits: 0o644 or 0o755 in a tree of ours. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** sha256 of the content, lower-case hex. */
  readonly sha256: string;
}

/** `0644 12 <sha256 hex> dist/index.js` */
export function fileLine(file: DigestFile): string {
  const mode = (file.mode & 0o777).toString(8).padStart(4, '0');
  // Joined, not a template: V8 would keep six pieces for each of 100,000 lines.
  return [mode, file.size, file.sha256, file.path].join(' ');
}

/** `link "<target>" <path>`; the target is quoted as JSON, so that no blank can move from one field to the other. */
export function linkLine(target: string, path: string): string {
  return `link ${JSON.stringify(target)} ${path}`;
}

/** sha256, lower-case hex, over the lines in code unit order, each ended by a line feed. The order of `lines` does not matter. */
export function treeDigest(lines: readonly string[]): string {
  const hash = createHash('sha256');
  for (const line of lines.toSorted()) hash.update(`${line}\n`);
  return hash.digest('hex');
}
