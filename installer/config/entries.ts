/** Entries as written → entries as the line takes them: references parsed, checks made, duplicates and missing pins found. No network. */
import { asInstallError, InstallError } from '../core/errors.ts';
import { redactReference } from '../core/redact.ts';
import type { Check, Entry, ParseContext, Reference, SkippedEntry } from '../core/types.ts';
import { parseReference } from '../sources/index.ts';
import { checksFor } from '../verify/index.ts';
import type { Fragment } from './app-config.ts';
import { formatPosition, keyMark, type Mark, positionOf, toPlainMap } from './nodes.ts';
import type { Problems } from './problems.ts';
import { quoted } from './problems.ts';
import { plainOf, type RawEntry, scalar } from './wire-document.ts';

/** What all entries of a list share. */
export interface EntryContext extends ParseContext {
  readonly problems: Problems;
  readonly continueOnError: boolean;
  readonly requireIntegrity: boolean;
  /** Families this program can validate. */
  readonly families: readonly string[];
}

export interface BuiltEntries {
  readonly entries: readonly Entry[];
  readonly skipped: readonly SkippedEntry[];
  /** `pluginConfig` of the enabled entries. */
  readonly fragments: readonly Fragment[];
}

/**
 * Builds the enabled entries; `index` is the position in `raws`. Everything wrong is reported (ListInvalid, ReferenceInvalid,
 * IntegrityMissing, IntegrityMalformed, DuplicateEntry); an entry with a problem is left out. Disabled entries are checked for shape only.
 */
export function buildEntries(raws: readonly (RawEntry | undefined)[], ctx: EntryContext): BuiltEntries {
  const entries: Entry[] = [];
  const skipped: SkippedEntry[] = [];
  const fragments: Fragment[] = [];
  const seen = new Map<string, Seen>();
  for (const [index, raw] of raws.entries()) {
    if (raw === undefined) continue;
    const isEnabled = isEntryEnabled(raw, ctx.problems);
    const reference = isEnabled ? parsed(raw, ctx) : quietlyParsed(raw, ctx);
    if (reference !== undefined) checkDuplicate({ raw, isEnabled, reference }, seen, ctx.problems);
    if (!isEnabled) {
      skipped.push({ index, package: redactReference(textOf(raw)) });
      continue;
    }
    const fragment = fragmentOf(raw, index);
    if (fragment !== undefined) fragments.push(fragment);
    const entry = buildEntry({ raw, index, reference }, ctx);
    if (entry !== undefined) entries.push(entry);
  }
  return { entries, skipped, fragments };
}

interface Parsed {
  readonly raw: RawEntry;
  readonly index: number;
  readonly reference: Reference | undefined;
}

function buildEntry({ raw, index, reference }: Parsed, ctx: EntryContext): Entry | undefined {
  checkFormat(raw, ctx);
  const pullPolicy = pullPolicyOf(raw, ctx.problems);
  const checks = checksOf(raw, reference, ctx.problems);
  if (reference === undefined || checks === undefined) return undefined;
  requirePin({ raw, index, reference }, checks, ctx);
  const mark = packageMark(raw);
  for (const warning of reference.warnings) ctx.problems.warn(mark, `${raw.path}.package`, warning);
  const config = raw.node.entries.get('pluginConfig')?.value;
  const continueOnError = scalar(raw.node, 'continueOnError');
  const format = scalar(raw.node, 'format');
  return {
    index,
    package: redactReference(textOf(raw)),
    reference,
    checks,
    pin: checks.length === 0 ? undefined : checks.map(({ kind, text }) => `${kind}=${text}`).join(' '),
    format: typeof format === 'string' ? format : undefined,
    pullPolicy,
    continueOnError: typeof continueOnError === 'boolean' ? continueOnError : ctx.continueOnError,
    pluginConfig: config?.kind === 'map' ? toPlainMap(config) : {},
    path: raw.path,
    at: positionOf(raw.node.mark),
  };
}

function textOf(raw: RawEntry): string {
  return String(scalar(raw.node, 'package') ?? '');
}

function packageMark(raw: RawEntry): Mark {
  return raw.node.entries.get('package')?.value.mark ?? raw.node.mark;
}

function isEntryEnabled(raw: RawEntry, problems: Problems): boolean {
  const enabled = scalar(raw.node, 'enabled');
  const disabled = scalar(raw.node, 'disabled');
  if (enabled !== undefined && disabled !== undefined) {
    const mark = keyMark(raw.node, 'disabled');
    const what = 'enabled and disabled are both set';
    problems.add({ reason: 'ListInvalid', mark, path: raw.path, what, fix: 'keep enabled and remove disabled' });
  }
  return enabled !== false && disabled !== true;
}

function parsed(raw: RawEntry, ctx: EntryContext): Reference | undefined {
  if (raw.atFault.has('package')) return undefined;
  try {
    return parseReference(textOf(raw), ctx);
  } catch (thrown) {
    report(thrown, { mark: packageMark(raw), path: `${raw.path}.package` }, ctx.problems);
    return undefined;
  }
}

/** A disabled entry may hold what this program cannot install; it only matters whether it is the same plugin as another. */
function quietlyParsed(raw: RawEntry, ctx: EntryContext): Reference | undefined {
  try {
    return parseReference(textOf(raw), ctx);
  } catch (thrown) {
    if (thrown instanceof InstallError) return undefined;
    throw thrown;
  }
}

interface Seen {
  readonly raw: RawEntry;
  readonly isEnabled: boolean;
}

/** Two enabled entries of one plugin are an error; with a disabled one among them it is clear what is meant, but worth a word. */
function checkDuplicate(
  one: Seen & { readonly reference: Reference },
  seen: Map<string, Seen>,
  problems: Problems,
): void {
  const { raw, isEnabled, reference } = one;
  const other = seen.get(reference.identity);
  if (other === undefined || (isEnabled && !other.isEnabled)) seen.set(reference.identity, { raw, isEnabled });
  if (other === undefined) return;
  const where = `${other.raw.path} (${formatPosition(positionOf(other.raw.node.mark))})`;
  if (isEnabled && other.isEnabled) {
    problems.add({
      reason: 'DuplicateEntry',
      mark: raw.node.mark,
      path: raw.path,
      what: `${quoted(redactReference(textOf(raw)))} is the same plugin as ${where}`,
      fix: `remove ${raw.path} or ${other.raw.path}`,
    });
  } else problems.warn(raw.node.mark, raw.path, `the same plugin as ${where}, one of the two is disabled`);
}

function checksOf(raw: RawEntry, reference: Reference | undefined, problems: Problems): readonly Check[] | undefined {
  try {
    return checksFor(plainOf(raw), reference ?? { digest: undefined });
  } catch (thrown) {
    report(
      thrown,
      { mark: raw.node.entries.get('integrity')?.value.mark ?? raw.node.mark, path: `${raw.path}.integrity` },
      problems,
    );
    return undefined;
  }
}

function requirePin({ raw, reference }: Parsed, checks: readonly Check[], ctx: EntryContext): void {
  const isReported = raw.atFault.has('integrity') || reference?.isLocal === true;
  if (checks.length > 0 || isReported || !ctx.requireIntegrity) return;
  const alternative = reference?.kind === 'oci' ? ', or append @sha256:… to the reference' : '';
  ctx.problems.add({
    reason: 'IntegrityMissing',
    mark: raw.node.mark,
    path: raw.path,
    what: `${quoted(redactReference(textOf(raw)))} has no integrity`,
    fix: `add integrity: sha512-…${alternative}`,
  });
}

function checkFormat(raw: RawEntry, ctx: EntryContext): void {
  const format = scalar(raw.node, 'format');
  if (typeof format !== 'string' || ctx.families.includes(format)) return;
  ctx.problems.add({
    reason: 'ListInvalid',
    mark: raw.node.entries.get('format')?.value.mark ?? raw.node.mark,
    path: `${raw.path}.format`,
    what: `this version cannot install plugins of the format ${quoted(format)}, only ${ctx.families.join(', ')}`,
    fix: `write ${ctx.families.join(' or ')}, or remove the entry`,
  });
}

function pullPolicyOf(raw: RawEntry, problems: Problems): Entry['pullPolicy'] {
  const policy = scalar(raw.node, 'pullPolicy');
  const isForced = scalar(raw.node, 'forceDownload') === true;
  if (isForced && policy === 'IfNotPresent') {
    problems.add({
      reason: 'ListInvalid',
      mark: keyMark(raw.node, 'forceDownload'),
      path: raw.path,
      what: 'forceDownload: true contradicts pullPolicy: IfNotPresent',
      fix: 'remove forceDownload',
    });
  }
  return isForced || policy === 'Always' ? 'Always' : 'IfNotPresent';
}

function fragmentOf(raw: RawEntry, index: number): Fragment | undefined {
  const config = raw.node.entries.get('pluginConfig')?.value;
  return config?.kind === 'map' ? { index, path: raw.path, config } : undefined;
}

function report(thrown: unknown, at: { readonly mark: Mark; readonly path: string }, problems: Problems): void {
  const error = asInstallError(thrown);
  if (error.reason === 'Internal') throw error;
  problems.add({ reason: error.reason, ...at, what: error.message, fix: error.fix });
}
