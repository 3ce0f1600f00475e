import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ConfigNode, markAt, positionOf, toPlain } from '../../../installer/config/nodes.ts';
import { Problems } from '../../../installer/config/problems.ts';
import { readDocument, readSource, sourceOf } from '../../../installer/config/yaml.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import { directoryOf, failureOf, PIN, problemsOf } from '../../support/list.ts';

interface Read {
  readonly node: ConfigNode | undefined;
  readonly problems: Problems;
}

async function read(text: string): Promise<Read> {
  const problems = new Problems();
  return { node: await readDocument(sourceOf('list', text), problems), problems };
}

async function plain(text: string): Promise<unknown> {
  const { node, problems } = await read(text);
  problems.throwIfAny();
  return node === undefined ? undefined : JSON.parse(JSON.stringify(toPlain(node)));
}

/** `line:column what` of every problem. */
async function faults(text: string): Promise<readonly string[]> {
  const { problems } = await read(text);
  try {
    problems.throwIfAny();
  } catch (thrown) {
    if (thrown instanceof InstallError && Array.isArray(thrown.details['problems'])) {
      return thrown.details['problems'].map((line) => String(line).replace(/^list:/, ''));
    }
    throw thrown;
  }
  return [];
}

const SAME = [
  ['a: 1\nb: [x, true, null, 1.5]\n', '{"a":1,"b":["x",true,null,1.5]}'],
  ['a:\n  b:\n    - c: ""\n', '{"a":{"b":[{"c":""}]}}'],
  ['{}', '{}'],
  ['"k\\u00e9y": "\\u2028 \\"q\\" \\\\ \\n"', '{"k\\u00e9y":"\\u2028 \\"q\\" \\\\ \\n"}'],
] as const;

test.each(SAME)('YAML %j and JSON %j are the same document', async (yaml, json) => {
  expect(await plain(yaml)).toEqual(await plain(json));
  expect(await plain(json)).toEqual(JSON.parse(json));
});

test.each([
  ['JSON', '{ "plugins": [\n  {"package": "x"}\n ] }', ['plugins', 0, 'package'], { line: 2, column: 15 }],
  ['YAML', 'plugins:\n  - package: x\n', ['plugins', 0, 'package'], { line: 2, column: 14 }],
  ['YAML with CRLF', 'plugins:\r\n  - package: x\r\n', ['plugins', 0, 'package'], { line: 2, column: 14 }],
  ['YAML with a byte order mark', '\uFEFFplugins:\n  - package: x\n', ['plugins', 0], { line: 2, column: 5 }],
  ['JSON with a byte order mark', '\uFEFF{"plugins": []}', ['plugins'], { line: 1, column: 13 }],
  ['a missing key', 'plugins:\n  - package: x\n', ['plugins', 0, 'integrity'], { line: 2, column: 5 }],
])('%s has its positions', async (_, text, path, position) => {
  const { node } = await read(text);
  if (node === undefined) throw new Error('nothing was read');
  expect(positionOf(markAt(node, path))).toEqual({ file: 'list', ...position });
});

test.each([
  ['', '1:1: the document is empty'],
  ['   \n\n', '1:1: the document is empty'],
  ['# only a comment\n', '1:1: the document is empty'],
  ['---\n', '1:4: the document is empty'],
  ['null', '1:1: the document is empty'],
  ['[]', '1:1: expected a map, found a list'],
  ['just text', '1:1: expected a map, found "just text"'],
])('the document %j is refused and never an empty list', async (text, expected) => {
  const found = await faults(text);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(expected);
  expect(found[0]).toContain('Fix: write plugins: []');
});

test.each([
  ['a tab', 'a:\n\t- b\n', '2:1: not valid YAML', 'indent with spaces'],
  ['an unclosed bracket', 'a: [1\n', '2:1: not valid YAML', 'check indentation'],
  ['two documents', 'a: 1\n---\nb: 2\n', '2:1: not valid YAML', 'keep one document'],
  ['an unknown tag', 'a: !!js/function x\n', '1:4: not valid YAML', 'remove the tag'],
  ['an own tag', 'a: !secret x\n', '1:4: not valid YAML', 'remove the tag'],
  ['JSON with a trailing comma is YAML', '{"a": 1,\n}', undefined, undefined],
  ['an alias without anchor', 'a: *nowhere\n', '1:4 a: the alias *nowhere has no anchor before it', 'add &nowhere'],
  ['an alias before its anchor', 'a: *x\nb: &x 1\n', '1:4 a: the alias *x', 'add &x'],
  ['an unquoted template', '{{ x }}: 1\n', '1:1: a key is not text', 'quote it'],
  ['a template as a value', 'a: {{ x }}\n', '1:5 a: a key is not text', 'quote it'],
  ['an empty key', '"a": 1\n: 2\n', '2:1: a key is empty', 'name it'],
  ['infinity', 'a: .inf\n', '1:4 a: Infinity is not a number JSON can hold', 'quote it'],
  ['a merge of no map', 'a:\n  <<: 1\n', '2:3 a: << merges maps', 'quote the key'],
])('%s is reported where it stands', async (_, text, expected, fix) => {
  const found = await faults(text);
  if (expected === undefined) expect(found).toEqual([]);
  else {
    expect(found[0]).toContain(expected);
    expect(found[0]).toContain(fix);
  }
});

test.each([
  [
    'YAML',
    'a: 1\nb:\n  c: 1\n  c: 2\na: 3\n',
    ['4:3 b.c: the key "c" stands here twice', '5:1 a: the key "a" stands here twice'],
  ],
  [
    'JSON',
    '{"a":1,\n"b":{"c":1,"c":2},"a":3}',
    ['2:12 b.c: the key "c" stands here twice', '2:19 a: the key "a" stands here twice'],
  ],
])('duplicate keys are reported in %s, wherever they stand', async (_, text, expected) => {
  const found = await faults(text);
  expect(found).toHaveLength(expected.length);
  for (const [index, line] of expected.entries()) expect(found[index]).toContain(line);
});

test.each(['__proto__', 'constructor', 'prototype'])(
  'the key %s is refused in YAML, in JSON and behind an anchor',
  async (key) => {
    for (const text of [`a:\n  ${key}:\n    x: 1\n`, `{"a":{"${key}":{"x":1}}}`, `m: &m {${key}: 1}\na: {<<: *m}\n`]) {
      expect(await faults(text)).toEqual([expect.stringContaining(`the key "${key}" is not allowed`)]);
    }
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  },
);

test('a value has no prototype that a key could reach', async () => {
  const { node } = await read('a: {b: 1}\n');
  const value = node === undefined ? undefined : toPlain(node);
  expect(Object.getPrototypeOf(value)).toBeNull();
});

test.each(['a: 9007199254740993\n', '{"a":9007199254740993}', 'a: 1e300\n'])(
  '%j would be rounded and is refused',
  async (text) => {
    expect(await faults(text)).toEqual([expect.stringContaining('Fix: quote it')]);
  },
);

test('anchors, aliases and merge keys are written out, explicit keys winning', async () => {
  const text = 'base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nlist:\n  - *b\n  - {<<: [*b, *m], x: 0}\n  - {"<<": 1}\n';
  expect(await plain(text)).toEqual({
    base: { x: 1, y: 2 },
    more: { y: 3, z: 4 },
    list: [{ x: 1, y: 2 }, { x: 0, y: 2, z: 4 }, { '<<': 1 }],
  });
});

test('an alias bomb ends at its limit, long before memory does', async () => {
  const levels = Array.from(
    { length: 12 },
    (_, level) =>
      `l${level}: &l${level} [${Array(10)
        .fill(level === 0 ? 'x' : `*l${level - 1}`)
        .join(',')}]`,
  );
  const found = await faults(`${levels.join('\n')}\n`);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain('aliases expand to more than 20000 values');
});

test('an anchor that contains itself is refused', async () => {
  expect(await faults('a: &a [*a]\n')).toEqual([expect.stringContaining('nested more than 100 levels deep')]);
});

test.each([
  ['JSON lists', '['.repeat(500_000) + ']'.repeat(500_000)],
  ['JSON maps', '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)],
  ['unclosed brackets', '['.repeat(100_000)],
  ['YAML lists', '- '.repeat(50_000)],
])('%s nested without end are refused and exhaust no stack', async (_, text) => {
  const found = await faults(text);
  expect(found.length).toBeGreaterThan(0);
});

test('20,000 keys in one map are read in linear time', async () => {
  // yaml's own duplicate check takes 23 s for this; the test's time limit is the assertion.
  const text = Array.from({ length: 20_000 }, (_, index) => `key${index}: ${index}`).join('\n');
  expect(Object.keys((await plain(text)) as object)).toHaveLength(20_000);
});

test.each(['yes', 'No', 'on', 'OFF', '0644', '1_000'])(
  'plain %s, which YAML 1.1 tools read differently, is warned about',
  async (word) => {
    const { problems } = await read(`a:\n  b: ${word}\n  c: "${word}"\n`);
    expect(problems.warnings).toEqual([expect.stringMatching(/^list:2:6 a\.b: .*something else to YAML 1\.1/)]);
  },
);

test('at most five syntax errors of one document are listed', async () => {
  expect((await faults(Array(50).fill('\t- a: ]').join('\n'))).length).toBeLessThanOrEqual(5);
});

test('a file of 5 MB is refused by its size', async () => {
  const directory = directoryOf({ 'list.yaml': `plugins: [] #${'x'.repeat(5_000_000)}` });
  const error = await failureOf({ config: join(directory, 'list.yaml') });
  expect(error.reason).toBe('ListInvalid');
  expect(error.details).toMatchObject({ file: join(directory, 'list.yaml') });
  expect(error.message).toContain('larger than 1048576 bytes');
});

test('a variable of more than 1 MiB is refused by its size', async () => {
  expect((await failureOf(`plugins: [] #${'x'.repeat(1_048_576)}`)).reason).toBe('ListInvalid');
});

test('a directory, text that is not UTF-8 and a path through a file are told apart', async () => {
  const directory = directoryOf({ 'latin.yaml': Buffer.from([0x61, 0x3a, 0x20, 0xe9]), file: '' });
  mkdirSync(join(directory, 'directory'));
  expect((await failureOf({ config: join(directory, 'directory') })).message).toContain('is a directory');
  expect((await failureOf({ config: join(directory, 'latin.yaml') })).message).toContain('not UTF-8');
  expect((await failureOf({ config: join(directory, 'file', 'x') })).reason).toBe('ListNotFound');
});

test('an empty file is an error, because that is what a missing annotation looks like', async () => {
  const directory = directoryOf({ 'list.yaml': '' });
  const error = await failureOf({ config: join(directory, 'list.yaml') });
  expect(error.reason).toBe('ListInvalid');
  expect(error.exit).toBe(78);
});

test('a byte order mark in a file is dropped', async () => {
  const directory = directoryOf({ 'list.yaml': '\uFEFFplugins: []\n' });
  expect((await readSource(join(directory, 'list.yaml')))?.text).toBe('plugins: []\n');
});

test('10,000 entries are read, and a fault in the last one is found at its line', async () => {
  const text = `plugins:\n${Array.from({ length: 9_999 }, (_, index) => `- package: ./p${index}\n`).join('')}- package: ./last\n  integrty: ${PIN}\n`;
  expect(await problemsOf(text)).toEqual([
    'PORTAL_PLUGINS_LIST:10002:3 plugins[9999]: unknown key "integrty" (did you mean integrity?). Fix: write integrity',
  ]);
});
