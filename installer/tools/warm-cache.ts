/**
 * Fills a compile cache by a real run: one plugin over OCI, one over https's kind and one from disk, from a server of its own on loopback,
 * and a second run that finds everything in place. What runs here is what a pod runs, so its code is what the cache holds.
 *
 *     node installer/tools/warm-cache.ts CACHE_DIR PROGRAM
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';

async function main(cacheDir: string, program: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'warm-cache-'));
  const archives = await Promise.all(['one', 'two', 'three'].map((name) => packPlugin(work, name)));
  const [overOci, overHttp, onDisk] = archives;
  if (overOci === undefined || overHttp === undefined || onDisk === undefined)
    throw new Error('three plugins expected');
  const server = await serve(overOci, overHttp);
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const root = join(work, 'root');
    await mkdir(root);
    const list = join(work, 'dynamic-plugins.yaml');
    await writeFile(list, listOf(host, { overOci, overHttp, onDisk }));
    for (let round = 0; round < 2; round += 1) {
      await runProgram([program, 'install', '--config', list, '--root', root], {
        NODE_COMPILE_CACHE: cacheDir,
        NODE_OPTIONS: process.env['NODE_OPTIONS'] ?? '',
        PORTAL_PLUGINS_INSECURE_HOSTS: host,
      });
    }
    if ((await readdir(cacheDir)).length === 0) throw new Error(`nothing was written to ${cacheDir}`);
  } finally {
    server.close();
    await rm(work, { recursive: true, force: true });
  }
}

interface Archive {
  readonly path: string;
  readonly bytes: Buffer;
}

async function packPlugin(work: string, name: string): Promise<Archive> {
  const directory = join(work, name, 'package');
  await mkdir(join(directory, 'dist'), { recursive: true });
  const manifest = { name, version: '1.0.0', main: 'dist/index.cjs.js', backstage: { role: 'backend-plugin' } };
  await writeFile(join(directory, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(directory, 'dist/index.cjs.js'), 'exports.default = {};\n');
  const path = join(work, `${name}.tgz`);
  await create({ file: path, cwd: join(work, name), gzip: true, portable: true }, ['package']);
  return { path, bytes: await readFile(path) };
}

function listOf(host: string, archives: Readonly<Record<'overOci' | 'overHttp' | 'onDisk', Archive>>): string {
  const sri = (archive: Archive): string => `sha512-${createHash('sha512').update(archive.bytes).digest('base64')}`;
  return [
    `allowedSources: ["oci://${host}/", "http://${host}/"]`,
    'plugins:',
    `  - { package: "oci://${host}/one:1.0.0", integrity: "${sri(archives.overOci)}" }`,
    `  - { package: "http://${host}/two.tgz", integrity: "${sri(archives.overHttp)}" }`,
    `  - { package: "file:${archives.onDisk.path}", integrity: "${sri(archives.onDisk)}" }`,
    '',
  ].join('\n');
}

/** As much of a registry as pulling one artifact takes (OCI distribution-spec v1.1, "Pulling manifests", "Pulling blobs"). */
async function serve(overOci: Archive, overHttp: Archive): Promise<Server> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      artifactType: 'application/vnd.npm.package',
      config: descriptorOf('application/vnd.oci.empty.v1+json', Buffer.from('{}')),
      layers: [descriptorOf('application/vnd.oci.image.layer.v1.tar+gzip', overOci.bytes)],
    }),
  );
  const files = new Map([
    ['/v2/one/manifests/1.0.0', { type: mediaType, body: manifest }],
    [`/v2/one/blobs/${digestOf(overOci.bytes)}`, { type: 'application/octet-stream', body: overOci.bytes }],
    ['/two.tgz', { type: 'application/gzip', body: overHttp.bytes }],
  ]);
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '');
    if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': file.type, 'content-length': file.body.length }).end(file.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function descriptorOf(mediaType: string, bytes: Buffer): object {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

function runProgram(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env: environment, stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${args.join(' ')} ended with ${code ?? signal}`)),
    );
  });
}

const [cacheDir, program] = process.argv.slice(2);
if (cacheDir === undefined || program === undefined) throw new Error('usage: warm-cache.ts CACHE_DIR PROGRAM');
await main(cacheDir, program);
