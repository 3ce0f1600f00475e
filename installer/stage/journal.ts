/** What a commit is about to do, as data on the disk: whoever finds it can undo it. */
import { join } from 'node:path';
import { z } from 'zod';
import { errorCode } from '../core/errors.ts';
import type { FileOperations } from './file-operations.ts';

/** Relative, no empty, `.` or `..` segment: a journal on a volume is foreign text and names what will be renamed. */
const relativePath = z
  .string()
  .max(2048)
  .regex(/^(?!\/)(?:(?:^|\/)(?!\.{1,2}(?:\/|$))[^/\0]+)+$/);

/** `path` and `at` are relative to the plugin root, `from`, `to` and `saved` to the directory of the run. */
const moveSchema = z.discriminatedUnion('kind', [
  /** What leaves: replaced or obsolete. */
  z.object({ kind: z.literal('out'), path: relativePath, to: relativePath }),
  /** A prepared plugin. */
  z.object({ kind: z.literal('in'), from: relativePath, path: relativePath }),
  /** A parent directory that was not there. */
  z.object({ kind: z.literal('make'), path: relativePath }),
  /** A set-level file, replaced in one rename; `saved` is the copy of the previous one, absent when there was none. */
  z.object({
    kind: z.literal('replace'),
    from: relativePath,
    path: relativePath,
    saved: relativePath.optional(),
  }),
]);

const journalSchema = z.object({
  schemaVersion: z.literal(1),
  /** Run id of the ledger whose rename is the commit point. */
  run: z.string().min(1).max(256),
  moves: z.array(moveSchema).max(200_000),
});

export type Move = Readonly<z.infer<typeof moveSchema>>;
export interface Journal {
  readonly schemaVersion: 1;
  readonly run: string;
  readonly moves: readonly Move[];
}

const MAX_JOURNAL_BYTES = 64 * 1024 * 1024;

export function journalPath(runDirectory: string): string {
  return join(runDirectory, 'journal.json');
}

/** Written whole or not at all (temporary name, rename). The caller makes it durable. */
export function writeJournal(files: FileOperations, runDirectory: string, journal: Journal): void {
  const temporary = join(runDirectory, 'journal.tmp');
  files.write(temporary, `${JSON.stringify(journal)}\n`, 0o600);
  files.rename(temporary, journalPath(runDirectory));
}

/**
 * Undefined: there is none. `unreadable`: one that this version does not understand, which only a power cut on a volume without fsync
 * or another version of this program leaves behind.
 */
export function readJournal(files: FileOperations, runDirectory: string): Journal | 'unreadable' | undefined {
  const path = journalPath(runDirectory);
  if (files.stat(path) === undefined) return undefined;
  try {
    return (
      journalSchema.safeParse(JSON.parse(files.read(path, MAX_JOURNAL_BYTES).toString('utf8'))).data ?? 'unreadable'
    );
  } catch (thrown) {
    if (thrown instanceof SyntaxError || errorCode(thrown) === 'EINVAL' || errorCode(thrown) === 'EFBIG')
      return 'unreadable';
    throw thrown;
  }
}
