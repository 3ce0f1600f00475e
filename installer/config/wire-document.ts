/** A document with positions → the list as it was written, validated: wire file, included file or values block. Pure. */
import { z } from 'zod';
import { dirname, isAbsolute } from 'node:path';
import { isNull } from './helm-values.ts';
import {
  type ConfigNode,
  emptyMap,
  keyMark,
  type MapNode,
  type Mark,
  type Plain,
  type PlainMap,
  toPlain,
  toPlainMap,
  valueAt,
} from './nodes.ts';
import { type Problems } from './problems.ts';
import { formatPath } from './reading.ts';
import { entrySchema, SHAPES, type Shape } from './schema.ts';
import { explainsMissingPlugins, validate } from './schema-problems.ts';

/** A text of the list with its place. */
export interface Located {
  readonly text: string;
  readonly mark: Mark;
  readonly path: string;
}

/** One element of `plugins[]` as written; keys that failed validation are gone from `node`. */
export interface RawEntry {
  readonly node: MapNode;
  /** `dynamicPlugins.plugins[3]`. */
  readonly path: string;
  /** Keys that were reported already. */
  readonly atFault: ReadonlySet<string>;
}

export interface WireDocument {
  readonly continueOnError: boolean;
  readonly requireIntegrity: boolean;
  readonly allowedSources: readonly Located[];
  /** Lower-priority lists; paths as written. */
  readonly includes: readonly Located[];
  /** One for each element of `plugins[]`, then of `pluginsByName`; undefined where it could not be read. */
  readonly entries: readonly (RawEntry | undefined)[];
  /** The wire document that `set` is the digest of: globals with their defaults, entries as written. */
  readonly canonical: PlainMap;
}

/** A document and how to read it. */
export interface DocumentInput {
  readonly node: MapNode;
  readonly shape: Shape;
  /** Steps in front of the document's keys: empty, `['dynamicPlugins']` or `['global', 'dynamic']`. */
  readonly trail: readonly string[];
}

/** Validates a document and takes it apart; everything wrong is reported, what is right is returned all the same. */
export function readWireDocument(input: DocumentInput, problems: Problems): WireDocument {
  const node = input.shape === 'block' ? withoutNulls(input.node) : input.node;
  const schema = SHAPES[input.shape].extend({
    plugins: z.array(z.unknown()).optional(),
    pluginsByName: z.unknown().optional(),
  });
  // Entries are validated one by one below, so that one bad entry hides nothing of the others.
  const atFault = validate({ schema, node, trail: input.trail }, problems);
  const sound = without(node, atFault);
  const isDisabled = input.shape === 'block' && scalar(sound, 'enabled') === false;
  const raw = isDisabled ? [] : [...listed(sound, input), ...named(sound, input, problems)];
  const entries = raw.map(({ node: item, trail }) => readEntry(item, trail, problems));
  if (raw.length === 0 && !isDisabled) requirePlugins({ ...input, node: sound }, atFault, problems);
  const globals = globalsOf(sound, input, problems);
  return {
    ...globals,
    entries,
    canonical: canonicalOf(
      globals,
      raw.map((one) => toPlain(one.node)),
    ),
  };
}

function globalsOf(
  node: MapNode,
  input: DocumentInput,
  problems: Problems,
): Pick<WireDocument, 'continueOnError' | 'requireIntegrity' | 'allowedSources' | 'includes'> {
  return {
    continueOnError: continueOnErrorOf(node, input, problems),
    requireIntegrity: scalar(node, 'requireIntegrity') !== false,
    allowedSources: texts(node, 'allowedSources', input.trail),
    includes: texts(node, 'includes', input.trail),
  };
}

/** `installer.continueOnError` is Butler's place, `continueOnError` ours: different values in both decide nothing. */
function continueOnErrorOf(node: MapNode, { trail }: DocumentInput, problems: Problems): boolean {
  const own = scalar(node, 'continueOnError');
  const installer = valueAt(node, 'installer');
  const butlers = scalar(installer, 'continueOnError');
  if (typeof own === 'boolean' && typeof butlers === 'boolean' && own !== butlers) {
    problems.add({
      reason: 'ListInvalid',
      mark: keyMark(node, 'continueOnError'),
      path: formatPath([...trail, 'continueOnError']),
      what: `continueOnError is ${own} here and ${butlers} in installer.continueOnError`,
      fix: 'keep one of the two',
    });
  }
  return (own ?? butlers) === true;
}

interface RawItem {
  readonly node: ConfigNode;
  readonly trail: readonly (string | number)[];
}

function listed(node: MapNode, { trail }: DocumentInput): readonly RawItem[] {
  const list = valueAt(node, 'plugins');
  if (list?.kind !== 'list') return [];
  return list.items.map((item, index) => ({ node: item, trail: [...trail, 'plugins', index] }));
}

/** Entries by name, in key order as the chart lists them; null removes one. */
function named(node: MapNode, { shape, trail }: DocumentInput, problems: Problems): readonly RawItem[] {
  const map = valueAt(node, 'pluginsByName');
  if (shape !== 'block' || map === undefined) return [];
  if (map.kind !== 'map') {
    problems.add({
      reason: 'ListInvalid',
      mark: map.mark,
      path: formatPath([...trail, 'pluginsByName']),
      what: 'expected a map',
      fix: 'write a map from a free name to an entry',
    });
    return [];
  }
  return [...map.entries]
    .filter(([, { value }]) => !isNull(value))
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, { value }]) => ({
      node: value.kind === 'map' ? withoutNulls(value) : value,
      trail: [...trail, 'pluginsByName', name],
    }));
}

function readEntry(node: ConfigNode, trail: readonly (string | number)[], problems: Problems): RawEntry | undefined {
  const path = formatPath(trail);
  if (node.kind !== 'map') {
    const what =
      node.kind === 'scalar' && typeof node.value === 'string' ? 'expected a map, found text' : 'expected a map';
    problems.add({ reason: 'ListInvalid', mark: node.mark, path, what, fix: 'write - package: REFERENCE' });
    return undefined;
  }
  const atFault = validate({ schema: entrySchema, node, trail }, problems);
  return { node: without(node, atFault), path, atFault };
}

/** An empty list must be written: a key that was forgotten or misspelt must not remove all plugins of a portal. */
function requirePlugins({ node, shape, trail }: DocumentInput, atFault: ReadonlySet<string>, problems: Problems): void {
  const hasOther =
    texts(node, 'includes', trail).length > 0 || (shape === 'block' && valueAt(node, 'pluginsByName') !== undefined);
  if (hasOther || valueAt(node, 'plugins') !== undefined || [...atFault].some(explainsMissingPlugins)) return;
  const fix = 'write plugins: [] for a list without plugins';
  problems.add({ reason: 'ListInvalid', mark: node.mark, path: formatPath(trail), what: 'plugins is missing', fix });
}

function canonicalOf(globals: Omit<WireDocument, 'entries' | 'canonical'>, plugins: readonly Plain[]): PlainMap {
  const document: Record<string, Plain> = emptyMap();
  document['allowedSources'] = globals.allowedSources.map(({ text }) => text);
  document['continueOnError'] = globals.continueOnError;
  if (globals.includes.length > 0) document['includes'] = globals.includes.map(({ text }) => text);
  document['plugins'] = plugins;
  document['requireIntegrity'] = globals.requireIntegrity;
  return document;
}

function texts(node: MapNode, key: string, trail: readonly string[]): readonly Located[] {
  const list = valueAt(node, key);
  if (list?.kind !== 'list') return [];
  return list.items.flatMap((item, index) =>
    item.kind === 'scalar' && typeof item.value === 'string'
      ? [{ text: item.value, mark: item.mark, path: formatPath([...trail, key, index]) }]
      : [],
  );
}

/** The value of a key when it is a scalar. */
export function scalar(node: ConfigNode | undefined, key: string): string | number | boolean | null | undefined {
  const value = valueAt(node, key);
  return value?.kind === 'scalar' ? value.value : undefined;
}

function without(node: MapNode, keys: ReadonlySet<string>): MapNode {
  if (keys.size === 0) return node;
  return { ...node, entries: new Map([...node.entries].filter(([key]) => !keys.has(key))) };
}

/** In Helm values, null is how a key is unset. */
function withoutNulls(node: MapNode): MapNode {
  return { ...node, entries: new Map([...node.entries].filter(([, { value }]) => !isNull(value))) };
}

/** Directory that paths of a document are relative to: the file's, or `cwd` for a list from a variable. */
export function baseDirectory(mark: Mark, cwd: string): string {
  return isAbsolute(mark.source.file) ? dirname(mark.source.file) : cwd;
}

/** The plain value of an entry's key. */
export function plainOf(entry: RawEntry): PlainMap {
  return toPlainMap(entry.node);
}
