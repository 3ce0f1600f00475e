/** Entries, resolved references and outcomes for tests of what belongs to all entries. */
import { InstallError } from '../../installer/core/errors.ts';
import type { Reason } from '../../installer/core/reasons.ts';
import type {
  ArchivePath,
  Entry,
  Inventory,
  Kept,
  LedgerRecord,
  Outcome,
  Pinned,
  PluginDir,
  PluginList,
  Reference,
  Resolved,
} from '../../installer/core/types.ts';

export function testReference(text: string, overrides: Partial<Reference> = {}): Reference {
  return {
    kind: 'npm',
    text,
    origin: { scheme: 'npm', name: text, registry: 'https://registry.example/' },
    isLocal: false,
    digest: undefined,
    identity: text,
    warnings: [],
    resolve: async () => Promise.reject(new Error('this test must not resolve')),
    ...overrides,
  };
}

export function testEntry(index: number, overrides: Partial<Entry> = {}): Entry {
  const text = overrides.package ?? `npm:plugin-${index}@1.0.0`;
  return {
    index,
    package: text,
    reference: testReference(text),
    checks: [],
    pin: `integrity:sha512-${index}`,
    format: undefined,
    pullPolicy: 'IfNotPresent',
    continueOnError: false,
    pluginConfig: {},
    path: `plugins[${index}]`,
    at: { file: 'list.yaml', line: index + 2, column: 5 },
    ...overrides,
  };
}

export function testResolved(entry: Entry, overrides: Partial<Pinned> & { readonly path?: string } = {}): Resolved {
  const { path, ...pinned } = overrides;
  const within = path === undefined ? undefined : (path as ArchivePath);
  return {
    entry,
    pinned: {
      key: `key-${entry.index}`,
      text: entry.package,
      layout: 'package',
      within,
      parts: [],
      warnings: [],
      ...pinned,
    },
  };
}

export const TEST_INVENTORY: Inventory = { files: 2, bytes: 100, newestChangeMs: 1000, treeDigest: 'a'.repeat(64) };

export function testRecord(entry: Entry, overrides: Partial<LedgerRecord> = {}): LedgerRecord {
  return {
    package: entry.package,
    pin: entry.pin,
    format: entry.format,
    index: entry.index,
    name: `plugin-${entry.index}`,
    version: '1.0.0',
    family: 'backstage',
    role: 'backend-plugin',
    dir: `plugin-${entry.index}` as PluginDir,
    resolved: entry.package,
    manifestDigest: undefined,
    integrity: [`sha512-${entry.index}`],
    bytes: 50,
    source: 'https://registry.example/',
    evidence: [],
    inventory: TEST_INVENTORY,
    ...overrides,
  };
}

export function testKept(entry: Entry, overrides: Partial<LedgerRecord> = {}): Kept {
  return { state: 'kept', entry, record: testRecord(entry, overrides) };
}

export function readyOutcome(entry: Entry, overrides: Partial<LedgerRecord> = {}): Outcome {
  return { entry, ms: 5, status: 'ready', ready: testKept(entry, overrides) };
}

export function rejectedOutcome(entry: Entry, reason: Reason): Outcome {
  return { entry, ms: 5, status: 'rejected', error: new InstallError(reason, `made ${reason}`) };
}

export function testList(entries: readonly Entry[], overrides: Partial<PluginList> = {}): PluginList {
  return {
    entries,
    skipped: [],
    refused: [],
    continueOnError: false,
    requireIntegrity: true,
    allowedSources: [],
    admits: () => true,
    set: 'sha256:0123456789ab',
    file: 'list.yaml',
    warnings: [],
    appConfig: { mergeOf: () => ({}) },
    ...overrides,
  };
}
