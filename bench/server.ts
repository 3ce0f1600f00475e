/**
 * Serves a corpus from loopback, as OCI artifacts and as an npm registry, in a process of its own, so that its work is not counted as
 * anybody's. Answers come from memory and every request is counted.
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CorpusPlugin } from './corpus.ts';

export interface BenchServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Requests since the last call. */
  takeCount(): Promise<number>;
  close(): void;
}

/** Starts the server for these plugins; it ends with `close` or with this process. */
export async function startServer(plugins: readonly CorpusPlugin[]): Promise<BenchServer> {
  const child = fork(import.meta.filename, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ask = async (message: object): Promise<unknown> => {
    const answer = once(child, 'message');
    child.send(message);
    const [value] = (await answer) as readonly unknown[];
    return value;
  };
  const { port } = (await ask({ plugins })) as { port: number };
  return {
    host: `127.0.0.1:${port}`,
    takeCount: async () => ((await ask({ takeCount: true })) as { count: number }).count,
    close: () => void child.kill(),
  };
}

interface Answer {
  readonly type: string;
  readonly body: Buffer;
  readonly digest?: string;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** Every path the corpus can be asked for. npm's tarball addresses need the port, so this runs after `listen`. */
function answersFor(plugins: readonly CorpusPlugin[], port: number): ReadonlyMap<string, Answer> {
  const answers = new Map<string, Answer>([['/v2/', { type: 'application/json', body: Buffer.from('{}') }]]);
  for (const plugin of plugins) {
    const archive = readFileSync(plugin.file);
    const empty = Buffer.from('{}');
    const manifest = Buffer.from(JSON.stringify(manifestOf(plugin, empty)));
    const digest = digestOf(manifest);
    for (const reference of [plugin.version, digest]) {
      answers.set(`/v2/${plugin.name}/manifests/${reference}`, { type: MANIFEST, body: manifest, digest });
    }
    answers.set(`/v2/${plugin.name}/blobs/${plugin.digest}`, { type: 'application/octet-stream', body: archive });
    answers.set(`/v2/${plugin.name}/blobs/${digestOf(empty)}`, { type: 'application/octet-stream', body: empty });
    answers.set(`/${plugin.name}`, { type: 'application/json', body: packumentOf(plugin, port) });
    answers.set(`/${plugin.name}/-/${tarballName(plugin)}`, { type: 'application/octet-stream', body: archive });
  }
  return answers;
}

/** OCI image-spec v1.1, "Image manifest", with one archive layer. */
function manifestOf(plugin: CorpusPlugin, config: Buffer): object {
  return {
    schemaVersion: 2,
    mediaType: MANIFEST,
    artifactType: 'application/vnd.npm.package',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(config), size: config.length },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: plugin.digest, size: plugin.bytes }],
  };
}

function packumentOf(plugin: CorpusPlugin, port: number): Buffer {
  const { name, version, integrity, shasum } = plugin;
  const tarball = `http://127.0.0.1:${port}/${name}/-/${tarballName(plugin)}`;
  const versions = { [version]: { name, version, dist: { integrity, shasum, tarball } } };
  return Buffer.from(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }));
}

const tarballName = (plugin: CorpusPlugin): string => `${plugin.name}-${plugin.version}.tgz`;
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function serve(): void {
  let answers: ReadonlyMap<string, Answer> = new Map();
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    const answer = answers.get(decodeURIComponent(request.url ?? '').replace(/\?.*$/, ''));
    if (answer === undefined) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"NOT_FOUND"}]}');
      return;
    }
    response.writeHead(200, {
      'content-type': answer.type,
      'content-length': answer.body.length,
      ...(answer.digest === undefined ? {} : { 'docker-content-digest': answer.digest }),
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  });
  process.on('message', (message: { readonly plugins?: readonly CorpusPlugin[] }) => {
    const { plugins } = message;
    if (plugins === undefined) {
      process.send?.({ count });
      count = 0;
      return;
    }
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      answers = answersFor(plugins, port);
      process.send?.({ port });
    });
  });
  process.on('disconnect', () => process.exit());
}

if (process.argv[1] === import.meta.filename && process.send !== undefined) serve();
