/** values.example.yaml is what `npm start` installs and what people copy. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { EXAMPLE_PLUGINS } from '../examples/plugins/build.ts';
import { PROJECT } from './support/documents.ts';
import { exampleArchive } from './support/example-archive.ts';
import { load } from './support/list.ts';

const VALUES = join(PROJECT, 'values.example.yaml');
const text = readFileSync(VALUES, 'utf8');
/** What this file reads of the values; the schema test below reads all of them. */
const values = z
  .object({
    dynamicPlugins: z.object({
      plugins: z.array(z.looseObject({ package: z.string(), integrity: z.string(), enabled: z.boolean().optional() })),
    }),
  })
  .parse(parse(text));
const listed = values.dynamicPlugins.plugins;

test('the example loads without a problem, a warning or a refused source', async () => {
  const list = await load({ values: [VALUES] });
  expect(list.warnings).toEqual([]);
  expect(list.refused).toEqual([]);
  expect(list.entries.map(({ package: reference }) => reference)).toEqual(
    listed.filter(({ enabled }) => enabled !== false).map(({ package: reference }) => reference),
  );
  expect(list.skipped.length).toBe(listed.filter(({ enabled }) => enabled === false).length);
  expect(list.allowedSources.length).toBeGreaterThan(0);
});

test('every plugin of the example is pinned', async () => {
  const { entries } = await load({ values: [VALUES] });
  for (const { package: reference, pin } of entries) expect(pin, reference).toMatch(/^integrity=sha512-/);
});

test.each(EXAMPLE_PLUGINS)('the pin of %s is the hash of the archive that the demo pushes', async (name) => {
  const entry = listed.find(({ package: reference }) => reference.includes(`/examples/${name}:`));
  const computed = createHash('sha512')
    .update(await exampleArchive(name))
    .digest('base64');
  expect(entry?.integrity).toBe(`sha512-${computed}`);
});

test('the schema for editors accepts the example, and refuses it with a misspelt key or a cut pin', () => {
  const schema = z.fromJSONSchema(JSON.parse(readFileSync(join(PROJECT, 'docs/values.schema.json'), 'utf8')));
  expect(schema.safeParse(parse(text)).error).toBeUndefined();
  const misspelt = text.replace(/integrity(?=: sha512)/, 'integrety');
  const cut = text.replace(/(?<=integrity: sha512-.{40}).*/, '');
  for (const wrong of [misspelt, cut]) {
    expect(wrong).not.toBe(text);
    expect(schema.safeParse(parse(wrong)).success).toBe(false);
  }
});
