/** A registry, mirror or alias must not put another package in place of the one that was named. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { failureOf } from '../support/http.ts';
import { publish } from '../support/npm-publish.ts';
import { startNpmRegistry, type NpmRegistry } from '../support/npm-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { sourceContext } from '../support/source-context.ts';

const plugin = backendPlugin();
const evil = backendPlugin({ name: '@acme/evil', version: plugin.version });
const TEXT = `npm:${plugin.name}@${plugin.version}`;

let registry: NpmRegistry;
beforeEach(async () => {
  registry = await startNpmRegistry();
  await publish(registry.url, plugin);
  await publish(registry.url, evil);
});
afterEach(() => registry.close());

const context = (requireIntegrity = true): ReturnType<typeof sourceContext> =>
  sourceContext({ npmrc: `registry=${registry.url}\n`, options: { requireIntegrity } });

test.each([
  ['another package', '@acme/evil'],
  ['the same name in another case', plugin.name.toUpperCase()],
  ['the name without its scope', 'plugin-todo-backend'],
  ['the name with a lookalike character', plugin.name.replace('a', '\u0430')],
])('a packument of %s is refused before its tarball is asked for', async (_what, name) => {
  registry.amend(plugin.name, (packument) => ({ ...packument, name }));
  await using source = await context(false);
  const error = await failureOf(source.verify(TEXT));
  expect(error.reason).toBe('PackageMismatch');
  expect(error.exit).toBe(65);
  expect(error.details['expected']).toBe(plugin.name);
  expect(registry.requests.filter(({ path }) => path.endsWith('.tgz'))).toEqual([]);
});

test('a record that describes another version is not taken', async () => {
  registry.amendVersion(plugin.name, plugin.version, (record) => ({ ...record, version: '0.0.1' }));
  await using source = await context(false);
  expect((await failureOf(source.verify(TEXT))).reason).toBe('VersionNotFound');
});

test('a tarball of another package fails the pin', async () => {
  registry.replaceTarball(plugin.name, plugin.version, evil.tarball);
  await using source = await context();
  expect((await failureOf(source.verify(TEXT, plugin.integrity))).reason).toBe('IntegrityMismatch');
});

test('what the registry resolved to goes on to be compared with package.json', async () => {
  registry.amendVersion(plugin.name, plugin.version, (record) => ({
    ...record,
    dist: { ...record.dist, integrity: evil.integrity },
  }));
  registry.replaceTarball(plugin.name, plugin.version, evil.tarball);
  await using source = await context(false);
  // Registry and tarball agree, so only the identity can tell: the step that reads package.json compares it.
  const verified = await source.verify(TEXT);
  expect(verified.pinned.identity).toEqual({ name: plugin.name, version: plugin.version });
});

test('an alias goes by its target everywhere, never by its own name', async () => {
  await using source = await context();
  const resolved = await source.resolve(`@acme/harmless@npm:${evil.name}@${evil.version}`, evil.integrity);
  const { reference } = resolved.entry;
  expect(reference.origin).toMatchObject({ name: evil.name });
  expect(reference.identity).toBe(`npm:${evil.name}`);
  expect(resolved.pinned.identity).toEqual({ name: evil.name, version: evil.version });
  expect(registry.requests.some(({ path }) => path.includes('harmless'))).toBe(false);
});

test('a dist-tag cannot be called like a version to stand in for it', async () => {
  registry.amend(plugin.name, (packument) => ({ ...packument, 'dist-tags': { '9.9.9': plugin.version } }));
  await using source = await context();
  expect((await failureOf(source.resolve(`npm:${plugin.name}@9.9.9`, plugin.integrity))).reason).toBe(
    'VersionNotFound',
  );
});
