/** The rules of docs/architecture.md, "Layers" and "Where the world is touched", by the text of every file of installer/. */
import { expect, test } from 'vitest';
import { readDocument, tableRows } from './support/documents.ts';
import { folderOf, type Import, installerFiles, type SourceFile } from './support/imports.ts';

const FILES = installerFiles();
/** What is shipped; `tools` is not. */
const SHIPPED = FILES.filter(({ folder }) => folder !== 'tools');

/** Folder → the other folders it may import. */
const LOWER = ['core', 'net', 'oci', 'npm', 'sources', 'verify', 'archive', 'formats', 'stage', 'report'];
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  net: ['core'],
  oci: ['core'],
  npm: ['core'],
  sources: ['core', 'oci', 'npm'],
  verify: ['core'],
  archive: ['core'],
  formats: ['core'],
  stage: ['core'],
  report: ['core'],
  config: LOWER,
  run: LOWER,
  commands: [...LOWER, 'config', 'run'],
  'version.ts': [],
  'cli.ts': [...LOWER, 'config', 'run', 'commands', 'version.ts'],
  'main.ts': [...LOWER, 'config', 'run', 'commands', 'version.ts', 'cli.ts'],
  tools: [...LOWER, 'config', 'run', 'commands', 'version.ts', 'cli.ts'],
};

test('there is source to look at, and every file of it belongs to a layer', () => {
  expect(FILES.length).toBeGreaterThan(100);
  expect(new Set(FILES.map(({ folder }) => folder))).toEqual(new Set(Object.keys(ALLOWED)));
});

test('no layer imports what its row in docs/architecture.md does not allow', () => {
  const wrong = FILES.flatMap(({ path, folder, imports }) =>
    imports
      .filter(({ file }) => file !== undefined && !file.startsWith('../') && folderOf(file) !== folder)
      .filter(({ file = '' }) => ALLOWED[folder]?.includes(folderOf(file)) !== true)
      .map(({ specifier }) => `${path} imports ${specifier}`),
  );
  expect(wrong).toEqual([]);
});

test('every import of a file is of one that exists', () => {
  const known = new Set(FILES.map(({ path }) => path));
  const lost = FILES.flatMap(({ path, imports }) =>
    imports
      .filter(({ file }) => file !== undefined && !file.startsWith('../') && !known.has(file))
      .map(({ specifier }) => `${path}: ${specifier}`),
  );
  expect(lost).toEqual([]);
});

test('docs/architecture.md has every folder in a layer', () => {
  const rows = tableRows(readDocument('docs/architecture.md'), 'Layers');
  const documented = rows.flatMap(([, folders = '']) => folders.match(/[\w.]+/g) ?? []);
  expect(new Set(documented)).toEqual(new Set(Object.keys(ALLOWED)));
  expect(documented.length).toBe(Object.keys(ALLOWED).length);
});

test('there are no import cycles', () => {
  // A cycle of types alone is erased before it runs.
  const edges = new Map(FILES.map((file) => [file.path, runtimeImports(file)]));
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    state.set(path, 'open');
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const { path } of FILES) visit(path, []);
  expect(cycles).toEqual([]);
});

function runtimeImports({ imports }: SourceFile): readonly string[] {
  return imports.flatMap(({ file, names }) => (file === undefined || names.startsWith('type ') ? [] : [file]));
}

test('only tools imports anything from outside of installer/, but for the version in package.json', () => {
  const leaving = FILES.filter(({ folder }) => folder !== 'tools').flatMap(({ path, imports }) =>
    imports.filter(({ file }) => file?.startsWith('../') === true).map(({ specifier }) => `${path}: ${specifier}`),
  );
  expect(leaving).toEqual(['version.ts: ../package.json']);
});

/** Files that import a module, or match a pattern, in all that is shipped. */
const importersOf = (isMeant: (one: Import) => boolean): readonly string[] =>
  SHIPPED.filter(({ imports }) => imports.some(isMeant)).map(({ path }) => path);
const filesWith = (pattern: RegExp): readonly string[] =>
  SHIPPED.filter(({ code }) => pattern.test(code)).map(({ path }) => path);
const outside = (paths: readonly string[], ...allowed: readonly string[]): readonly string[] =>
  paths.filter((path) => !allowed.some((place) => path === place || (place.endsWith('/') && path.startsWith(place))));

test('core imports no package but ssri and zod, and no module of Node that acts', () => {
  const packages = FILES.filter(({ folder }) => folder === 'core').flatMap(({ imports }) =>
    imports.filter(({ file }) => file === undefined).map(({ specifier }) => specifier),
  );
  expect(outside([...new Set(packages)], 'ssri', 'zod', 'node:crypto')).toEqual([]);
});

test('only config/env.ts reads the environment', () => {
  expect(filesWith(/\bprocess\.env\b|process\[|\benv\b[^\n]*from 'node:process'/)).toEqual(['config/env.ts']);
});

test('only main.ts knows exit codes of the process, signals and the command line', () => {
  expect(filesWith(/\bprocess\.(?:exit|exitCode|on|once|argv|abort|cwd|chdir)\b/)).toEqual(['main.ts']);
  // Signal 0 asks whether a process exists.
  const kills = SHIPPED.flatMap(({ path, code }) =>
    [...code.matchAll(/process\.kill\([^)]*\)/g)].map(([call]) => `${path}: ${call}`),
  );
  expect(kills).toEqual(['stage/owner.ts: process.kill(holder.pid, 0)']);
});

test('only main.ts has the clock and chance; run ids are made in stage/owner.ts', () => {
  expect(filesWith(/\bDate\.now\(|new Date\(\)|Math\.random|performance\.now|\bsetTimeout\b/)).toEqual(['main.ts']);
  expect(filesWith(/\brandomUUID\b|\brandomBytes\b|getRandomValues/)).toEqual(['stage/owner.ts']);
  // A heartbeat for people, which decides nothing.
  expect(filesWith(/\bsetInterval\b/)).toEqual(['net/download-progress.ts']);
});

const SOCKET_MODULES = /^(?:undici|node:(?:dgram|dns|dns\/promises|http|https|http2|net|tls))$/;
/** Of node:net, what reads text and opens nothing. */
const PURE = /^(?:type )?\{\s*(?:(?:isIP|isIPv4|isIPv6|BlockList)\b,?\s*)+\}$/;

const opens = ({ specifier, names }: Import): boolean =>
  SOCKET_MODULES.test(specifier) && !(specifier === 'node:net' && PURE.test(names)) && !names.startsWith('type ');

test('only net opens sockets and looks names up', () => {
  expect(outside(importersOf(opens), 'net/')).toEqual([]);
  expect(importersOf(opens).length).toBeGreaterThan(0);
  expect(filesWith(/(?:await|return|=>|=|\()\s*(?:globalThis\.)?fetch\(|new (?:WebSocket|EventSource)\b/)).toEqual([]);
});

test('only the credential helper starts a program', () => {
  expect(importersOf(({ specifier }) => /^node:(?:child_process|cluster|worker_threads|vm)$/.test(specifier))).toEqual([
    'net/credential-helper.ts',
  ]);
});

test('no code is loaded or made by a name that comes from outside', () => {
  const dynamic = SHIPPED.flatMap(({ path, code }) =>
    [...code.matchAll(/\bimport\s*\(\s*([^)]*)\)/g)].map(([, argument = '']) => ({ path, argument })),
  );
  expect(dynamic.length).toBeGreaterThan(0);
  expect(dynamic.filter(({ argument }) => !/^'[^']+'$/.test(argument.trim()))).toEqual([]);
  expect(filesWith(/\brequire\s*\(|createRequire|\beval\s*\(|new Function\b/)).toEqual([]);
});

test('only the places that docs/architecture.md names touch the disk', () => {
  const places = [
    'config/',
    'sources/',
    'net/',
    'verify/archive-evidence.ts',
    'archive/',
    'stage/',
    'run/',
    'report/termination.ts',
  ];
  expect(
    outside(
      importersOf(({ specifier }) => specifier.startsWith('node:fs')),
      ...places,
    ),
  ).toEqual([]);
});

test('only main.ts holds the streams of the process', () => {
  expect(filesWith(/\bprocess\.(?:stdout|stderr|stdin)\b|\bconsole\./)).toEqual(['main.ts']);
});

test('nothing is exported as default, so every name is one name everywhere', () => {
  expect(filesWith(/^export default\b/m)).toEqual([]);
});
