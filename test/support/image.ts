import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { makeBaseImages } from './base-image.ts';
import { hasProgram, run, runOk } from './command.ts';

const PROJECT_DIR = resolve(import.meta.dirname, '../..');
const REPOSITORY = 'localhost/portal-plugin-installer';
const CONTEXT = ['Dockerfile', '.dockerignore', 'package.json', 'package-lock.json', 'LICENSE', 'installer'];
const NEEDED = ['podman', 'buildah', 'runc', 'apt-get', 'dpkg-deb', 'npm'];

/** Why this machine cannot build and run the image, or undefined when it can. */
export async function whyNoImage(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'the image is built and run on Linux only';
  if (process.getuid?.() !== 0) return 'buildah --isolation chroot and podman need root here';
  for (const program of NEEDED) if (!(await hasProgram(program))) return `${program} is not installed`;
  return undefined;
}

/**
 * Builds the project's Dockerfile from bases made on the spot and returns the image's name; an image of the same sources is used again.
 * Nothing but package registries is reached. Takes about a minute the first time.
 */
export async function buildImage(projectDir: string = PROJECT_DIR): Promise<string> {
  const bases = await makeBaseImages();
  const image = `${REPOSITORY}:${await contextKey(projectDir, JSON.stringify(bases))}`;
  if ((await run('podman', ['image', 'exists', image])).code === 0) return image;
  const how = ['bud', '--isolation', 'chroot', '--network', 'host', '--layers', '--pull-never'];
  const values = [`NODE_IMAGE=${bases.build}`, `RUNTIME_IMAGE=${bases.runtime}`, 'REVISION=test'];
  const what = ['--file', join(projectDir, 'Dockerfile'), '--tag', image, projectDir];
  await runOk('buildah', [...how, ...values.flatMap((value) => ['--build-arg', value]), ...what]);
  return image;
}

/** Changes with any byte that the build can see. */
async function contextKey(projectDir: string, bases: string): Promise<string> {
  const hash = createHash('sha256').update(bases);
  for (const name of CONTEXT)
    for (const path of await filesOf(projectDir, name)) {
      hash.update(`\0${path}\0`).update(await readFile(join(projectDir, path)));
    }
  return hash.digest('hex').slice(0, 16);
}

async function filesOf(projectDir: string, name: string): Promise<readonly string[]> {
  if (name !== 'installer') return [name];
  const entries = await readdir(join(projectDir, name), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(projectDir.length + 1))
    .sort();
}
