/** What the image is made of, apart from what it does. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run, runOk } from '../support/command.ts';
import { buildImage, whyNoImage } from '../support/image.ts';
import { makePod, runContainer } from '../support/podman.ts';

const reason = await whyNoImage();
if (reason !== undefined) process.stderr.write(`skipped, contents of the image: ${reason}\n`);

interface ImageConfig {
  readonly User: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[] | null;
  readonly Env: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
}

interface Sbom {
  readonly bomFormat: string;
  readonly components: readonly { readonly name: string; readonly version: string }[];
}

describe.skipIf(reason !== undefined)('the image', () => {
  let image = '';
  let files = '';
  beforeAll(async () => {
    image = await buildImage();
    files = await runOk('podman', ['image', 'mount', image]);
  });
  afterAll(() => runOk('podman', ['image', 'unmount', image]));

  test('runs as an unprivileged user, starts the program without arguments and says what it is', async () => {
    const [config] = JSON.parse(await runOk('podman', ['image', 'inspect', '--format', 'json', image])) as readonly [
      { readonly Config: ImageConfig },
    ];
    const { User, Entrypoint, Cmd, Labels } = config.Config;
    expect(User).toBe('65532:65532');
    expect(Entrypoint).toEqual(['/nodejs/bin/node', '/app/portal-plugins.mjs']);
    expect(Cmd ?? []).toEqual([]);
    expect(Labels).toMatchObject({
      'org.opencontainers.image.title': 'portal-plugin-installer',
      'org.opencontainers.image.licenses': 'Apache-2.0',
    });
  });

  test('holds the bundle, its licences, its parts list and compiled code, and no node_modules', async () => {
    expect((await readdir(join(files, 'app'))).sort()).toEqual([
      'LICENSE',
      'THIRD-PARTY-LICENSES.txt',
      'chunks',
      'compile-cache',
      'portal-plugins.mjs',
      'sbom.cdx.json',
    ]);
    expect(await readdir(join(files, 'nodejs'), { recursive: true })).toEqual(['bin', 'bin/node']);
  });

  test.each(['bin/sh', 'usr/bin/npm', 'usr/local/bin/npm', 'usr/local/bin/node', 'portal-plugin-installer'])(
    'holds no /%s',
    async (path) => {
      expect((await run('test', ['-e', join(files, path)])).code).toBe(1);
    },
  );

  test('lists every package of the bundle in its SBOM', async () => {
    const sbom = JSON.parse(await readFile(join(files, 'app/sbom.cdx.json'), 'utf8')) as Sbom;
    const listed = new Set(sbom.components.map((part) => part.name));
    // The bundler writes a comment with its path above every module.
    const code = await runOk('grep', [
      '--recursive',
      '--no-filename',
      '--include=*.mjs',
      '^// node_modules/',
      join(files, 'app'),
    ]);
    const bundled = new Set(
      [...code.matchAll(/^\/\/ .*node_modules\/((?:@[^/]+\/)?[^/\n]+)/gm)].map(([, name]) => name),
    );
    expect(sbom.bomFormat).toBe('CycloneDX');
    expect(bundled).toContain('undici');
    expect([...bundled].filter((name) => name === undefined || !listed.has(name))).toEqual([]);
    expect(sbom.components).toContainEqual(
      expect.objectContaining({ name: 'yaml', version: expect.stringMatching(/^2\./) }),
    );
  });

  test('keeps Node within a small memory limit', async () => {
    const script = 'console.log(require("node:v8").getHeapStatistics().heap_size_limit)';
    const limit = await runOk('podman', [
      'run',
      '--rm',
      '--memory',
      '256m',
      '--entrypoint',
      '/nodejs/bin/node',
      image,
      '-e',
      script,
    ]);
    expect(Number(limit) / 2 ** 20).toBeLessThan(192);
  });

  test('finds its compiled code on a read-only root', async () => {
    await using pod = await makePod('plugins: []\n');
    const result = await runContainer({ image, pod, environment: { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' } });
    expect(result.code).toBe(0);
    expect(result.stderr).toMatch(/portal-plugins\.mjs was accepted/);
    expect(result.stderr).not.toMatch(/rejected/);
  });
});
