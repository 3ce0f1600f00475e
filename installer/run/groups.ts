import type { Resolved } from '../core/types.ts';

/** Entries that share one download: same immutable address, no plugin path inside another's. */
export type Group = readonly [Resolved, ...Resolved[]];

/**
 * Groups entries by `pinned.key`, so that one archive is fetched and unpacked once however many entries use it. An entry whose plugin
 * path equals, contains or lies below another's gets a group of its own: both cannot own the same unpacked directory. Pure.
 */
export function groupByDownload(resolved: readonly Resolved[]): readonly Group[] {
  const groups: [Resolved, ...Resolved[]][] = [];
  for (const one of resolved) {
    const home = groups.find((group) => sharesDownload(group[0], one) && !group.some((other) => overlaps(other, one)));
    if (home === undefined) groups.push([one]);
    else home.push(one);
  }
  return groups;
}

function sharesDownload(a: Resolved, b: Resolved): boolean {
  return a.pinned.key === b.pinned.key && a.pinned.layout === b.pinned.layout;
}

function overlaps(a: Resolved, b: Resolved): boolean {
  const [one, two] = [a.pinned.within, b.pinned.within];
  if (one === undefined || two === undefined) return true;
  return one === two || one.startsWith(`${two}/`) || two.startsWith(`${one}/`);
}
