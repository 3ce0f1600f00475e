/** Warm start: an entry whose pin the ledger already has, and whose files are intact, needs no network (docs/contracts.md). */
import { join } from 'node:path';
import type { AbsPath, Entry, Inventory, Kept, Ledger } from '../core/types.ts';

export interface ReuseInput {
  readonly ledger: Ledger | undefined;
  readonly root: AbsPath;
  /** True when the directory is exactly what the inventory recorded. */
  readonly isIntact: (dir: AbsPath, inventory: Inventory) => boolean;
}

/**
 * `Kept` when the ledger has the same reference, pin and format and the directory matches its inventory; else undefined. Local
 * references are read again every time (the image may have changed below them), unpinned ones too when `pullPolicy` is Always.
 */
export function reuse(entry: Entry, input: ReuseInput): Kept | undefined {
  if (entry.reference.isLocal && entry.pin === undefined) return undefined;
  if (entry.pin === undefined && entry.pullPolicy === 'Always') return undefined;
  // The ledger holds references redacted, so two unpinned URLs that differ in their query look alike there.
  if (entry.pin === undefined && entry.package.includes('?')) return undefined;
  const record = input.ledger?.plugins.find(
    (one) => one.package === entry.package && one.pin === entry.pin && one.format === entry.format,
  );
  if (record === undefined) return undefined;
  const dir = join(input.root, record.dir) as AbsPath; // root is absolute, dir one segment (checked when the ledger was read)
  return input.isIntact(dir, record.inventory) ? { state: 'kept', entry, record } : undefined;
}
