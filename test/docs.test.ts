/** The documents say what the program does: links, lists, commands, texts and tables are compared with the code. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import manifest from '../package.json' with { type: 'json' };
import type { CommandName } from '../installer/config/setting-kinds.ts';
import { parseFlags } from '../installer/config/settings-parse.ts';
import { settingRows } from '../installer/config/settings-table.ts';
import { EXIT, exitCodeOf, isTolerable } from '../installer/core/exit.ts';
import { REASONS, type Stage } from '../installer/core/reasons.ts';
import { parseDockerConfig } from '../installer/net/docker-auth.ts';
import { keyApplies, parseRegistryKey, registryAddress } from '../installer/net/docker-key.ts';
import { readNpmrc } from '../installer/net/npmrc.ts';
import { formatOciReference, parseOciReference } from '../installer/oci/reference.ts';
import { toLogLines } from '../installer/report/log-line.ts';
import { CAUSES } from '../installer/verify/diagnose.ts';
import {
  anchorsOf,
  codeSpans,
  type Document,
  documents,
  filesBelow,
  PROJECT,
  readDocument,
  tableRows,
} from './support/documents.ts';
import { docSnippets } from './support/doc-snippets.ts';
import { directoryOf, load, loadText, PIN } from './support/list.ts';
import { everyEvent } from './support/run-summary.ts';
import { thrownBy, visible } from './support/thrown.ts';

const DOCUMENTS = documents();
const each = DOCUMENTS.map((document) => [document.path, document] as const);
/** A record, so that a new command cannot be forgotten here. */
const COMMANDS: Readonly<Record<CommandName, true>> = { install: true, verify: true, explain: true };
const bare = (cell = ''): string => cell.replaceAll('`', '');

test.each(each)('every link of %s leads somewhere', (path, document) => {
  const broken = linksOf(document).filter((link) => !isAlive(path, link));
  expect(broken).toEqual([]);
});

function linksOf({ prose }: Document): readonly string[] {
  const text = prose.replaceAll(/`[^`\n]*`(?!\]\()/g, (span) => span.replaceAll(/[[\]()]/g, '_'));
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

function isAlive(from: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return link.startsWith('https://');
  const [file = '', anchor] = link.split('#', 2);
  const target = file === '' ? from : normalize(join(dirname(from), file));
  if (target.startsWith('..') || !existsSync(join(PROJECT, target))) return false;
  return anchor === undefined || (target.endsWith('.md') && anchorsOf(readDocument(target)).has(anchor));
}

test('every document and section that a comment refers to exists', () => {
  const lost = ['installer', 'test', 'bench', 'examples'].flatMap((folder) =>
    filesBelow(folder, ['.ts', '.js', '.md']).flatMap(lostReferences),
  );
  expect([...new Set(lost)]).toEqual([]);
});

function lostReferences(path: string): readonly string[] {
  // A reference may be broken over two lines of a comment.
  const text = readFileSync(join(PROJECT, path), 'utf8').replaceAll(/\s*\n\s*(?:\*|\/\/)?\s*/g, ' ');
  return [...text.matchAll(/\bdocs\/([a-z-]+\.md)(?:, "([^"]{1,60})")?/g)].flatMap(([, name = '', section]) => {
    if (!existsSync(join(PROJECT, 'docs', name))) return [`${path}: docs/${name}`];
    if (section === undefined) return [];
    const wanted = section.toLowerCase();
    const isThere = readDocument(`docs/${name}`).headings.some((heading) => heading.toLowerCase().startsWith(wanted));
    return isThere ? [] : [`${path}: docs/${name}, "${section}"`];
  });
}

test.each(each)('every plugin list in %s is accepted, its sources included', async (_, { blocks }) => {
  for (const { language, content, line } of blocks.filter((block) => block.language === 'yaml')) {
    const value: unknown = parseYaml(content);
    const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    const isList = keys.includes('plugins') || keys.includes('dynamicPlugins');
    if (!isList) continue;
    const list = keys.includes('plugins')
      ? await loadText(content)
      : await load({ values: [join(directoryOf({ 'values.yaml': content }), 'values.yaml')] });
    expect(list.entries.length, `${language} of line ${line}`).toBeGreaterThan(0);
    expect(list.refused, `line ${line}`).toEqual([]);
  }
});

test.each(each)('every block of data in %s parses', (_, { blocks }) => {
  for (const { language, content } of blocks) {
    if (language === 'json') JSON.parse(content);
    if (language === 'yaml') expect(parseYaml(content)).toBeDefined();
  }
});

test.each(each)('every command of %s exists and takes these arguments', (_, document) => {
  const wrong = commandsOf(document).flatMap((command) => faultOf(command) ?? []);
  expect(wrong).toEqual([]);
});

/** Lines of shell blocks and code spans that call this program or npm, one call each. */
function commandsOf(document: Document): readonly string[] {
  const shell = document.blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ content }) => content.split('\n'));
  return [...shell, ...codeSpans(document)]
    .flatMap((line) => line.replace(/\s#.*$/, '').split(/\s*(?:&&|;)\s*/))
    .map((call) =>
      call.trim().replace(/^(?:npx )?node (?:installer\/main\.ts|dist\/portal-plugins\.mjs)/, 'portal-plugins'),
    )
    .filter((call) => /^(?:portal-plugins(?: |$)|npm )/.test(call));
}

function faultOf(call: string): string | undefined {
  const [program = '', ...words] = call.replaceAll(/ (?:\[[^\]]*\]|…)/g, '').split(/\s+/);
  if (program === 'npm') return isNpmCall(words) ? undefined : `${call}: no such script`;
  const [first] = words;
  const isNamed = first !== undefined && Object.hasOwn(COMMANDS, first);
  try {
    parseFlags(isNamed ? (first as CommandName) : 'install', isNamed ? words.slice(1) : words);
    return undefined;
  } catch (thrown) {
    return `${call}: ${String(thrown)}`;
  }
}

function isNpmCall([verb = '', script = '']: readonly string[]): boolean {
  const scripts = Object.keys(manifest.scripts);
  if (verb === 'run') return script === 'X' || scripts.includes(script);
  return ['ci', 'view', 'pack', 'publish'].includes(verb) || scripts.includes(verb);
}

test('the texts of the program in the documents are its own', async () => {
  const snippets = await docSnippets();
  const shown = new Set<string>();
  for (const { path, blocks } of DOCUMENTS) {
    for (const { snippet, content, line } of blocks) {
      if (snippet === undefined) continue;
      shown.add(snippet);
      expect(content, `${path}:${line}, ${snippet}`).toBe(snippets.get(snippet));
    }
  }
  expect(shown).toEqual(new Set(snippets.keys()));
});

test('no log line or message stands in a document without being compared', () => {
  const marks = /^(?:ts=\d|\{"level"|[A-Z]\w+: \d+ of \d+ plugins failed|ok: \d+ plugins)/m;
  const loose = DOCUMENTS.flatMap(({ path, blocks }) =>
    blocks
      .filter(({ snippet, content }) => snippet === undefined && marks.test(content))
      .map(({ line }) => `${path}:${line}`),
  );
  expect(loose).toEqual([]);
});

test('every reason, variable and exit code that a document names exists', () => {
  const variables = new Set(settingRows().flatMap(({ variable, ecosystem = [] }) => [variable, ...ecosystem]));
  const source = filesBelow('installer', ['.ts'])
    .map((path) => readFileSync(join(PROJECT, path), 'utf8'))
    .join('\n');
  const words = new Set(source.match(/\w+/g));
  const unknown = DOCUMENTS.flatMap((document) =>
    codeSpans(document)
      .filter((span) => {
        if (/^PORTAL_PLUGINS_[A-Z_]+(?:=\S*)?$/.test(span))
          return !variables.has(span.replace(/=.*/, '')) && span !== 'PORTAL_PLUGINS_';
        return /^[A-Z][a-z]+(?:[A-Z][a-z]+)+$/.test(span) && !Object.hasOwn(REASONS, span) && !words.has(span);
      })
      .map((span) => `${document.path}: ${span}`),
  );
  expect(unknown).toEqual([]);
});

test.each(each)('every variable of this program in a block of %s exists', (_, { blocks }) => {
  const known = new Set(settingRows().flatMap(({ variable }) => variable ?? []));
  const named = blocks.flatMap(({ content }) => content.match(/\bPORTAL_PLUGINS_[A-Z_]+\b/g) ?? []);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

/** Where an operator looks for a reason of a stage. */
const PAGES: Readonly<Record<Stage, readonly string[]>> = {
  configure: ['docs/troubleshooting.md', 'docs/sources.md', 'docs/contracts.md'],
  resolve: ['docs/sources.md'],
  fetch: ['docs/sources.md'],
  verify: ['docs/sources.md', 'docs/troubleshooting.md'],
  unpack: ['docs/security.md', 'docs/sources.md'],
  validate: ['docs/plugins.md'],
  commit: ['docs/troubleshooting.md', 'docs/plugins.md'],
  run: ['docs/troubleshooting.md', 'docs/architecture.md'],
  warning: ['docs/plugins.md', 'docs/troubleshooting.md'],
};

test.each(Object.entries(REASONS))('%s is explained where an operator looks for it', (reason, { stage }) => {
  const spans = PAGES[stage].flatMap((path) => codeSpans(readDocument(path)));
  expect(spans.some((span) => span === reason)).toBe(true);
});

test('docs/contracts.md lists every exit code by its name', () => {
  const rows = tableRows(readDocument('docs/contracts.md'), 'Exit codes');
  expect(Object.fromEntries(rows.map(([code, name]) => [name, Number(code)]))).toEqual(EXIT);
});

test('docs/troubleshooting.md has a first step for every exit code', () => {
  const rows = tableRows(readDocument('docs/troubleshooting.md'), 'By exit code');
  const codes = rows.flatMap(([cell = '']) => cell.match(/\d+/g) ?? []).map(Number);
  expect(codes).toEqual(expect.arrayContaining(Object.values(EXIT)));
});

test('docs/exit-codes.md says which exit codes continueOnError covers', () => {
  const { prose } = readDocument('docs/exit-codes.md');
  const codesIn = (pattern: RegExp): readonly number[] => (pattern.exec(prose)?.[1]?.match(/\d+/g) ?? []).map(Number);
  const failing = Object.values(EXIT).filter((code) => code !== EXIT.ok);
  expect(new Set(codesIn(/with exit code ([\d, and\s]+),/))).toEqual(new Set(failing.filter(isTolerable)));
  expect(new Set(codesIn(/Never covered: ([\d, and\s]+)\./))).toEqual(
    new Set(failing.filter((code) => !isTolerable(code))),
  );
});

test('docs/exit-codes.md states the precedence of exit codes', () => {
  const stated = /the first of ([\d, and\s]+) that a/.exec(readDocument('docs/exit-codes.md').prose)?.[1] ?? '';
  const order = (stated.match(/\d+/g) ?? []).map(Number);
  expect(new Set(order)).toEqual(new Set(Object.values(EXIT).filter((code) => code !== EXIT.ok)));
  for (const [index, code] of order.entries()) expect(exitCodeOf(order.slice(index).toReversed())).toBe(code);
});

test('docs/contracts.md lists every log event with its level and every field', () => {
  const rows = tableRows(readDocument('docs/contracts.md'), 'Logs');
  const documented = new Map(rows.map(([event, level, , fields = '']) => [bare(event), { level, fields }]));
  const common = new Set(['event', 'package', 'index', 'set']);
  const seen = new Set<string>();
  for (const { level, fields } of everyEvent('text').flatMap((event) => toLogLines(event, 'sha256:0'))) {
    const event = String(fields.find(([name]) => name === 'event')?.[1] ?? '');
    if (event === '') continue;
    seen.add(event);
    expect(documented.get(event)?.level, event).toBe(level);
    for (const [name] of fields) {
      // Details of a reason are the reason's own; the table says that there are such.
      if (common.has(name) || (event === 'plugin_rejected' && ['from', 'names'].includes(name))) continue;
      expect(documented.get(event)?.fields, `${event} ${name}`).toMatch(new RegExp(`\`${name}[\`=]`));
    }
  }
  expect(seen).toEqual(new Set(documented.keys()));
});

test('docs/contracts.md lists every cause of a mismatch by its evidence', () => {
  const rows = tableRows(readDocument('docs/contracts.md'), 'Reasons');
  expect(new Set(rows.map(([evidence]) => bare(evidence)))).toEqual(new Set(Object.keys(CAUSES)));
});

test.each(tableRows(readDocument('docs/sources.md'), 'allowed-sources').map((row) => row.map(bare)))(
  'the pattern %s and the source %s: admitted %s',
  async (pattern, source = '', admitted = '') => {
    const plugins = [{ package: source, ...(source.startsWith('./') ? {} : { integrity: PIN }) }];
    const list = await loadText(JSON.stringify({ allowedSources: [pattern], plugins }));
    expect(['yes', 'no']).toContain(admitted);
    expect(list.refused.length).toBe(admitted === 'yes' ? 0 : 1);
  },
);

test.each(tableRows(readDocument('docs/security.md'), 'limits').map((row) => row.map(bare)))(
  'the limit "%s" is %s by %s and refuses with %s',
  (_, shownDefault, variable, reason) => {
    expect(settingRows().find((row) => row.variable === variable)?.shownDefault).toBe(shownDefault);
    expect(Object.keys(REASONS)).toContain(reason);
  },
);

test.each(tableRows(readDocument('docs/sources.md'), 'oci-references').map((row) => row.map(bare)))(
  'the reference %s means %s',
  (reference = '', result = '') => {
    if (!result.startsWith('ReferenceInvalid')) {
      expect(formatOciReference(parseOciReference(reference))).toBe(result);
      return;
    }
    const error = thrownBy(() => parseOciReference(reference));
    expect(error.reason).toBe('ReferenceInvalid');
    expect(visible(error)).not.toContain('secret');
    if (result.includes('lower-case spelling')) expect(error.fix).toContain('acme/todo');
  },
);

test.each(tableRows(readDocument('docs/sources.md'), 'docker-keys').map((row) => row.map(bare)))(
  'the credential of %s for %s: applies %s',
  (text = '', target = '', applies = '') => {
    const key = parseRegistryKey(text);
    const [registry = '', ...repository] = target.split('/');
    const address = registryAddress(registry, repository.join('/'));
    if (key === undefined || address === undefined) throw new Error('the row does not parse');
    expect(keyApplies(key, address) ? 'yes' : 'no').toBe(applies);
  },
);

test('the credentials files that docs/sources.md shows are understood', async () => {
  const { blocks } = readDocument('docs/sources.md');
  const docker = blocks.filter(({ language }) => language === 'json');
  const npmrc = blocks.filter(({ language }) => language === 'ini');
  expect([docker.length, npmrc.length]).toEqual([1, 1]);
  const config = parseDockerConfig('config.json', docker[0]?.content ?? '');
  expect(config.entries.map(({ credential }) => credential?.kind)).toEqual(['basic', 'basic', 'identity-token']);
  const directory = directoryOf({ 'ca.pem': '-----BEGIN CERTIFICATE-----' });
  const text = (npmrc[0]?.content ?? '').replace(/(?<=cafile=).*/, 'ca.pem');
  writeFileSync(join(directory, '.npmrc'), text);
  const read = await readNpmrc(join(directory, '.npmrc'), { NPM_TOKEN: 'token' }, () => false);
  const registry = read.registryFor('@acme/todo');
  expect(registry.href).toBe('https://npm.acme.example/private/');
  expect(read.npm(registry, registry)).toMatchObject({ authorization: 'Bearer token' });
  expect(read.warnings).toEqual([]);
});

test('no document names a place outside of the project', () => {
  const names = DOCUMENTS.filter(({ text }) => /\/work\/|shared\/design|\/tmp\//.test(text)).map(({ path }) => path);
  expect(names.map((path) => relative(PROJECT, join(PROJECT, path)))).toEqual([]);
});
