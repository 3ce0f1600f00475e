/** The shipped bundle, run where no node_modules can be found. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildBundle, ENTRY_NAME, type BuiltFile } from '../../installer/tools/build.ts';
import { run, type CommandResult } from '../support/command.ts';
import { pushArtifact } from '../support/oci-push.ts';
import { startOciRegistry } from '../support/oci-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { topLevel } from '../support/volume-state.ts';

const PROJECT_DIR = resolve(import.meta.dirname, '../..');

let work = '';
let outDir = '';
let files: readonly BuiltFile[] = [];

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'portal-plugins-bundle-'));
  outDir = join(work, 'dist');
  files = await buildBundle({ projectDir: PROJECT_DIR, outDir });
});
afterAll(() => rm(work, { recursive: true, force: true }));

/** Runs the program and tells which packages it loaded code of, by the coverage that Node writes. */
async function runBundle(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult & { readonly packages: readonly string[] }> {
  const coverage = await mkdtemp(join(work, 'coverage-'));
  const program = join(outDir, `${ENTRY_NAME}.mjs`);
  const result = await run(process.execPath, [program, ...args], {
    cwd: work,
    env: { PATH: '', NODE_V8_COVERAGE: coverage, ...env },
  });
  const loaded = await loadedFiles(coverage);
  const packages = files.filter((file) => loaded.has(file.path)).flatMap((file) => file.packages);
  return { ...result, packages: packages.map((path) => path.replace(/^.*node_modules\//, '')) };
}

async function loadedFiles(coverage: string): Promise<ReadonlySet<string>> {
  const loaded = new Set<string>();
  for (const name of await readdir(coverage)) {
    const report = JSON.parse(await readFile(join(coverage, name), 'utf8')) as Coverage;
    for (const { url } of report.result) if (url.startsWith('file:')) loaded.add(relative(outDir, fileURLToPath(url)));
  }
  return loaded;
}

interface Coverage {
  readonly result: readonly { readonly url: string }[];
}

test('prints its version without node_modules', async () => {
  const { version } = JSON.parse(await readFile(join(PROJECT_DIR, 'package.json'), 'utf8')) as { version: string };
  const result = await runBundle(['--version']);
  expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: '' });
  expect(result.stdout).toContain(version);
});

test('a cold install loads the HTTP client and the tar parser, a warm start neither of them', async () => {
  await using registry = await startOciRegistry();
  const plugin = backendPlugin();
  const pushed = await pushArtifact({ ...registry, repository: 'acme/todo', tag: '1.4.2' }, plugin.tarball);
  const root = join(work, 'root');
  const list = join(work, 'dynamic-plugins.yaml');
  await mkdir(root);
  await writeFile(
    list,
    `allowedSources: ['oci://${registry.host}/']\nplugins:\n  - { package: '${pushed.reference}', integrity: '${pushed.integrity}' }\n`,
  );
  const args = ['install', '--config', list, '--root', root];
  const env = {
    PORTAL_PLUGINS_INSECURE_HOSTS: registry.host,
    PORTAL_PLUGINS_TERMINATION_LOG: join(work, 'termination-log'),
  };

  const cold = await runBundle(args, env);
  const asked = registry.requests.length;
  const warm = await runBundle(args, env);

  expect([cold.code, warm.code]).toEqual([0, 0]);
  expect(topLevel(root)).toContain('acme-plugin-todo-backend');
  expect(cold.packages).toEqual(expect.arrayContaining(['undici', 'tar']));
  expect(warm.stdout).toContain('event=plugin_cached');
  expect(registry.requests.length - asked).toBe(0);
  expect(warm.packages).toContain('zod');
  expect(warm.packages).not.toContain('undici');
  expect(warm.packages).not.toContain('tar');
});

test('carries the version of package.json and nothing else of it', async () => {
  expect(await readFile(join(outDir, `${ENTRY_NAME}.mjs`), 'utf8')).not.toContain('devDependencies');
});

test('is the same, byte for byte, when it is built again', async () => {
  const again = join(work, 'again');
  await buildBundle({ projectDir: PROJECT_DIR, outDir: again });
  expect(await hashes(again)).toEqual(await hashes(outDir));
});

test('names nothing of the machine that built it', async () => {
  for (const path of await readdir(outDir, { recursive: true })) {
    if (!/\.(?:mjs|json|txt)$/.test(path)) continue;
    const text = await readFile(join(outDir, path), 'utf8');
    expect({ path, names: [PROJECT_DIR, work].filter((name) => text.includes(name)) }).toEqual({ path, names: [] });
  }
});

async function hashes(directory: string): Promise<Readonly<Record<string, string>>> {
  const names = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const pairs = names.map(async (entry): Promise<[string, string]> => {
    const path = join(entry.parentPath, entry.name);
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    return [`${basename(entry.parentPath)}/${entry.name}`.replace(`${basename(directory)}/`, ''), digest];
  });
  return Object.fromEntries((await Promise.all(pairs)).sort(([a], [b]) => (a < b ? -1 : 1)));
}
