import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { toJsonSchema } from '../../../installer/config/json-schema.ts';
import { entrySchema } from '../../../installer/config/schema.ts';
import { nearest } from '../../../installer/config/suggest.ts';
import { reasonsTable, settingsTable } from '../../../installer/config/tables.ts';
import { REASONS } from '../../../installer/core/reasons.ts';
import { replaceRegion } from '../../../installer/tools/marked-region.ts';
import { settingRows } from '../../../installer/config/settings-table.ts';
import { VERIFIERS } from '../../../installer/verify/index.ts';

/** Every `$ref` of a schema. */
function referencesOf(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => (key === '$ref' ? [String(member)] : referencesOf(member)));
}

/** The schema at a path of keys. */
function schemaAt(...path: readonly string[]): Record<string, unknown> {
  let found: unknown = toJsonSchema();
  for (const key of path) found = typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined;
  if (typeof found !== 'object' || found === null) throw new Error(`nothing at ${path.join('.')}`);
  return { ...found };
}

test('the schema is draft-07 and complete in itself, because Helm fetches nothing', () => {
  const schema = toJsonSchema();
  expect(schema['$schema']).toBe('http://json-schema.org/draft-07/schema#');
  const references = referencesOf(schema);
  expect(references.length).toBeGreaterThan(0);
  for (const reference of references) {
    const [, , name = ''] = reference.split('/');
    expect(schemaAt('definitions', name), reference).toBeDefined();
  }
});

test.each(['entry', 'block', 'wire'])('unknown keys of %s are errors, for editors and Helm too', (name) => {
  expect(schemaAt('definitions', name)['additionalProperties']).toBe(false);
});

test('the keys of checks come from the registry of verifiers, with the pattern of their values', () => {
  const properties = schemaAt('definitions', 'entry', 'properties');
  for (const { key } of VERIFIERS) {
    expect(Object.keys(entrySchema.shape)).toContain(key);
    expect(properties[key]).toHaveProperty('pattern');
  }
});

test('the block has every key of the chart, and the wire file none of them', () => {
  const block = Object.keys(schemaAt('definitions', 'block', 'properties'));
  const wire = Object.keys(schemaAt('definitions', 'wire', 'properties'));
  const shared = ['continueOnError', 'allowedSources', 'requireIntegrity', 'includes', 'plugins'];
  expect(new Set(wire)).toEqual(new Set(shared));
  const chartOnly = [
    'enabled',
    'rootDirectory',
    'rolloutToken',
    'config',
    'installer',
    'volume',
    'auth',
    'ca',
    'proxy',
    'events',
  ];
  expect(new Set(block)).toEqual(new Set([...shared, 'pluginsByName', ...chartOnly]));
});

test('the schema in docs is the one the program validates with', async () => {
  const written: unknown = JSON.parse(
    await readFile(new URL('../../../docs/values.schema.json', import.meta.url), 'utf8'),
  );
  expect(written).toEqual(toJsonSchema());
});

test('the tables name every setting and every reason', () => {
  const settings = settingsTable();
  for (const { flag, variable } of settingRows()) expect(settings).toContain(variable ?? flag ?? '');
  const reasons = reasonsTable();
  for (const reason of Object.keys(REASONS)) expect(reasons).toContain(`\`${reason}\``);
});

test('a cell with a bar does not break its table', () => {
  for (const line of settingsTable()
    .split('\n')
    .filter((text) => text.startsWith('|'))) {
    expect(line.replaceAll('\\|', '').split('|')).toHaveLength(6);
  }
});

test('a marked region is replaced and everything around it kept', () => {
  const text = '# Title\n\n<!-- generated:x -->\nold\n<!-- /generated:x -->\n\nafter\n';
  const once = replaceRegion(text, 'x', 'new');
  expect(once).toBe('# Title\n\n<!-- generated:x -->\n\nnew\n\n<!-- /generated:x -->\n\nafter\n');
  expect(replaceRegion(once, 'x', 'new')).toBe(once);
});

test('a region that is missing is added, one without its end is an error', () => {
  expect(replaceRegion('# Title\n', 'x', 'new')).toBe(
    '# Title\n\n<!-- generated:x -->\n\nnew\n\n<!-- /generated:x -->\n',
  );
  expect(() => replaceRegion('<!-- generated:x -->', 'x', 'new')).toThrow('no <!-- /generated:x -->');
});

test.each([
  ['plugin', 'plugins'],
  ['pakage', 'package'],
  ['intergity', 'integrity'],
  ['Integrity', 'integrity'],
  ['plugin_config', 'pluginConfig'],
  ['pull-policy', 'pullPolicy'],
  ['zzz', undefined],
  ['x'.repeat(1000), undefined],
])('for %s the nearest known key is %s', (written, near) => {
  expect(nearest(written, ['package', 'plugins', 'integrity', 'pluginConfig', 'pullPolicy'])).toBe(near);
});
