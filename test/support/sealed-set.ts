/** Plugins and sealed sets for tests of the stage layer, which meets neither archives nor `run/set.ts`. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type {
  AbsPath,
  Entry,
  Kept,
  Ledger,
  LedgerRecord,
  Prepared,
  Ready,
  SealedSet,
  Validated,
} from '../../installer/core/types.ts';
import { recordOf } from '../../installer/run/set.ts';
import { hashTree } from '../../installer/stage/inventory.ts';
import { preparePlugin } from '../../installer/stage/prepare.ts';
import { testContext } from './context.ts';

/** What a test plugin is: its directory, its version and its files (path → content). */
export interface PluginSpec {
  readonly dir: string;
  readonly version: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** Writes the plugin into `scratch` as the unpacker would and prepares it. */
export async function preparedPlugin(scratch: string, index: number, spec: PluginSpec): Promise<Prepared> {
  const own = join(scratch, String(index));
  const tree = join(own, 'tree');
  writeTree(tree, filesOf(spec));
  const subject = { package: `test:${spec.dir}`, index };
  return preparePlugin(validated(tree, index, spec), testContext({ scratch: own as AbsPath, subject }));
}

export function filesOf({ dir, version, files }: PluginSpec): Readonly<Record<string, string>> {
  return {
    'package.json': JSON.stringify({ name: dir, version }),
    'dist/index.js': `exports.version = '${version}';\n`,
    'dist/deep/er/file.txt': 'x'.repeat(version.length),
    ...files,
  };
}

/** Files 0644, directories 0755, whatever the umask. */
export function writeTree(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    for (let parent = dirname(file); parent.startsWith(root); parent = dirname(parent)) chmodSync(parent, 0o755);
    writeFileSync(file, content);
    chmodSync(file, 0o644);
  }
}

/** Only the fields that the stage layer and `recordOf` read; the rest of the chain is not built in these tests. */
export function validated(tree: string, index: number, { dir, version }: PluginSpec): Validated {
  return {
    entry: testEntry(index, dir, version),
    pinned: { text: `test:${dir}@${version}` },
    archives: [],
    evidence: [],
    tree: { root: tree },
    treeDigest: hashTree(tree as AbsPath),
    manifest: { family: 'backstage', name: dir, version, dir, role: undefined, notices: [] },
  } as unknown as Validated;
}

export function testEntry(index: number, dir: string, version: string): Entry {
  return { index, package: `test:${dir}`, pin: `pin-of-${dir}-${version}`, format: undefined } as unknown as Entry;
}

export function keptPlugin(record: LedgerRecord): Kept {
  return { state: 'kept', entry: testEntry(record.index, record.dir, record.version), record };
}

/** The cast that only `run/set.ts` may make elsewhere. */
export function sealedSet(ready: readonly Ready[], run: string, ledger: Partial<Ledger> = {}): SealedSet {
  const whole: Ledger = {
    schemaVersion: 1,
    run,
    set: 'sha256:0123456789ab',
    completedAt: '2026-01-02T03:04:05.000Z',
    tool: 'portal-plugin-installer test',
    plugins: ready.map(recordOf),
    outputs: [],
    rejected: [],
    ...ledger,
  };
  return { ready, ledger: whole, appConfig: { mergeOf: () => ({}) } } as unknown as SealedSet;
}
