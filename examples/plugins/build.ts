/** Builds the example plugins: `node examples/plugins/build.ts DIRECTORY`. The demo and the integration tests import `buildExamplePlugin`. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { argv } from 'node:process';
import { build, type BuildOptions } from 'esbuild';

export const EXAMPLE_PLUGINS = ['hello-backend', 'hello-frontend'] as const;
export type ExamplePlugin = (typeof EXAMPLE_PLUGINS)[number];

/** Paths inside the plugin (POSIX) and their text, `package.json` first; equal on every build of equal sources. */
export type PluginFiles = Readonly<Record<string, string>>;

interface PackageJson {
  readonly name: string;
  readonly version: string;
}

/** Bundles one plugin in memory, ready to be packed or written. */
export async function buildExamplePlugin(plugin: ExamplePlugin): Promise<PluginFiles> {
  const folder = join(import.meta.dirname, plugin);
  const text = await readFile(join(folder, 'package.json'), 'utf8');
  const json = JSON.parse(text) as PackageJson; // our own file
  const dist = plugin === 'hello-backend' ? await bundleBackend(folder, json) : await bundleFrontend(folder, json);
  return { 'package.json': text, ...dist };
}

/** Writes a built plugin below `directory`. */
export async function writePlugin(files: PluginFiles, directory: string): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

/** One CommonJS file; `@backstage/*` is the portal's. */
async function bundleBackend(folder: string, json: PackageJson): Promise<PluginFiles> {
  return bundle(folder, {
    entryPoints: { 'index.cjs': 'src/index.js' },
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    external: ['@backstage/*'],
    define: { PLUGIN_NAME: JSON.stringify(json.name), PLUGIN_VERSION: JSON.stringify(json.version) },
  });
}

/** The remote entry, one chunk for each exposed module, and the manifest that names them. */
async function bundleFrontend(folder: string, json: PackageJson): Promise<PluginFiles> {
  const files = await bundle(folder, {
    entryPoints: { remoteEntry: 'src/remote-entry.js' },
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    splitting: true,
    chunkNames: 'static/[name]-[hash].chunk',
  });
  return { 'dist/mf-manifest.json': `${JSON.stringify(remoteManifest(json, files), undefined, 2)}\n`, ...files };
}

async function bundle(folder: string, options: BuildOptions): Promise<PluginFiles> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    outdir: 'dist',
    bundle: true,
    write: false,
    legalComments: 'none',
    logLevel: 'silent',
    ...options,
  });
  const files = (outputFiles ?? []).map(({ path, text }) => [path.slice(folder.length + 1), text] as const);
  return Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Module Federation 2: what a host needs to know before it loads the remote entry. */
function remoteManifest(json: PackageJson, files: PluginFiles): unknown {
  const name = json.name.replace(/^@/, '').replaceAll(/[^a-z0-9]+/g, '_');
  const chunks = Object.keys(files)
    .filter((path) => path.startsWith('dist/static/'))
    .map((path) => path.slice('dist/'.length));
  return {
    id: name,
    name,
    metaData: {
      name,
      type: 'app',
      buildInfo: { buildVersion: json.version, buildName: json.name },
      remoteEntry: { name: 'remoteEntry.js', path: '', type: 'module' },
      types: { path: '', name: '', zip: '', api: '' },
      globalName: name,
      pluginVersion: json.version,
      publicPath: 'auto',
    },
    shared: [
      {
        id: `${name}:react`,
        name: 'react',
        version: '18.3.1',
        singleton: true,
        requiredVersion: '^18.0.0',
        assets: noAssets(),
      },
    ],
    remotes: [],
    exposes: [{ id: `${name}:.`, name: '.', path: '.', assets: { ...noAssets(), js: { sync: chunks, async: [] } } }],
  };
}

function noAssets(): Readonly<Record<string, unknown>> {
  return { js: { sync: [], async: [] }, css: { sync: [], async: [] } };
}

if (import.meta.main) {
  const [, , directory = 'built'] = argv;
  for (const plugin of EXAMPLE_PLUGINS) {
    await writePlugin(await buildExamplePlugin(plugin), resolve(directory, plugin));
    console.log(`${plugin}: ${resolve(directory, plugin)}`);
  }
}
