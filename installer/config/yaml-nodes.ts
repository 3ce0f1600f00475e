/** YAML with positions. The only importer of `yaml`, itself loaded late. YAML 1.2, core schema, with merge keys as Helm reads them. */
import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type Pair, parseDocument, type Scalar } from 'yaml';
import type { ConfigNode, MapEntry, MapNode, ScalarNode, TextSource } from './nodes.ts';
import { type Problems, quoted } from './problems.ts';
import { Reading, StopReading } from './reading.ts';

/** Nodes that aliases may add by being written out: sharing config among plugins needs hundreds, a bomb billions. */
const MAX_ALIASED_NODES = 20_000;
/** Errors of one document that are listed; later ones are usually consequences. */
const MAX_SYNTAX_ERRORS = 5;
/** Text in YAML 1.2, but true, false or another number in YAML 1.1, which Helm and PyYAML read. */
const AMBIGUOUS = /^(?:y|n|yes|no|on|off|[-+]?0[0-7]+|[-+]?\d{1,3}(?:_\d{3})+)$/i;

/** Reads a YAML document; undefined when it holds nothing. Throws StopReading after reporting syntax errors. */
export function readYaml(source: TextSource, problems: Problems): ConfigNode | undefined {
  const reading = new Reading(source, problems);
  const document = parseDocument(source.text, {
    version: '1.2',
    uniqueKeys: false, // its check is quadratic: 20,000 keys take 23 s; ours is linear
    prettyErrors: false,
    stringKeys: false,
  });
  const faults = [...document.errors, ...document.warnings];
  for (const fault of faults.slice(0, MAX_SYNTAX_ERRORS)) {
    reading.report(
      fault.pos[0],
      `not valid YAML: ${lowerFirst(fault.message)}`,
      SYNTAX_FIXES[fault.code] ?? 'check indentation, colons and quotes there and in the line before',
    );
  }
  if (faults.length > 0) throw new StopReading();
  return document.contents === null ? undefined : new YamlReader(reading).convert(document.contents);
}

const SYNTAX_FIXES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'indent with spaces',
  MULTIPLE_DOCS: 'keep one document, without --- in between',
  RESOURCE_EXHAUSTION: 'flatten the value',
  TAG_RESOLVE_FAILED: 'remove the tag',
};

class YamlReader {
  readonly #reading: Reading;
  /** Anchors passed so far: an alias means the nearest one before it. */
  readonly #anchors = new Map<string, Node>();
  #aliasedNodes = 0;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  convert(node: unknown): ConfigNode {
    if (isAlias(node)) return this.#followAlias(node);
    if (this.#reading.isRepeat) this.#countAliased(node);
    if (isMap(node)) return this.#map(node);
    if (isSeq(node)) {
      this.#remember(node);
      const mark = this.#reading.mark(offsetOf(node));
      const items = node.items.map((item, index) =>
        this.#reading.below(index, offsetOf(item), () => this.convert(item)),
      );
      return { kind: 'list', mark, items };
    }
    if (isScalar(node)) return this.#scalar(node);
    return { kind: 'scalar', mark: this.#reading.mark(0), value: null };
  }

  #map(node: Node & { readonly items: readonly Pair[] }): MapNode {
    this.#remember(node);
    const entries = new Map<string, MapEntry>();
    const merged: MapNode[] = [];
    for (const pair of node.items) {
      if (isMergeKey(pair)) merged.push(...this.#mergeSources(pair));
      else this.#addPair(pair, entries);
    }
    // Explicit keys win over merged ones, earlier merged maps over later ones.
    for (const { entries: more } of merged)
      for (const [key, entry] of more) if (!entries.has(key)) entries.set(key, entry);
    return { kind: 'map', mark: this.#reading.mark(offsetOf(node)), entries };
  }

  #addPair(pair: Pair, entries: Map<string, MapEntry>): void {
    const key = this.#key(pair.key);
    const offset = offsetOf(pair.key);
    const value = this.#reading.below(key, offset, () => {
      this.#reading.checkKey(entries, key, offset);
      return pair.value === null ? this.#nothing(offset) : this.convert(pair.value);
    });
    if (!entries.has(key)) entries.set(key, { mark: this.#reading.mark(offset), value });
  }

  #key(key: unknown): string {
    const scalar = isAlias(key) ? this.#anchors.get(key.source) : key;
    if (!isScalar(scalar)) {
      this.#reading.stop(offsetOf(key), 'a key is not text; {{ }} without quotes reads as a map', 'quote it');
    }
    this.#remember(scalar);
    if (scalar.value === null && (scalar.source ?? '') === '')
      this.#reading.stop(offsetOf(key), 'a key is empty', 'name it');
    return typeof scalar.value === 'string' ? scalar.value : (scalar.source ?? String(scalar.value));
  }

  #mergeSources(pair: Pair): readonly MapNode[] {
    const value = this.convert(pair.value);
    const maps = value.kind === 'list' ? value.items : [value];
    if (maps.every((one) => one.kind === 'map')) return maps;
    return this.#reading.stop(
      offsetOf(pair.key),
      '<< merges maps, and this is none',
      'point it to a map, or quote the key',
    );
  }

  #scalar(node: Scalar): ScalarNode {
    this.#remember(node);
    const offset = offsetOf(node);
    const mark = this.#reading.mark(offset);
    const { value } = node;
    if (typeof value === 'number') this.#reading.checkNumber(value, offset);
    const isPlain = node.type === 'PLAIN' && node.source !== undefined;
    if (isPlain && AMBIGUOUS.test(node.source ?? '')) {
      this.#reading.warn(
        offset,
        `${quoted(node.source)} means ${JSON.stringify(value)} here, but something else to YAML 1.1 tools such as Helm; quote it or write it plainly`,
      );
    }
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null) {
      return { kind: 'scalar', mark, value };
    }
    return this.#reading.stop(offset, 'the value is of a type that JSON does not have', 'quote it');
  }

  #followAlias(alias: Alias): ConfigNode {
    const offset = offsetOf(alias);
    const target = this.#anchors.get(alias.source);
    if (target === undefined)
      this.#reading.stop(
        offset,
        `the alias *${alias.source} has no anchor before it`,
        `add &${alias.source}, or quote the value`,
      );
    const wasRepeat = this.#reading.isRepeat;
    this.#reading.isRepeat = true;
    const value = this.convert(target);
    this.#reading.isRepeat = wasRepeat;
    return value;
  }

  #countAliased(node: unknown): void {
    this.#aliasedNodes += 1;
    if (this.#aliasedNodes > MAX_ALIASED_NODES) {
      this.#reading.stop(
        offsetOf(node),
        `aliases expand to more than ${MAX_ALIASED_NODES} values`,
        'write the values out',
      );
    }
  }

  #remember(node: Node): void {
    // Inside an alias everything was remembered before, and `&a [*a]` must not find itself anew.
    if (!this.#reading.isRepeat && 'anchor' in node && typeof node.anchor === 'string')
      this.#anchors.set(node.anchor, node);
  }

  #nothing(offset: number): ScalarNode {
    return { kind: 'scalar', mark: this.#reading.mark(offset), value: null };
  }
}

function isMergeKey({ key }: Pair): boolean {
  return isScalar(key) && key.value === '<<' && key.type === 'PLAIN';
}

function offsetOf(node: unknown): number {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : 0;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
}
