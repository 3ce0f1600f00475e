/** The example plugins, built from their sources, are what the README says they are. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { buildExamplePlugin, EXAMPLE_PLUGINS, writePlugin } from '../../../examples/plugins/build.ts';
import { validatePlugin } from '../../../installer/formats/index.ts';
import { testContext } from '../../support/context.ts';
import { unpackedPlugin } from '../../support/plugin-tree.ts';

const made: string[] = [];
afterEach(async () => {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true });
});

test.each(EXAMPLE_PLUGINS)('%s is accepted without a remark', async (plugin) => {
  const { manifest } = await validatePlugin(await unpackedPlugin(await buildExamplePlugin(plugin)), testContext());
  expect(manifest).toMatchObject({ family: 'backstage', version: '1.0.0', notices: [] });
});

test.each(EXAMPLE_PLUGINS)('%s is built to the same bytes every time', async (plugin) => {
  expect(Object.entries(await buildExamplePlugin(plugin))).toEqual(Object.entries(await buildExamplePlugin(plugin)));
});

test('hello-frontend works as a Module Federation container with the React of its host', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'remote-'));
  made.push(directory);
  await writePlugin(await buildExamplePlugin('hello-frontend'), directory);
  await writePlugin({ 'package.json': '{"type":"module"}' }, join(directory, 'dist')); // Node decides by this, browsers by the import
  const url = pathToFileURL(join(directory, 'dist', 'remoteEntry.js')).href;
  const container = (await import(/* @vite-ignore */ url)) as Container;
  const react = {
    useState: (first: string) => [first],
    useEffect: () => undefined,
    createElement: (...of: unknown[]) => of,
  };
  container.init({ react: { '18.3.1': { loaded: true, get: async () => Promise.resolve(() => react) } } });
  const root = (await container.get('.'))() as { HelloPage: () => unknown; dynamicRoutes: unknown };
  expect(root.dynamicRoutes).toEqual([{ path: '/hello', importName: 'HelloPage', menuItem: { text: 'Hello' } }]);
  expect(root.HelloPage()).toEqual(['main', { id: 'hello-page' }, ['h1', null, '…']]);
  await expect(container.get('./other')).rejects.toThrow('exposes no module');
});

interface Container {
  init(scope: unknown): void;
  get(name: string): Promise<() => unknown>;
}
