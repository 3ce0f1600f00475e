/** A registry may name any host for a tarball; `allowedSources` decides whether it is asked, and no credential goes there unless it is its own. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { admitter, parsePattern, type Pattern } from '../../installer/config/allowed-sources.ts';
import type { TestContext } from '../support/context.ts';
import { failureOf } from '../support/http.ts';
import { publish } from '../support/npm-publish.ts';
import { startNpmRegistry, type NpmRegistry } from '../support/npm-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { sourceContext } from '../support/source-context.ts';

const plugin = backendPlugin();
const TEXT = `npm:${plugin.name}@${plugin.version}`;

let registry: NpmRegistry;
let storage: NpmRegistry;
beforeEach(async () => {
  storage = await startNpmRegistry();
  registry = await startNpmRegistry({ tarballOrigin: storage.origin });
  await publish(registry.url, plugin);
  await publish(storage.url, plugin);
});
afterEach(() => Promise.all([registry.close(), storage.close()]));

function admits(...texts: readonly string[]): TestContext['admits'] {
  return admitter(
    texts.map((text): Pattern => {
      const pattern = parsePattern(text);
      if ('fault' in pattern) throw new Error(pattern.fault);
      return pattern;
    }),
  );
}

const gets = (server: NpmRegistry): number => server.requests.filter(({ method }) => method === 'GET').length;

test('is not asked when no pattern admits it, and the pattern to add is printed', async () => {
  await using source = await sourceContext({ npmrc: `registry=${registry.url}\n`, admits: admits('npm:@acme') });
  const error = await failureOf(source.verify(TEXT, plugin.integrity));
  expect(error.reason).toBe('SourceNotAllowed');
  expect(error.exit).toBe(65);
  expect(error.details['pattern']).toBe(storage.origin);
  expect(gets(storage)).toBe(0);
});

test.each([
  ['its host', (host: NpmRegistry) => host.origin],
  ['the path below it', (host: NpmRegistry) => `${host.origin}/@acme`],
])('is asked when a pattern admits %s', async (_what, pattern) => {
  await using source = await sourceContext({
    npmrc: `registry=${registry.url}\n`,
    admits: admits('npm:@acme', pattern(storage)),
  });
  await source.verify(TEXT, plugin.integrity);
  expect(gets(storage)).toBe(1);
});

test.each([
  ['another path', (host: NpmRegistry) => `${host.origin}/@acme-evil`],
  ['another port', () => 'http://127.0.0.1:1'],
  ['another scheme', (host: NpmRegistry) => host.origin.replace('http:', 'https:')],
])('is not asked when patterns admit only %s', async (_what, pattern) => {
  await using source = await sourceContext({
    npmrc: `registry=${registry.url}\n`,
    admits: admits('npm:@acme', pattern(storage)),
  });
  expect((await failureOf(source.verify(TEXT, plugin.integrity))).reason).toBe('SourceNotAllowed');
  expect(gets(storage)).toBe(0);
});

test('gets no credential of the registry, but its own', async () => {
  const ours = `//${storage.host}/:_authToken=for-storage\n`;
  const theirs = `//${registry.host}/:_authToken=for-registry\n`;
  await using without = await sourceContext({ npmrc: `registry=${registry.url}\n${theirs}` });
  await without.verify(TEXT, plugin.integrity);
  await using equipped = await sourceContext({ npmrc: `registry=${registry.url}\n${theirs}${ours}` });
  await equipped.verify(TEXT, plugin.integrity);
  const sent = storage.requests.filter(({ method }) => method === 'GET').map(({ headers }) => headers.authorization);
  expect(sent).toEqual([undefined, 'Bearer for-storage']);
});

test('may redirect a tarball of an admitted registry, since the pin decides', async () => {
  const home = await startNpmRegistry();
  try {
    await publish(home.url, plugin);
    home.interceptWith(({ path }) =>
      path.endsWith('.tgz')
        ? { fault: 'answer', status: 302, headers: { location: `${storage.origin}${path}` } }
        : undefined,
    );
    await using source = await sourceContext({ npmrc: `registry=${home.url}\n`, admits: admits('npm:@acme') });
    const verified = await source.verify(TEXT, plugin.integrity);
    expect(verified.archives[0]?.from).toContain(storage.origin);
  } finally {
    await home.close();
  }
});
