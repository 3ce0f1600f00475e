/** `portal-plugins.json`: what is installed, from which pin, with which evidence (docs/contracts.md, "What is written"). */
import { join } from 'node:path';
import { z } from 'zod';
import { errorCode, InstallError } from '../core/errors.ts';
import type { Ledger, PluginDir } from '../core/types.ts';
import type { Volume } from './volume.ts';

export const LEDGER_FILE = 'portal-plugins.json';

/** 10,000 plugins of about 3 KB each. */
const MAX_LEDGER_BYTES = 32 * 1024 * 1024;

/**
 * A directory below the root: whoever can write to the volume can write the ledger, and it must not name a place outside. Slashes are
 * ForgePortal's `node_modules/@scope/name`.
 */
const dirSchema = z
  .string()
  .max(512)
  .refine(isPluginPath)
  .transform((dir) => dir as PluginDir); // checked in the line above

/** Of any length: addresses come from servers, and a record that could be written must be readable. The file as a whole is bounded. */
const text = z.string();
const count = z.number().nonnegative();

const recordSchema = z.object({
  package: text,
  pin: text.optional(),
  format: text.optional(),
  index: count,
  name: text,
  version: text,
  family: text,
  role: text.optional(),
  dir: dirSchema,
  resolved: text,
  manifestDigest: text.optional(),
  integrity: z.array(text),
  bytes: count,
  source: text,
  evidence: z.array(z.object({ kind: text, value: text })),
  inventory: z.object({ files: count, bytes: count, newestChangeMs: count, treeDigest: z.string().max(256) }),
});

const ledgerSchema = z.object({
  schemaVersion: z.literal(1),
  run: text.min(1),
  set: text,
  completedAt: text,
  tool: text,
  rules: text.optional(),
  plugins: z.array(recordSchema),
  outputs: z.array(z.object({ name: z.string().refine(isPluginPath), sha256: text, fingerprint: text.optional() })),
  rejected: z.array(z.object({ package: text, index: count, reason: text })),
});

export interface LedgerReading {
  /** Undefined on a fresh volume, and when the file cannot be used. */
  readonly ledger: Ledger | undefined;
  /** LedgerUnreadable, a warning: every plugin is fetched again. */
  readonly notice: InstallError | undefined;
}

/** Reads what the last successful run left. Never throws for what the file contains or for a file that cannot be read. */
export function readLedger({ root, files }: Pick<Volume, 'root' | 'files'>): LedgerReading {
  const path = join(root, LEDGER_FILE);
  try {
    if (files.stat(path) === undefined) return { ledger: undefined, notice: undefined };
    return parseLedger(files.read(path, MAX_LEDGER_BYTES).toString('utf8'), path);
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === undefined) throw thrown;
    return unusable(`${path} cannot be read: ${code}`, thrown);
  }
}

/**
 * The run that wrote the ledger on the volume, whatever else stands in it; undefined: there is none, or no run of ours wrote it. Throws the
 * file system's error: who takes an unreadable ledger for another run's would undo a commit that happened.
 */
export function readLedgerRun({ root, files }: Pick<Volume, 'root' | 'files'>): string | undefined {
  const path = join(root, LEDGER_FILE);
  const stat = files.stat(path);
  if (stat?.isFile() !== true || stat.size > MAX_LEDGER_BYTES) return undefined;
  try {
    return runSchema.safeParse(JSON.parse(files.read(path, MAX_LEDGER_BYTES).toString('utf8'))).data?.run;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

const runSchema = z.object({ run: z.string() });

function parseLedger(content: string, path: string): LedgerReading {
  let raw: unknown;
  try {
    raw = JSON.parse(content);
  } catch (thrown) {
    return unusable(`${path} is not JSON`, thrown);
  }
  const result = ledgerSchema.safeParse(raw);
  if (result.success) return { ledger: asLedger(result.data), notice: undefined };
  const newer = z.object({ schemaVersion: z.number().min(2) }).safeParse(raw);
  if (newer.success) {
    return unusable(`${path} has schema version ${newer.data.schemaVersion}, this program reads 1`, result.error);
  }
  const where = result.error.issues[0]?.path.join('.') ?? '';
  return unusable(`${path} does not have the expected shape${where === '' ? '' : ` at ${where}`}`, result.error);
}

function unusable(message: string, cause: unknown): LedgerReading {
  return { ledger: undefined, notice: new InstallError('LedgerUnreadable', message, { cause }) };
}

/** Absent in JSON is undefined in a record. */
function asLedger(data: z.infer<typeof ledgerSchema>): Ledger {
  const plugins = data.plugins.map((plugin) => ({
    ...plugin,
    pin: plugin.pin,
    format: plugin.format,
    role: plugin.role,
    manifestDigest: plugin.manifestDigest,
  }));
  return { ...data, plugins };
}

/** The file's content; readable, because operators read it. Throws CommitFailed when it is larger than the next run would read. */
export function serialiseLedger(ledger: Ledger): string {
  const content = `${JSON.stringify(ledger, undefined, 2)}\n`;
  const bytes = Buffer.byteLength(content);
  if (bytes <= MAX_LEDGER_BYTES) return content;
  const details = { bytes, limit: MAX_LEDGER_BYTES, fix: 'install fewer plugins into one root' };
  throw new InstallError('CommitFailed', `the ledger would be ${bytes} bytes, at most ${MAX_LEDGER_BYTES} are read`, {
    details,
  });
}

/** Whether two ledgers differ in nothing but the run that wrote them. */
export function isSameLedger(a: Ledger, b: Ledger): boolean {
  return essence(a) === essence(b);
}

function essence(ledger: Ledger): string {
  return canonical({ ...ledger, run: '', completedAt: '' });
}

/** JSON with sorted keys; undefined fields vanish as they do on disk. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) =>
    typeof nested === 'object' && nested !== null && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}

/** Relative path of visible, ordinary segments. */
export function isPluginPath(path: string): boolean {
  return path
    .split('/')
    .every((segment) => segment !== '' && !segment.startsWith('.') && !/[\0-\u001f\\\u007f]/.test(segment));
}
