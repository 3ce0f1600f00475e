/** What is refused in any document, JSON or YAML: the rules both readers share (docs/security.md, "The plugin list"). */
import type { Mark, MapEntry, TextSource } from './nodes.ts';
import { type Problems, quoted } from './problems.ts';

/** Deeper documents are attacks on recursive code; real app-config is below 20. */
const MAX_DEPTH = 100;
/** After so many problems a document is not read further. */
const MAX_PROBLEMS = 200;
/** An object with one of these as an own key turns a naive merge further on into prototype pollution. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** The document cannot be read on; what is wrong has been added to the problems. */
export class StopReading extends Error {}

/** One pass over one document: where it is, and what it found. */
export class Reading {
  readonly source: TextSource;
  readonly problems: Problems;
  /** What is read now was read before, behind its anchor: its faults are known. Set by the reader of aliases. */
  isRepeat = false;
  readonly #trail: (string | number)[] = [];

  constructor(source: TextSource, problems: Problems) {
    this.source = source;
    this.problems = problems;
  }

  mark(offset: number): Mark {
    return { source: this.source, offset };
  }

  /** Runs `read` one level deeper, below `step`. */
  below<T>(step: string | number, offset: number, read: () => T): T {
    this.#trail.push(step);
    if (this.#trail.length > MAX_DEPTH) {
      this.stop(offset, `nested more than ${MAX_DEPTH} levels deep`, 'flatten the value');
    }
    const value = read();
    this.#trail.pop();
    return value;
  }

  report(offset: number, what: string, fix: string): void {
    if (this.isRepeat) return;
    this.#add(offset, what, fix);
    if (this.problems.count >= MAX_PROBLEMS) throw new StopReading();
  }

  warn(offset: number, text: string): void {
    if (!this.isRepeat) this.problems.warn(this.mark(offset), formatPath(this.#trail), text);
  }

  stop(offset: number, what: string, fix: string): never {
    this.#add(offset, what, fix);
    throw new StopReading();
  }

  #add(offset: number, what: string, fix: string): void {
    this.problems.add({ reason: 'ListInvalid', mark: this.mark(offset), path: formatPath(this.#trail), what, fix });
  }

  /** Reports a key that stands in its map already or is dangerous; the first one wins. Linear, unlike the check of `yaml`. */
  checkKey(entries: ReadonlyMap<string, MapEntry>, key: string, offset: number): void {
    if (FORBIDDEN_KEYS.has(key)) this.report(offset, `the key ${quoted(key)} is not allowed`, 'rename or remove it');
    if (entries.has(key)) this.report(offset, `the key ${quoted(key)} stands here twice`, 'keep one of the two');
  }

  /** Reports a number that JSON and JavaScript do not hold exactly. */
  checkNumber(value: number, offset: number): void {
    if (!Number.isFinite(value))
      this.report(offset, `${value} is not a number JSON can hold`, 'write a finite number or quote it');
    else if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.report(offset, 'the number is beyond 2^53 and would be rounded', 'quote it');
    }
  }
}

/** `plugins[3].pluginConfig.app`; keys that are no plain words are quoted. */
export function formatPath(steps: readonly (string | number)[]): string {
  let path = '';
  for (const step of steps) {
    if (typeof step === 'number') path += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) path += path === '' ? step : `.${step}`;
    else path += `[${quoted(step)}]`;
  }
  return path;
}
