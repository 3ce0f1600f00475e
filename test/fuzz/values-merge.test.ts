import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeValues } from '../../installer/config/helm-values.ts';
import { type MapNode, positionOf, toPlain } from '../../installer/config/nodes.ts';
import { Problems } from '../../installer/config/problems.ts';
import { readDocument, sourceOf } from '../../installer/config/yaml.ts';

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 500);

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonMap = { readonly [key: string]: Json };

const key = fc.constantFrom('a', 'b', 'c', 'd');
const { map } = fc.letrec<{ map: JsonMap; value: Json }>((tie) => ({
  map: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Json>(null, true, 0, 1, 'x', ''),
    fc.array(fc.constantFrom<Json>(1, 'y', null), { maxLength: 3 }),
    tie('map'),
  ),
}));

/** The rule, written a second time on plain values: maps merge, null removes what was there, everything else replaces. */
function merged(base: JsonMap, over: JsonMap): JsonMap {
  const result: Record<string, Json> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const before = result[name];
    if (value === null && name in result) delete result[name];
    else result[name] = isMap(before) && isMap(value) ? merged(before, value) : value;
  }
  return result;
}

function isMap(value: Json | undefined): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function nodeOf(name: string, value: JsonMap): Promise<MapNode> {
  const node = await readDocument(sourceOf(name, JSON.stringify(value)), new Problems());
  if (node === undefined) throw new Error('a map was not read');
  return node;
}

const plain = (node: MapNode): unknown => JSON.parse(JSON.stringify(toPlain(node)));

test('merging values files equals the rule on plain values', async () => {
  await fc.assert(
    fc.asyncProperty(map, map, map, async (a, b, c) => {
      const nodes = [await nodeOf('a', a), await nodeOf('b', b), await nodeOf('c', c)] as const;
      expect(plain(mergeValues(nodes))).toEqual(merged(merged(a, b), c));
    }),
    { numRuns },
  );
});

test('merging nothing over a file, or a file over nothing, changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(map, async (a) => {
      const [empty, node] = [await nodeOf('empty', {}), await nodeOf('a', a)];
      expect(plain(mergeValues([node, empty]))).toEqual(a);
      expect(plain(mergeValues([empty, node]))).toEqual(a);
    }),
    { numRuns },
  );
});

test('merging changes none of its inputs, and every value keeps the file it was written in', async () => {
  await fc.assert(
    fc.asyncProperty(map, map, async (a, b) => {
      const [below, above] = [await nodeOf('below', a), await nodeOf('above', b)];
      const result = mergeValues([below, above]);
      expect(plain(below)).toEqual(a);
      expect(plain(above)).toEqual(b);
      for (const [name, { mark }] of result.entries) expect(positionOf(mark).file).toBe(name in b ? 'above' : 'below');
    }),
    { numRuns },
  );
});
