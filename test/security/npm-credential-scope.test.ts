/** A credential of npm reaches the host and path it is for, and nothing else: no other host, port, path, scheme, redirect or tarball. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fault } from '../support/http-server.ts';
import { failureOf } from '../support/http.ts';
import { publish } from '../support/npm-publish.ts';
import { startNpmRegistry, type NpmRegistry } from '../support/npm-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { sourceContext } from '../support/source-context.ts';
import { visible } from '../support/thrown.ts';

const plugin = backendPlugin();
const TEXT = `npm:${plugin.name}@${plugin.version}`;
const SECRET = 'npm_hunter2hunter2';

let registry: NpmRegistry;
let stranger: NpmRegistry;
beforeEach(async () => {
  registry = await startNpmRegistry({ base: '/npm/team/' });
  stranger = await startNpmRegistry({ base: '/npm/team/' });
  await publish(registry.url, plugin);
  await publish(stranger.url, plugin);
});
afterEach(() => Promise.all([registry.close(), stranger.close()]));

const seen = (server: NpmRegistry): readonly (string | undefined)[] =>
  server.requests.filter(({ method }) => method === 'GET').map(({ headers }) => headers.authorization);
const keyFor = (server: NpmRegistry, path = '/npm/team/'): string => `//${server.host}${path}:_authToken=${SECRET}\n`;
const redirect = (location: string): Fault => ({ fault: 'answer', status: 302, headers: { location } });

test('goes to packument and tarball of its registry', async () => {
  await using source = await sourceContext({ npmrc: `registry=${registry.url}\n${keyFor(registry)}` });
  await source.verify(TEXT, plugin.integrity);
  expect(seen(registry)).toEqual([`Bearer ${SECRET}`, `Bearer ${SECRET}`]);
});

describe('does not go', () => {
  test.each([
    ['to a registry that has another path', (own: NpmRegistry) => keyFor(own, '/npm/other/')],
    ['to a registry whose path only starts alike', (own: NpmRegistry) => keyFor(own, '/npm/tea/')],
    ['to a registry above the path it is for', (own: NpmRegistry) => keyFor(own, '/npm/team/sub/')],
    ['to another port of the host', () => `//127.0.0.1/:_authToken=${SECRET}\n`],
    ['to another registry', (_own: NpmRegistry, other: NpmRegistry) => keyFor(other)],
  ])('%s', async (_what, key) => {
    await using source = await sourceContext({ npmrc: `registry=${registry.url}\n${key(registry, stranger)}` });
    await source.verify(TEXT, plugin.integrity);
    expect(seen(registry)).toEqual([undefined, undefined]);
  });

  test('from the registry of one scope to that of the others', async () => {
    const npmrc = `registry=${stranger.url}\n@acme:registry=${registry.url}\n${keyFor(registry)}`;
    await publish(stranger.url, backendPlugin({ name: 'plain-plugin' }));
    await using source = await sourceContext({ npmrc });
    await source.resolve('npm:plain-plugin', plugin.integrity);
    await source.resolve(TEXT, plugin.integrity);
    expect(seen(stranger)).toEqual([undefined]);
    expect(seen(registry)).toEqual([`Bearer ${SECRET}`]);
  });

  test.each(['packument', 'tarball'])('along a redirect of the %s', async (what) => {
    registry.interceptWith(({ path }) =>
      path.endsWith('.tgz') === (what === 'tarball') ? redirect(`${stranger.origin}${path}`) : undefined,
    );
    await using source = await sourceContext({ npmrc: `registry=${registry.url}\n${keyFor(registry)}` });
    await source.verify(TEXT, plugin.integrity);
    expect(seen(stranger).length).toBeGreaterThan(0);
    expect(seen(stranger).filter((value) => value !== undefined)).toEqual([]);
  });

  test('back to the registry from a redirect by a stranger', async () => {
    registry.interceptWith(({ path, headers }) =>
      path.endsWith('.tgz') && headers.authorization !== undefined ? redirect(`${stranger.origin}/hop`) : undefined,
    );
    stranger.interceptWith(({ path }) =>
      path === '/hop' ? redirect(`${registry.url}${plugin.name}/-/plugin-todo-backend-1.4.2.tgz`) : undefined,
    );
    await using source = await sourceContext({ npmrc: `registry=${registry.url}\n${keyFor(registry)}` });
    await source.verify(TEXT, plugin.integrity);
    expect(seen(registry)).toEqual([`Bearer ${SECRET}`, `Bearer ${SECRET}`, undefined]);
  });

  test('over plain http to a host that is not listed', async () => {
    await using source = await sourceContext({
      npmrc: `registry=${registry.url}\n${keyFor(registry)}`,
      insecureHosts: [stranger.host],
    });
    const url = new URL(`${registry.url}x`);
    expect(source.ctx.credentials.npm(url, new URL(registry.url))).toBeUndefined();
    expect(() => source.entry(TEXT)).toThrow(expect.objectContaining({ reason: 'CredentialsInvalid' }));
    expect(seen(registry)).toEqual([]);
  });
});

test.each([401, 403, 404, 400])(
  'is in no message of a server that answers %i and repeats what it was sent',
  async (status) => {
    registry.interceptWith(({ headers }) => ({
      fault: 'answer',
      status,
      body: `you sent ${headers.authorization ?? ''}`,
    }));
    await using source = await sourceContext({ npmrc: `registry=${registry.url}\n${keyFor(registry)}` });
    const error = await failureOf(source.resolve(TEXT, plugin.integrity));
    expect(visible(error)).not.toContain(SECRET);
    expect(source.credentials.secrets).toEqual([SECRET]);
  },
);
