/**
 * Base images made from Debian's packages and this project's Node, for machines where no container registry can be reached. They have
 * the shape of the Dockerfile's defaults: a build image with a shell, node and npm, and a distroless runtime image with libraries only.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readFile, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run, runOk } from './command.ts';

export interface BaseImages {
  /** For `NODE_IMAGE`. */
  readonly build: string;
  /** For `RUNTIME_IMAGE`. */
  readonly runtime: string;
}

const REPOSITORY = 'localhost/portal-plugins-base';

/** What gcr.io/distroless/cc-debian12 holds, as far as Node needs it. */
const RUNTIME_PACKAGES = ['base-files', 'netbase', 'tzdata', 'ca-certificates', 'libc6', 'libgcc-s1', 'libstdc++6'];

/** A shell and the file tools that the Dockerfile's RUN lines use, with their libraries. */
const BUILD_PACKAGES = [
  ...RUNTIME_PACKAGES,
  'dash',
  'coreutils',
  'libacl1',
  'libattr1',
  'libselinux1',
  'libpcre2-8-0',
  'libgmp10',
];

const CA_BUNDLE = 'etc/ssl/certs/ca-certificates.crt';

/** Makes both images, or finds those made before from the same packages, Node and npm. Needs root, apt-get, dpkg and podman. */
export async function makeBaseImages(): Promise<BaseImages> {
  const npm = await describeNpm();
  const versions = await runOk('apt-cache', ['policy', ...BUILD_PACKAGES]);
  const key = createHash('sha256')
    .update(JSON.stringify([versions, process.version, npm]))
    .digest('hex')
    .slice(0, 12);
  const images = { build: `${REPOSITORY}/build:${key}`, runtime: `${REPOSITORY}/runtime:${key}` };
  const work = await mkdtemp(join(tmpdir(), 'portal-plugins-base-'));
  try {
    if (!(await exists(images.runtime))) await makeRuntime(join(work, 'runtime'), images.runtime);
    if (!(await exists(images.build))) await makeBuild(join(work, 'build'), images.build, npm);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return images;
}

async function exists(image: string): Promise<boolean> {
  return (await run('podman', ['image', 'exists', image])).code === 0;
}

async function makeRuntime(root: string, image: string): Promise<void> {
  await unpackPackages(root, RUNTIME_PACKAGES);
  await writeAccounts(root);
  await writeCaBundle(root);
  await importRoot(root, image, ['USER 65532']);
}

async function makeBuild(root: string, image: string, npm: Npm): Promise<void> {
  await unpackPackages(root, BUILD_PACKAGES);
  await writeAccounts(root);
  const bin = join(root, 'usr/local/bin');
  await mkdir(bin, { recursive: true });
  await copyFile(process.execPath, join(bin, 'node'), constants.COPYFILE_FICLONE);
  await cp(npm.directory, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(bin, 'npm'));
  await symlink('../lib/node_modules/npm/bin/npx-cli.js', join(bin, 'npx'));
  await mkdir(dirname(join(root, CA_BUNDLE)), { recursive: true });
  await copyFile(npm.cafile, join(root, CA_BUNDLE));
  await mkdir(join(root, 'usr/local/etc'), { recursive: true });
  await writeFile(join(root, 'usr/local/etc/npmrc'), `registry=${npm.registry}\ncafile=/${CA_BUNDLE}\n`);
  await importRoot(root, image, ['ENV PATH=/usr/local/bin:/usr/bin:/bin', 'CMD ["node"]']);
}

interface Npm {
  readonly directory: string;
  readonly version: string;
  /** Registry and certificates as this machine's npm is configured, so that `npm ci` works inside as it does outside. */
  readonly registry: string;
  readonly cafile: string;
}

async function describeNpm(): Promise<Npm> {
  // Not `npm root --global`: it answers by the Node it runs under, which here is an npm package without an npm beside it.
  const directory = dirname(dirname(await realpath(await runOk('sh', ['-c', 'command -v npm']))));
  const { version } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as { version: string };
  const cafile = await runOk('npm', ['config', 'get', 'cafile']);
  return {
    directory,
    version,
    registry: await runOk('npm', ['config', 'get', 'registry']),
    cafile: cafile === 'null' || cafile === '' ? `/${CA_BUNDLE}` : cafile,
  };
}

async function unpackPackages(root: string, packages: readonly string[]): Promise<void> {
  const downloads = `${root}-packages`;
  await mkdir(root, { recursive: true });
  await mkdir(downloads, { recursive: true });
  await runOk('apt-get', ['download', '--quiet', ...packages], { cwd: downloads });
  for (const file of await readdir(downloads)) await runOk('dpkg-deb', ['--extract', join(downloads, file), root]);
  for (const waste of ['doc', 'man', 'locale', 'info']) {
    await rm(join(root, 'usr/share', waste), { recursive: true, force: true });
  }
}

/** The accounts of distroless images; nothing else in them knows a name. */
async function writeAccounts(root: string): Promise<void> {
  await mkdir(join(root, 'home/nonroot'), { recursive: true });
  await mkdir(join(root, 'tmp'), { recursive: true });
  await runOk('chmod', ['1777', join(root, 'tmp')]);
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
  );
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nnobody:x:65534:\ntty:x:5:\nnonroot:x:65532:\n');
}

/** What the package's install script would do, which extracting alone does not. */
async function writeCaBundle(root: string): Promise<void> {
  const directory = join(root, 'usr/share/ca-certificates/mozilla');
  const names = (await readdir(directory)).filter((name) => name.endsWith('.crt')).sort();
  const certificates = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
  await mkdir(dirname(join(root, CA_BUNDLE)), { recursive: true });
  await writeFile(join(root, CA_BUNDLE), certificates.join(''));
}

async function importRoot(root: string, image: string, changes: readonly string[]): Promise<void> {
  const archive = `${root}.tar`;
  await runOk('tar', ['--create', '--file', archive, '--numeric-owner', '--owner=0', '--group=0', '-C', root, '.']);
  await runOk('podman', ['import', '--quiet', ...changes.flatMap((change) => ['--change', change]), archive, image]);
}
