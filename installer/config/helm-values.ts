/** Helm values files → one map, merged as Helm merges `-f` files, and the plugin block in it. Pure. */
import type { ConfigNode, MapEntry, MapNode } from './nodes.ts';
import { keyMark, positionOf, formatPosition, valueAt } from './nodes.ts';
import type { Problems } from './problems.ts';
import { nearest } from './suggest.ts';

/**
 * Later files win: maps are merged key by key, everything else (lists too) is replaced, null removes what an earlier file set. Each
 * value keeps the position it was written at. Helm: pkg/cli/values, mergeMaps.
 */
export function mergeValues(files: readonly [MapNode, ...MapNode[]]): MapNode {
  const [first, ...rest] = files;
  return rest.reduce(mergeTwo, first);
}

function mergeTwo(base: MapNode, over: MapNode): MapNode {
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const before = entries.get(key);
    if (before !== undefined && isNull(entry.value)) entries.delete(key);
    else entries.set(key, mergeEntry(before, entry));
  }
  return { kind: 'map', mark: over.mark, entries };
}

function mergeEntry(before: MapEntry | undefined, entry: MapEntry): MapEntry {
  if (before?.value.kind !== 'map' || entry.value.kind !== 'map') return entry;
  return { mark: entry.mark, value: mergeTwo(before.value, entry.value) };
}

export interface PluginBlock {
  readonly node: MapNode;
  /** How messages call it: `dynamicPlugins` or `global.dynamic`. */
  readonly path: string;
}

/**
 * The block of plugins: `dynamicPlugins` (own and Butler charts) or `global.dynamic` (RHDH's chart, umbrella charts). Undefined when
 * neither is there. A list in both is reported: which one the pod gets would depend on the chart.
 */
export function findBlock(values: MapNode, problems: Problems): PluginBlock | undefined {
  const own = blockAt(valueAt(values, 'dynamicPlugins'), 'dynamicPlugins', problems);
  const shared = blockAt(valueAt(valueAt(values, 'global'), 'dynamic'), 'global.dynamic', problems);
  if (own === undefined || shared === undefined) return own ?? shared;
  if (hasPlugins(own.node) && hasPlugins(shared.node)) {
    problems.add({
      reason: 'ListInvalid',
      mark: keyMark(valueAt(values, 'global') ?? values, 'dynamic'),
      path: 'global.dynamic',
      what: `plugins are listed here and in dynamicPlugins (${formatPosition(positionOf(keyMark(values, 'dynamicPlugins')))})`,
      fix: 'keep one of the two blocks',
    });
  }
  return hasPlugins(shared.node) && !hasPlugins(own.node) ? shared : own;
}

/** A root key that looks like the block: `dynamicplugins`, `dynamic-plugins`. The name itself is no miss: its block is null. */
export function nearMiss(values: MapNode): string | undefined {
  return [...values.entries.keys()].find(
    (key) => key !== 'dynamicPlugins' && nearest(key, ['dynamicPlugins']) !== undefined,
  );
}

function blockAt(node: ConfigNode | undefined, path: string, problems: Problems): PluginBlock | undefined {
  if (node === undefined || isNull(node)) return undefined;
  if (node.kind === 'map') return { node, path };
  const fix = `write ${path} as a map with plugins: in it`;
  problems.add({ reason: 'ListInvalid', mark: node.mark, path, what: 'expected a map', fix });
  return undefined;
}

function hasPlugins(block: MapNode): boolean {
  const list = valueAt(block, 'plugins');
  const named = valueAt(block, 'pluginsByName');
  const includes = valueAt(block, 'includes');
  return (
    (list?.kind === 'list' && list.items.length > 0) ||
    (named?.kind === 'map' && named.entries.size > 0) ||
    (includes?.kind === 'list' && includes.items.length > 0)
  );
}

export function isNull(node: ConfigNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}
