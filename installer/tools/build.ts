/**
 * Bundles the program: `dist/portal-plugins.mjs`, late-loaded chunks in `dist/chunks/`, the licences of everything inside and its SBOM.
 * Unminified, so that stack traces stay readable; minifying saves bytes but no time (docs/performance.md, "Start-up").
 */
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';
import { readManifest, sbomOf } from './sbom.ts';

export interface BuildOptions {
  /** Absolute. */
  readonly projectDir: string;
  /** Absolute; emptied first. */
  readonly outDir: string;
}

export interface BuiltFile {
  /** Relative to `outDir`. */
  readonly path: string;
  readonly bytes: number;
  /** Packages of `node_modules` with code in this file, sorted. */
  readonly packages: readonly string[];
  /** Files that this one loads at once; the others wait for an `import()`. Relative to `outDir`. */
  readonly imports: readonly string[];
}

export const ENTRY_NAME = 'portal-plugins';
const LICENCES_FILE = 'THIRD-PARTY-LICENSES.txt';
const SBOM_FILE = 'sbom.cdx.json';

/** CommonJS dependencies ask for Node's own modules with `require`, which an ES module does not have. */
const REQUIRE_BANNER = [
  "import { createRequire as createRequireOfBundle } from 'node:module';",
  'const require = createRequireOfBundle(import.meta.url);',
].join('\n');

/**
 * Writes the bundle and returns its files, entry first. The same sources and lock file give the same bytes.
 * Rejects with esbuild's report when something cannot be resolved, and when a package in the bundle carries no licence.
 */
export async function buildBundle(options: BuildOptions): Promise<readonly BuiltFile[]> {
  await rm(options.outDir, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: options.projectDir,
    entryPoints: { [ENTRY_NAME]: 'installer/main.ts' },
    outdir: options.outDir,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    banner: { js: REQUIRE_BANNER },
    legalComments: 'inline',
    plugins: [versionOnly(options.projectDir), englishOnly()],
    metafile: true,
    logLevel: 'warning',
  });
  const files = describe(metafile, options);
  const packages = [...new Set(files.flatMap((file) => file.packages))].sort();
  await writeFile(join(options.outDir, LICENCES_FILE), await licencesOf(packages, options.projectDir));
  await writeFile(join(options.outDir, SBOM_FILE), await sbomOf(packages, options.projectDir));
  return files;
}

/** Of the project's own package.json the program knows its version; scripts and development dependencies stay out. */
function versionOnly(projectDir: string): Plugin {
  return {
    name: 'version-only',
    setup: (hooks) => {
      hooks.onLoad({ filter: /[/\\]package\.json$/ }, async ({ path }) => {
        if (path !== join(projectDir, 'package.json')) return undefined;
        const { version } = await readManifest(projectDir);
        return { contents: JSON.stringify({ version }), loader: 'json' };
      });
    },
  };
}

/** zod carries its messages in fifty languages; a warm start would parse 340 KB of them and use one. */
function englishOnly(): Plugin {
  return {
    name: 'english-only',
    setup: (hooks) => {
      hooks.onLoad({ filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({
        contents: "export { default as en } from './en.js';",
        loader: 'js',
      }));
    },
  };
}

/** Every file that `path` needs before its first line runs, itself included. */
export function loadedAtOnce(files: readonly BuiltFile[], path: string): ReadonlySet<string> {
  const loaded = new Set<string>();
  const queue = [path];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (loaded.has(next)) continue;
    loaded.add(next);
    queue.push(...(files.find((file) => file.path === next)?.imports ?? []));
  }
  return loaded;
}

function describe(metafile: Metafile, options: BuildOptions): readonly BuiltFile[] {
  const inOutDir = (path: string): string => relative(options.outDir, resolve(options.projectDir, path));
  return Object.entries(metafile.outputs)
    .map(([path, output]) => ({
      path: inOutDir(path),
      bytes: output.bytes,
      packages: [...new Set(Object.keys(output.inputs).flatMap(packageOf))].sort(),
      imports: output.imports
        .filter((made) => made.external !== true && made.kind === 'import-statement')
        .map((made) => inOutDir(made.path)),
    }))
    .sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1));
}

const rank = (file: BuiltFile): number => (file.path === `${ENTRY_NAME}.mjs` ? 0 : 1);

/** The innermost package directory of an input path, below `node_modules`; none for the project's own files. */
function packageOf(input: string): string[] {
  const match = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input);
  return match === null ? [] : [match[0]];
}

/** The licence texts that the bundle must carry along, one block per package. */
async function licencesOf(packages: readonly string[], projectDir: string): Promise<string> {
  const blocks = await Promise.all(packages.map((path) => licenceOf(join(projectDir, path))));
  return `${blocks.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

async function licenceOf(directory: string): Promise<string> {
  const manifest = await readManifest(directory);
  const names = (await readdir(directory)).filter((name) => /^(?:licen[cs]e|notice|copying)/i.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
  const title = `${manifest.name} ${manifest.version} (${manifest.license})`;
  return [title, ...texts.map((text) => text.trim())].join('\n\n');
}

async function main(): Promise<void> {
  const projectDir = resolve(import.meta.dirname, '../..');
  const files = await buildBundle({ projectDir, outDir: join(projectDir, 'dist') });
  const atOnce = loadedAtOnce(files, `${ENTRY_NAME}.mjs`);
  for (const file of files) {
    const names = file.packages.map((path) => path.replace(/^.*node_modules\//, '')).join(' ');
    const when = atOnce.has(file.path) ? 'at start' : 'late';
    process.stdout.write(
      `${(file.bytes / 1024).toFixed(0).padStart(6)} KiB  ${when.padEnd(8)}  ${file.path}  ${names}\n`,
    );
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
