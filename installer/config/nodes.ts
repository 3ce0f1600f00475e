/** What was written and where: the one shape of a document, whether it was JSON or YAML, one file or several merged. Pure. */
import type { Position } from '../core/types.ts';

/** A document as text; `file` is as the operator knows it (a path, or the name of the variable). */
export interface TextSource {
  readonly file: string;
  /** Without byte order mark. */
  readonly text: string;
}

/** A place in a source: UTF-16 offset into its text. */
export interface Mark {
  readonly source: TextSource;
  readonly offset: number;
}

export type ConfigNode = MapNode | ListNode | ScalarNode;

export interface MapNode {
  readonly kind: 'map';
  readonly mark: Mark;
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export interface MapEntry {
  /** Of the key. */
  readonly mark: Mark;
  readonly value: ConfigNode;
}

export interface ListNode {
  readonly kind: 'list';
  readonly mark: Mark;
  readonly items: readonly ConfigNode[];
}

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly mark: Mark;
  readonly value: string | number | boolean | null;
}

/** A value without positions: maps have no prototype, so that no key of theirs can reach one. */
export type Plain = string | number | boolean | null | readonly Plain[] | PlainMap;
export interface PlainMap {
  readonly [key: string]: Plain;
}

const lineStarts = new WeakMap<TextSource, readonly number[]>();

/** Line and column of a mark, 1-based; columns count UTF-16 units, as editors and `yaml` do. */
export function positionOf({ source, offset }: Mark): Position {
  let starts = lineStarts.get(source);
  if (starts === undefined) lineStarts.set(source, (starts = findLineStarts(source.text)));
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { file: source.file, line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
}

function findLineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  return starts;
}

/** `file:line:column`. */
export function formatPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

export function toPlain(node: ConfigNode): Plain {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  return toPlainMap(node);
}

export function toPlainMap(node: MapNode): PlainMap {
  const map: Record<string, Plain> = emptyMap();
  for (const [key, { value }] of node.entries) map[key] = toPlain(value);
  return map;
}

/** A map without prototype. */
export function emptyMap<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>; // Object.create is typed any
}

/** The value below a key; undefined when there is none or `node` is no map. */
export function valueAt(node: ConfigNode | undefined, key: string): ConfigNode | undefined {
  return node?.kind === 'map' ? node.entries.get(key)?.value : undefined;
}

/** The deepest existing place on a path of keys and indexes: a missing key is reported where it is missing. */
export function markAt(root: ConfigNode, path: readonly PropertyKey[]): Mark {
  let node = root;
  for (const step of path) {
    const next = node.kind === 'list' ? node.items[Number(step)] : valueAt(node, String(step));
    if (next === undefined) return node.mark;
    node = next;
  }
  return node.mark;
}

/** Where a key stands; its map when it is absent. */
export function keyMark(node: ConfigNode, key: string): Mark {
  return (node.kind === 'map' ? node.entries.get(key)?.mark : undefined) ?? node.mark;
}
