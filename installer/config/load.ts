/** File or variable → PluginList, every problem at once and before any network access (docs/contracts.md, "The wire file"). */
import { InstallError } from '../core/errors.ts';
import { redactReference } from '../core/redact.ts';
import type { Settings } from '../core/settings.ts';
import type { Entry, ParseContext, PluginList } from '../core/types.ts';
import { admitter, parsePattern, type Pattern, patternFor } from './allowed-sources.ts';
import { mergeAppConfig } from './app-config.ts';
import { setOf } from './canonical.ts';
import { findList, type FoundList } from './discover.ts';
import { buildEntries } from './entries.ts';
import { findBlock, mergeValues, nearMiss } from './helm-values.ts';
import { withIncludes } from './includes.ts';
import type { MapNode, TextSource } from './nodes.ts';
import { Problems, quoted } from './problems.ts';
import { type Located, type RawEntry, readWireDocument, scalar, type WireDocument } from './wire-document.ts';
import { readDocument } from './yaml.ts';

/** What references need to know of the rest of the configuration; functions, not methods. */
export type LoadDeps = Omit<ParseContext, 'cwd'>;

/**
 * Finds, reads and checks the list. Throws one InstallError for all that is wrong: its reason is the common one, else ListInvalid, and
 * `details.problems` has a line `file:line:column path: what. Fix: …` for each. Throws ListNotFound when there is no list. Sources that
 * are not allowed do not throw: they are failures of one plugin each, in `refused`. Reads files, opens no socket.
 */
export async function loadList(settings: Pick<Settings, 'list' | 'cwd'>, deps: LoadDeps): Promise<PluginList> {
  const problems = new Problems();
  const found = await findList(settings.list, settings.cwd);
  const document = await readFound(found, problems);
  if (document === undefined) {
    problems.throwIfAny();
    throw new InstallError('Internal', 'a list could not be read and nothing was wrong with it');
  }
  const parse = {
    ...deps,
    cwd: settings.cwd,
    problems,
  };
  const raws = await withIncludes(document, parse);
  const { continueOnError, requireIntegrity } = document;
  const built = buildEntries(raws, { ...parse, continueOnError, requireIntegrity, families: await familiesFor(raws) });
  const appConfig = mergeAppConfig(built.fragments, problems);
  const admits = admitter(parsePatterns(document.allowedSources, problems));
  problems.throwIfAny();
  const isRefused = (entry: Entry): boolean => !entry.reference.isLocal && !admits(entry.reference.origin);
  return {
    entries: built.entries,
    skipped: built.skipped,
    refused: built.entries.filter(isRefused).map((entry) => ({ entry, error: sourceNotAllowed(entry, document) })),
    continueOnError,
    requireIntegrity,
    allowedSources: document.allowedSources.map(({ text }) => text),
    admits,
    set: setOf(document.canonical),
    file: nameOf(found),
    warnings: problems.warnings,
    appConfig,
  };
}

async function readFound(found: FoundList, problems: Problems): Promise<WireDocument | undefined> {
  if (found.kind === 'wire') {
    const node = await readDocument(found.source, problems);
    return node === undefined ? undefined : readWireDocument({ node, shape: 'wire', trail: [] }, problems);
  }
  const values = await readValues(found.sources, problems);
  if (values === undefined) return undefined;
  const block = findBlock(values, problems);
  if (block !== undefined)
    return readWireDocument({ node: block.node, shape: 'block', trail: block.path.split('.') }, problems);
  problems.throwIfAny();
  throw noBlock(values, nameOf(found));
}

function noBlock(values: MapNode, names: string): InstallError {
  const near = nearMiss(values);
  return new InstallError('ListNotFound', `there is neither dynamicPlugins nor global.dynamic in ${names}`, {
    details: {
      fix:
        near === undefined
          ? 'add dynamicPlugins.plugins to one of the values files; with nothing below it, or null in a later file, a block counts as absent'
          : `rename ${quoted(near)} to dynamicPlugins`,
    },
  });
}

/** All files, so that the problems of all are known; an empty values file is an honest layer, unlike an empty list. */
async function readValues(sources: readonly TextSource[], problems: Problems): Promise<MapNode | undefined> {
  const nodes: MapNode[] = [];
  let isComplete = true;
  for (const source of sources) {
    if (/^(?:\s*(?:#.*)?\n)*\s*(?:#.*)?$/.test(source.text)) continue;
    const node = await readDocument(source, problems);
    if (node === undefined) isComplete = false;
    else nodes.push(node);
  }
  const [first, ...rest] = nodes;
  if (!isComplete) return undefined;
  const [source] = sources;
  if (first !== undefined) return mergeValues([first, ...rest]);
  return source === undefined ? undefined : { kind: 'map', mark: { source, offset: 0 }, entries: new Map() };
}

/** The families are code that most lists never name: loaded only for those that do. */
async function familiesFor(raws: readonly (RawEntry | undefined)[]): Promise<readonly string[]> {
  if (!raws.some((raw) => raw !== undefined && scalar(raw.node, 'format') !== undefined)) return [];
  const { FORMATS } = await import('../formats/index.ts');
  return FORMATS.map(({ family }) => family);
}

function parsePatterns(allowedSources: readonly Located[], problems: Problems): readonly Pattern[] {
  return allowedSources.flatMap(({ text, mark, path }) => {
    const pattern = parsePattern(text);
    if (!('fault' in pattern)) return [pattern];
    const what = `${quoted(redactReference(text))} is no pattern: ${pattern.fault}`;
    problems.add({ reason: 'ListInvalid', mark, path, what, fix: pattern.fix });
    return [];
  });
}

function sourceNotAllowed(entry: Entry, document: WireDocument): InstallError {
  const pattern = patternFor(entry.reference.origin);
  const count = document.allowedSources.length;
  return new InstallError(
    'SourceNotAllowed',
    `${entry.package} matches none of the ${count} patterns of allowedSources`,
    {
      details: {
        source: entry.reference.text,
        pattern,
        key: entry.path,
        at: `${entry.at.file}:${entry.at.line}:${entry.at.column}`,
        fix: `add "${pattern}" to allowedSources, or use an allowed source`,
      },
    },
  );
}

function nameOf(found: FoundList): string {
  return found.kind === 'wire' ? found.source.file : found.sources.map(({ file }) => file).join(', ');
}
