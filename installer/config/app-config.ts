/** The merge of all `pluginConfig` fragments; two plugins that set one key differently are a conflict. Pure. */
import type { AppConfig } from '../core/app-config.ts';
import { canonicalJson } from './canonical.ts';
import { type ConfigNode, emptyMap, formatPosition, type MapNode, type Mark, positionOf, toPlain } from './nodes.ts';
import type { Problems } from './problems.ts';
import { formatPath } from './reading.ts';

/** The `pluginConfig` of one entry. */
export interface Fragment {
  readonly index: number;
  /** Path of the entry: `dynamicPlugins.plugins[3]`. */
  readonly path: string;
  readonly config: MapNode;
}

/**
 * Checks all fragments against each other and returns their merge as a function of the entries that made it. Maps merge key by key;
 * scalars and lists must be equal. Each difference is reported as PluginConfigConflict naming both entries, the key and both positions;
 * the values are not shown, they may be secret.
 */
export function mergeAppConfig(fragments: readonly Fragment[], problems: Problems): AppConfig {
  const root: Branch = { kind: 'map', owner: undefined, children: new Map() };
  for (const fragment of fragments) {
    refuseReserved(fragment, problems);
    graft(root, fragment.config, { fragment, trail: [] }, problems);
  }
  const ordered = fragments.toSorted((a, b) => a.index - b.index);
  return {
    mergeOf: (indexes) => {
      const wanted = new Set(indexes);
      const merged = emptyMap<unknown>();
      for (const { index, config } of ordered) if (wanted.has(index)) pour(config, merged);
      return merged;
    },
  };
}

/** Whoever wrote a value first. */
interface Owner {
  readonly fragment: Fragment;
  readonly mark: Mark;
}
interface Branch {
  readonly kind: 'map';
  readonly owner: Owner | undefined;
  readonly children: Map<string, Branch | Leaf>;
}
interface Leaf {
  readonly kind: 'leaf';
  readonly owner: Owner;
  /** Canonical JSON, for comparison. */
  readonly json: string;
}
interface Place {
  readonly fragment: Fragment;
  readonly trail: readonly string[];
}

function graft(branch: Branch, node: MapNode, place: Place, problems: Problems): void {
  const { fragment } = place;
  for (const [key, { mark, value }] of node.entries) {
    const trail = [...place.trail, key];
    const before = branch.children.get(key);
    const owner = { fragment, mark };
    if (before === undefined) branch.children.set(key, grow(value, { fragment, trail }, owner, problems));
    else if (before.kind === 'map' && value.kind === 'map') graft(before, value, { fragment, trail }, problems);
    else if (before.kind === 'map' || value.kind === 'map' || before.json !== canonicalJson(toPlain(value))) {
      reportConflict(before.owner, owner, trail, problems);
    }
  }
}

function grow(value: ConfigNode, place: Place, owner: Owner, problems: Problems): Branch | Leaf {
  if (value.kind !== 'map') return { kind: 'leaf', owner, json: canonicalJson(toPlain(value)) };
  const branch: Branch = { kind: 'map', owner, children: new Map() };
  graft(branch, value, place, problems);
  return branch;
}

function reportConflict(first: Owner | undefined, second: Owner, trail: readonly string[], problems: Problems): void {
  const key = formatPath(trail);
  const other = first === undefined ? '' : ` ${first.fragment.path} (${formatPosition(positionOf(first.mark))})`;
  problems.add({
    reason: 'PluginConfigConflict',
    mark: second.mark,
    path: `${second.fragment.path}.pluginConfig`,
    what: `${key} is set to another value than by${other}`,
    fix: `let only one of ${second.fragment.path} and ${first?.fragment.path ?? 'the other'} set ${key}`,
  });
}

/** The installer writes it itself: a plugin must not send the portal to another root. */
function refuseReserved({ path, config }: Fragment, problems: Problems): void {
  const block = config.entries.get('dynamicPlugins')?.value;
  const reserved = block?.kind === 'map' ? block.entries.get('rootDirectory') : undefined;
  if (reserved === undefined) return;
  problems.add({
    reason: 'PluginConfigConflict',
    mark: reserved.mark,
    path: `${path}.pluginConfig`,
    what: 'dynamicPlugins.rootDirectory is written by the installer',
    fix: 'remove it',
  });
}

function pour(node: MapNode, into: Record<string, unknown>): void {
  for (const [key, { value }] of node.entries) {
    if (value.kind !== 'map') {
      into[key] = toPlain(value);
      continue;
    }
    // Only maps made below are ever under a key that is a map in every fragment.
    const below = (into[key] ?? emptyMap<unknown>()) as Record<string, unknown>;
    into[key] = below;
    pour(value, below);
  }
}
