/** The message that `kubectl describe pod` shows (docs/contracts.md, "Termination message"). */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { errorCode } from '../core/errors.ts';
import type { Failure, RunSummary } from '../core/events.ts';
import { EXIT } from '../core/exit.ts';
import { escapeText } from '../core/redact.ts';
import { decidingFailure, factsOf, headline, listProblems, orderedFailures, problemCount } from './summary.ts';

/** The kubelet keeps 4,096 bytes for each container, but 12 KiB for a whole pod; six containers may share them. */
export const TERMINATION_BYTES = 2000;
/** Where the kubelet mounts the file unless the container says otherwise. */
export const DEFAULT_TERMINATION_LOG = '/dev/termination-log';

const HEADLINE_BYTES = 300;
/** Tried in turn until the first block fits: both integrity values stay whole in all of them. */
const LINE_BYTES: readonly number[] = [600, 300, 160];
const LABEL_WIDTH = 10;

/**
 * At most TERMINATION_BYTES of valid UTF-8, most important first; the first line stands alone. One block for each failure, or one line
 * for each problem of the list, while they fit, then `+N more, see logs`. `redact` (createRedactor) removes secrets and sees each line whole, before it is cut.
 */
export function terminationMessage(summary: RunSummary, redact: (text: string) => string): string {
  const line: LinePrinter = (text, maxBytes) => clip(redact(escapeText(text)), maxBytes);
  const first = line(headline(summary), summary.exitCode === EXIT.ok ? TERMINATION_BYTES : HEADLINE_BYTES);
  if (summary.exitCode === EXIT.ok) return first;
  const last = line(`${label('exit')}${summary.exitCode}${summary.set === '' ? '' : `  set: ${summary.set}`}`, 100);
  const room = TERMINATION_BYTES - byteLength(first) - byteLength(last) - 2;
  return [first, ...body(summary, room, line), last].join('\n');
}

type LinePrinter = (text: string, maxBytes: number) => string;

function body(summary: RunSummary, room: number, line: LinePrinter): readonly string[] {
  const deciding = decidingFailure(summary);
  const problems = deciding === undefined || deciding.entry !== undefined ? [] : listProblems(deciding.error);
  if (problems.length > 0)
    return fill(
      problems.map((problem) => [[line(problem, 300)]]),
      { room, total: deciding === undefined ? 0 : problemCount(deciding.error) },
    );
  const blocks = orderedFailures(summary).map((failure) => blockVariants(failure, summary, line));
  return fill(blocks, { room, total: blocks.length });
}

function blockVariants(failure: Failure, summary: RunSummary, line: LinePrinter): readonly (readonly string[])[] {
  const facts = factsOf(failure, summary);
  return LINE_BYTES.map((maxBytes) => facts.map((fact) => line(label(fact.label) + fact.text, maxBytes)));
}

/** As many blocks as fit, each in the first variant that does; then how many of `total` are left. */
function fill(
  blocks: readonly (readonly (readonly string[])[])[],
  limits: { readonly room: number; readonly total: number },
): readonly string[] {
  const lines: string[] = [];
  let left = limits.room;
  for (const [index, variants] of blocks.entries()) {
    const remaining = limits.total - index - 1;
    const reserve = remaining === 0 ? 0 : byteLength(moreLine(remaining)) + 1;
    const fitting = variants.find((block) => sizeOf(block) + reserve <= left);
    if (fitting === undefined) return [...lines, moreLine(remaining + 1)];
    lines.push(...fitting);
    left -= sizeOf(fitting);
  }
  return lines;
}

function moreLine(number: number): string {
  return `+${number} more, see logs`;
}

function label(name: string): string {
  return `${name}:`.padEnd(LABEL_WIDTH);
}

function sizeOf(lines: readonly string[]): number {
  return lines.reduce((total, line) => total + byteLength(line) + 1, 0);
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/** At most `maxBytes` of UTF-8, cut between characters, the cut marked. */
function clip(text: string, maxBytes: number): string {
  if (byteLength(text) <= maxBytes) return text;
  let result = '';
  let left = maxBytes - byteLength('…');
  for (const character of text) {
    left -= byteLength(character);
    if (left < 0) break;
    result += character;
  }
  return `${result}…`;
}

/** Fits a `note` event. */
export interface TerminationNotice {
  readonly reason: 'TerminationLogUnavailable';
  readonly text: string;
}

/**
 * Writes the message; resolves with a warning when that failed, never rejects. The default path is not
 * created, and its absence is not worth a warning: outside Kubernetes there is none.
 */
export async function writeTerminationMessage(path: string, text: string): Promise<TerminationNotice | undefined> {
  const isDefault = path === DEFAULT_TERMINATION_LOG;
  // A link planted at this path could point at any file; a FIFO without a reader would block the open.
  const flags = constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    await using file = await open(path, isDefault ? flags : flags | constants.O_CREAT, 0o644);
    await file.writeFile(text);
    return undefined;
  } catch (error) {
    const code = errorCode(error) ?? 'unknown error';
    if (isDefault && code === 'ENOENT') return undefined;
    const why = code === 'ELOOP' ? 'it is a symbolic link' : code;
    const notice = `the termination message could not be written to ${escapeText(path)}: ${why}`;
    return { reason: 'TerminationLogUnavailable', text: notice };
  }
}
