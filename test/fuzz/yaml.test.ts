import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { canonicalJson } from '../../installer/config/canonical.ts';
import { type ConfigNode, positionOf, toPlain } from '../../installer/config/nodes.ts';
import { Problems } from '../../installer/config/problems.ts';
import { readDocument, sourceOf } from '../../installer/config/yaml.ts';
import { InstallError } from '../../installer/core/errors.ts';
import { loadText, PIN } from '../support/list.ts';

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 500);

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const json = fc.letrec<{ map: unknown; value: unknown }>((tie) => ({
  map: fc.dictionary(
    text.filter((key) => !FORBIDDEN.has(key)),
    tie('value'),
    { maxKeys: 5 },
  ),
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.maxSafeInteger(),
    fc.double({ noDefaultInfinity: true, noNaN: true }).filter((n) => !Number.isInteger(n) || Number.isSafeInteger(n)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('map'),
  ),
})).map;

/** What was read, as plain JSON, and whether nothing was wrong. */
async function read(source: string): Promise<{ readonly node: ConfigNode | undefined; readonly problems: Problems }> {
  const problems = new Problems();
  return { node: await readDocument(sourceOf('list', source), problems), problems };
}

const plain = (node: ConfigNode | undefined): unknown =>
  node === undefined ? undefined : JSON.parse(JSON.stringify(toPlain(node)));

test('JSON is read as JSON.parse reads it, whatever its white space', async () => {
  await fc.assert(
    fc.asyncProperty(json, fc.constantFrom(undefined, 1, '\t'), async (value, indent) => {
      const source = JSON.stringify(value, undefined, indent);
      const { node, problems } = await read(source);
      expect(problems.count).toBe(0);
      expect(plain(node)).toEqual(JSON.parse(source));
    }),
    { numRuns },
  );
});

test('the YAML of a value is the value', async () => {
  await fc.assert(
    fc.asyncProperty(json, async (value) => {
      const source = stringify(value, { version: '1.2' });
      const expected: unknown = JSON.parse(JSON.stringify(value));
      const { node, problems } = await read(source);
      expect(problems.count).toBe(0);
      expect(plain(node)).toEqual(expected);
    }),
    { numRuns },
  );
});

test('every position points at the text of its value', async () => {
  await fc.assert(
    fc.asyncProperty(json, fc.constantFrom(undefined, 2), async (value, indent) => {
      const source = JSON.stringify(value, undefined, indent);
      const lines = source.split('\n');
      const { node } = await read(source);
      const visit = (one: ConfigNode): void => {
        const { line, column } = positionOf(one.mark);
        const rest = (lines[line - 1] ?? '').slice(column - 1);
        if (one.kind === 'map') for (const entry of one.entries.values()) visit(entry.value);
        else if (one.kind === 'list') for (const item of one.items) visit(item);
        else if (typeof one.value !== 'number') expect(rest.startsWith(JSON.stringify(one.value))).toBe(true);
        if (one.kind !== 'scalar') expect(rest[0]).toBe(one.kind === 'map' ? '{' : '[');
      };
      if (node !== undefined) visit(node);
    }),
    { numRuns },
  );
});

test('canonical JSON parses back and does not depend on key order', async () => {
  await fc.assert(
    fc.asyncProperty(json, async (value) => {
      const { node } = await read(JSON.stringify(value));
      if (node === undefined) return;
      const once = canonicalJson(toPlain(node));
      expect(JSON.parse(once)).toEqual(JSON.parse(JSON.stringify(value)));
      const again = await read(once);
      expect(again.node === undefined ? '' : canonicalJson(toPlain(again.node))).toBe(once);
    }),
    { numRuns },
  );
});

const LIST = `# a list
allowedSources: ["oci://ghcr.io/acme"]
base: &base {integrity: ${PIN}}
plugins:
  - package: oci://ghcr.io/acme/a:1
    <<: *base
    pluginConfig: {app: {title: "x"}}
  - {package: npm:b@1.0.0, disabled: true}
`;
const mutation = fc.record({
  at: fc.nat(LIST.length),
  remove: fc.nat(12),
  insert: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.constantFrom(
      '\n',
      '\t',
      '&base ',
      '*base',
      '<<',
      ': ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '"',
      '!!',
      '---\n',
      '\u0000',
      '\uFEFF',
      '__proto__: ',
    ),
  ),
});

test('a damaged list is either read or refused with places and fixes, never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
      let source = LIST.replace('base: &base', '#').replace('    <<: *base\n', `    integrity: ${PIN}\n`);
      for (const { at, remove, insert } of mutations) source = source.slice(0, at) + insert + source.slice(at + remove);
      try {
        await loadText(source);
      } catch (thrown) {
        if (!(thrown instanceof InstallError)) throw thrown;
        expect(thrown.exit).toBe(78);
        const problems: unknown = thrown.details['problems'];
        if (!Array.isArray(problems)) throw thrown;
        for (const line of problems) expect(String(line)).toMatch(/^PORTAL_PLUGINS_LIST:\d+:\d+.*\. Fix: ./s);
      }
      expect(Object.keys(Object.prototype)).toEqual([]);
    }),
    { numRuns },
  );
});
