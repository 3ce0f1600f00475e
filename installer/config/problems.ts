/** Everything wrong with a list, collected so that one run reports it all (docs/contracts.md, "The wire file"). */
import { InstallError } from '../core/errors.ts';
import type { Reason } from '../core/reasons.ts';
import { escapeText } from '../core/redact.ts';
import { formatPosition, type Mark, positionOf } from './nodes.ts';

export interface Problem {
  readonly reason: Reason;
  /** Undefined only when there is no text to point at (a file that is missing). */
  readonly mark: Mark | undefined;
  /** As the operator's file spells it: `dynamicPlugins.plugins[3].integrity`; empty for the document. */
  readonly path: string;
  /** What is wrong, with the value; no full stop. */
  readonly what: string;
  /** What to write. */
  readonly fix: string;
}

/** More are counted, not listed: a message of megabytes helps nobody. */
const MAX_LISTED = 100;

export class Problems {
  readonly #found: Problem[] = [];
  readonly #warnings: string[] = [];

  get count(): number {
    return this.#found.length;
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  add(problem: Problem): void {
    this.#found.push(problem);
  }

  warn(mark: Mark, path: string, text: string): void {
    this.#warnings.push(`${place(mark, path)}${text}`);
  }

  /**
   * Throws one InstallError for all problems, or returns. Its reason is the one they share, else ListInvalid; `details.problems` has a
   * line `file:line:column path: what. Fix: …` for each, in the order of the text.
   */
  throwIfAny(): void {
    const sorted = inOrderOfText(this.#found);
    const [first] = sorted;
    if (first === undefined) return;
    const lines = sorted.slice(0, MAX_LISTED).map((problem) => `${headline(problem)}. Fix: ${problem.fix}`);
    const more = sorted.length - 1;
    const isOneReason = sorted.every(({ reason }) => reason === first.reason);
    throw new InstallError(
      isOneReason ? first.reason : 'ListInvalid',
      `${headline(first)}${more === 0 ? '' : ` (and ${more} more)`}`,
      {
        details: {
          problems: sorted.length > MAX_LISTED ? [...lines, `… and ${sorted.length - MAX_LISTED} more`] : lines,
          count: sorted.length,
          path: first.path,
          fix: first.fix,
        },
      },
    );
  }
}

/** By offset within a file, files in the order in which they were first complained about. */
function inOrderOfText(problems: readonly Problem[]): readonly Problem[] {
  const files = [...new Set(problems.map(({ mark }) => mark?.source))];
  return problems.toSorted(
    (a, b) =>
      files.indexOf(a.mark?.source) - files.indexOf(b.mark?.source) || (a.mark?.offset ?? 0) - (b.mark?.offset ?? 0),
  );
}

function headline({ mark, path, what }: Problem): string {
  return `${mark === undefined ? '' : place(mark, path)}${what}`;
}

function place(mark: Mark, path: string): string {
  return `${escapeText(formatPosition(positionOf(mark)))}${path === '' ? '' : ` ${path}`}: `;
}

/** A foreign value fit for a message: quoted, escaped, at most 80 characters. */
export function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const escaped = escapeText(text ?? String(value));
  const short = escaped.length > 80 ? `${escaped.slice(0, 80)}…` : escaped;
  return typeof value === 'string' ? `"${short}"` : short;
}
