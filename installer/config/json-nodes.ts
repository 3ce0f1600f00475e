/** JSON with positions: what charts write, read without loading the YAML parser (docs/performance.md, "Start-up"). RFC 8259. */
import type { ConfigNode, ListNode, MapEntry, MapNode, ScalarNode, TextSource } from './nodes.ts';
import type { Problems } from './problems.ts';
import { Reading } from './reading.ts';

/**
 * Reads a JSON document. Undefined when the text is no JSON at all: it may be YAML, nothing has been reported then. Duplicate and
 * dangerous keys, inexact numbers and deep nesting are reported; throws StopReading when it cannot go on.
 */
export function readJson(source: TextSource, problems: Problems): ConfigNode | undefined {
  // JSON.parse decides whether this is JSON: it is native and never wrong about the grammar. Values and positions are read below.
  try {
    JSON.parse(source.text);
  } catch {
    return undefined;
  }
  return new JsonReader(new Reading(source, problems)).document();
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null };

/** Walks text that is known to be valid JSON, so it need not check the grammar again. */
class JsonReader {
  readonly #reading: Reading;
  readonly #text: string;
  #at = 0;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#text = reading.source.text;
  }

  document(): ConfigNode {
    this.#skipSpace();
    return this.#value();
  }

  #value(): ConfigNode {
    const first = this.#text[this.#at];
    if (first === '{') return this.#map();
    if (first === '[') return this.#list();
    const mark = this.#reading.mark(this.#at);
    return { kind: 'scalar', mark, value: first === '"' ? this.#string() : this.#numberOrWord(mark.offset) };
  }

  #map(): MapNode {
    const mark = this.#reading.mark(this.#at);
    const entries = new Map<string, MapEntry>();
    this.#open();
    while (!this.#closes('}')) {
      const offset = this.#at;
      const key = this.#string();
      this.#skipSpace();
      this.#open(); // the colon
      const value = this.#reading.below(key, offset, () => {
        this.#reading.checkKey(entries, key, offset);
        return this.#value();
      });
      if (!entries.has(key)) entries.set(key, { mark: this.#reading.mark(offset), value });
      this.#skipComma();
    }
    return { kind: 'map', mark, entries };
  }

  #list(): ListNode {
    const mark = this.#reading.mark(this.#at);
    const items: ConfigNode[] = [];
    this.#open();
    while (!this.#closes(']')) {
      items.push(this.#reading.below(items.length, this.#at, () => this.#value()));
      this.#skipComma();
    }
    return { kind: 'list', mark, items };
  }

  #string(): string {
    const start = this.#at;
    let hasEscape = false;
    for (this.#at += 1; this.#text[this.#at] !== '"'; this.#at += 1) {
      if (this.#text[this.#at] !== '\\') continue;
      hasEscape = true;
      this.#at += 1;
    }
    this.#at += 1;
    if (!hasEscape) return this.#text.slice(start + 1, this.#at - 1);
    return String(JSON.parse(this.#text.slice(start, this.#at)));
  }

  #numberOrWord(offset: number): ScalarNode['value'] {
    for (const [word, value] of Object.entries(WORDS)) {
      if (!this.#text.startsWith(word, offset)) continue;
      this.#at += word.length;
      return value;
    }
    NUMBER.lastIndex = offset;
    const digits = NUMBER.exec(this.#text)?.[0] ?? '';
    this.#at += digits.length;
    const value = Number(digits);
    this.#reading.checkNumber(value, offset);
    return value;
  }

  /** Past one punctuation mark and the space behind it. */
  #open(): void {
    this.#at += 1;
    this.#skipSpace();
  }

  #closes(bracket: string): boolean {
    if (this.#text[this.#at] !== bracket) return false;
    this.#at += 1;
    return true;
  }

  #skipComma(): void {
    this.#skipSpace();
    if (this.#text[this.#at] === ',') this.#open();
  }

  #skipSpace(): void {
    while (' \t\n\r'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1;
  }
}
