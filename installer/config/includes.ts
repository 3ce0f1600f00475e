/** Included lists: read, merged below the including one, entry by entry and key by key as RHDH does (docs/configuration.md, "Includes"). */
import { resolve } from 'node:path';
import { asInstallError } from '../core/errors.ts';
import { redactReference } from '../core/redact.ts';
import type { ParseContext } from '../core/types.ts';
import { readNamed } from './discover.ts';
import { type ConfigNode, formatPosition, type MapEntry, type MapNode, positionOf } from './nodes.ts';
import { type PluginKey, overridden, overriddenPackage, pluginKey } from './inherit.ts';
import { type Problems, quoted } from './problems.ts';
import {
  baseDirectory,
  type Located,
  type RawEntry,
  readWireDocument,
  scalar,
  type WireDocument,
} from './wire-document.ts';
import { readDocument } from './yaml.ts';

/** Included files of one list, nested ones counted. */
const MAX_FILES = 64;

/** What includes need besides the document. */
export interface IncludeContext extends ParseContext {
  readonly problems: Problems;
}

type Keyed = PluginKey & { readonly raw: RawEntry };

/**
 * The entries of a document with those of its includes below them: an entry that names the same plugin as an included one overrides it
 * key by key, the other included entries follow at the end. Two included files must not list one plugin both. Missing files, cycles and
 * whatever is wrong in the files are reported.
 */
export async function withIncludes(
  document: WireDocument,
  ctx: IncludeContext,
): Promise<readonly (RawEntry | undefined)[]> {
  if (document.includes.length === 0) return document.entries;
  return new Includer(ctx).expand(document, []);
}

class Includer {
  readonly #ctx: IncludeContext;
  #files = 0;

  constructor(ctx: IncludeContext) {
    this.#ctx = ctx;
  }

  async expand(document: WireDocument, chain: readonly string[]): Promise<readonly (RawEntry | undefined)[]> {
    const bases: Keyed[] = [];
    for (const include of document.includes) {
      for (const raw of await this.#read(include, chain)) this.#addBase(raw, bases);
    }
    const free = new Set(bases);
    const own = document.entries.map((raw) => (raw === undefined ? undefined : this.#override(raw, free)));
    return [...own, ...[...free].map(({ raw }) => raw)];
  }

  async #read(include: Located, chain: readonly string[]): Promise<readonly RawEntry[]> {
    const { problems, cwd } = this.#ctx;
    const path = resolve(baseDirectory(include.mark, cwd), include.text);
    const fail = (what: string, fix: string): readonly RawEntry[] => {
      problems.add({ reason: 'ListInvalid', mark: include.mark, path: include.path, what, fix });
      return [];
    };
    if (chain.includes(path) || path === include.mark.source.file)
      return fail(`${quoted(path)} includes itself`, 'remove it');
    this.#files += 1;
    if (this.#files > MAX_FILES) return fail(`more than ${MAX_FILES} files are included`, 'include fewer files');
    try {
      const source = await readNamed(path, 'the included file');
      const node = await readDocument(source, problems);
      if (node === undefined) return [];
      const document = readWireDocument({ node, shape: 'included', trail: [] }, problems);
      const entries = await this.expand(document, [...chain, path]);
      return entries.filter((raw) => raw !== undefined);
    } catch (thrown) {
      const error = asInstallError(thrown);
      if (error.reason === 'Internal') throw error;
      problems.add({
        reason: error.reason,
        mark: include.mark,
        path: include.path,
        what: error.message,
        fix: `${error.fix}, or remove it from includes`,
      });
      return [];
    }
  }

  #addBase(raw: RawEntry, bases: Keyed[]): void {
    const key = pluginKey(packageOf(raw), this.#ctx);
    const twin = bases.find(({ identity }) => identity === key.identity);
    if (twin === undefined) {
      bases.push({ ...key, raw });
      return;
    }
    const other = formatPosition(positionOf(twin.raw.node.mark));
    this.#ctx.problems.add({
      reason: 'DuplicateEntry',
      mark: raw.node.mark,
      path: raw.path,
      what: `${quoted(redactReference(key.text))} is included twice, the other is ${twin.raw.path} at ${other}`,
      fix: 'list it in one of the included files only',
    });
  }

  #override(raw: RawEntry, free: Set<Keyed>): RawEntry {
    const key = pluginKey(packageOf(raw), this.#ctx);
    try {
      const base = overridden(key, [...free]);
      if (base === undefined) return raw;
      free.delete(base);
      return this.#merge(raw, key, base);
    } catch (thrown) {
      const error = asInstallError(thrown);
      if (error.reason === 'Internal') throw error;
      const mark = raw.node.entries.get('package')?.value.mark ?? raw.node.mark;
      this.#ctx.problems.add({
        reason: error.reason,
        mark,
        path: `${raw.path}.package`,
        what: error.message,
        fix: error.fix,
      });
      return { ...raw, atFault: new Set([...raw.atFault, 'package']), node: withoutKey(raw.node, 'package') };
    }
  }

  #merge(raw: RawEntry, key: PluginKey, base: Keyed): RawEntry {
    const text = overriddenPackage(key, base);
    if (!key.inherits && key.version !== base.version) this.#refuseForeignPin(raw, base);
    const entries = new Map<string, MapEntry>(base.raw.node.entries);
    // `disabled: true` below `enabled: true` would be both; the upper file decides in either spelling.
    if (raw.node.entries.has('enabled') || raw.node.entries.has('disabled')) {
      entries.delete('enabled');
      entries.delete('disabled');
    }
    for (const [name, entry] of raw.node.entries) entries.set(name, entry);
    const written = raw.node.entries.get('package');
    if (written !== undefined) entries.set('package', { ...written, value: { ...textNode(written.value, text) } });
    return { node: { ...raw.node, entries }, path: raw.path, atFault: new Set([...raw.atFault, ...base.raw.atFault]) };
  }

  /** An included pin is of the included version: it must not be read as the pin of another one. */
  #refuseForeignPin(raw: RawEntry, base: Keyed): void {
    const pin = base.raw.node.entries.get('integrity');
    if (pin === undefined || raw.node.entries.has('integrity')) return;
    this.#ctx.problems.add({
      reason: 'IntegrityMissing',
      mark: raw.node.entries.get('package')?.value.mark ?? raw.node.mark,
      path: raw.path,
      what: `another version than the included one, whose integrity (${formatPosition(positionOf(pin.mark))}) does not fit it`,
      fix: 'add integrity: sha512-… of this version',
    });
  }
}

function packageOf(raw: RawEntry): string {
  return String(scalar(raw.node, 'package') ?? '');
}

function withoutKey(node: MapNode, key: string): MapNode {
  return { ...node, entries: new Map([...node.entries].filter(([name]) => name !== key)) };
}

function textNode(node: ConfigNode, value: string): ConfigNode {
  return { kind: 'scalar', mark: node.mark, value };
}
