/** For each kind of source a peer with one archive on it; what the contract suite of sources needs to know. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type Intercept, type TestServer } from './http-server.ts';
import { publish } from './npm-publish.ts';
import { startNpmRegistry } from './npm-registry.ts';
import { pushArtifact } from './oci-push.ts';
import { startOciRegistry } from './oci-registry.ts';
import type { TestPlugin } from './plugins.ts';

export interface SourceFixture {
  /** A reference to the archive. */
  readonly text: string;
  /** Lines for `.npmrc`. */
  readonly npmrc: string;
  /** Requests the peer has had; undefined for local sources. */
  readonly requests: (() => number) | undefined;
  interceptWith(intercept: Intercept | undefined): void;
  close(): Promise<void>;
}

export interface SourceKind {
  readonly kind: string;
  readonly isLocal: boolean;
  /** References of this kind that must not parse. */
  readonly malformed: readonly string[];
  start(plugin: TestPlugin): Promise<SourceFixture>;
}

export const SOURCE_KINDS: readonly SourceKind[] = [
  {
    kind: 'oci',
    isLocal: false,
    malformed: ['oci://', 'oci://ghcr.io', 'oci://ghcr.io/Acme/x:1', 'oci://u:hunter2@ghcr.io/a:1'],
    async start({ tarball }) {
      const registry = await startOciRegistry();
      const { pinned } = await pushArtifact({ origin: registry.origin, repository: 'acme/todo', tag: '1' }, tarball);
      return fixtureOf(registry, pinned, '');
    },
  },
  {
    kind: 'https',
    isLocal: false,
    malformed: [
      'https://',
      'https://u:hunter2@files.example/x',
      'http://files.example/x',
      'https://files.example/a/../b',
    ],
    async start({ tarball }) {
      const headers = { 'accept-ranges': 'bytes', etag: '"v1"' };
      const server = await startServer({
        answer: ({ headers: asked }) => {
          const start = Number(/^bytes=(\d+)-$/.exec(asked.range ?? '')?.[1] ?? 0);
          if (start === 0) return { status: 200, headers, body: tarball };
          const range = `bytes ${start}-${tarball.length - 1}/${tarball.length}`;
          return { status: 206, headers: { ...headers, 'content-range': range }, body: tarball.subarray(start) };
        },
      });
      return fixtureOf(server, `${server.origin}/files/todo.tgz`, '');
    },
  },
  {
    kind: 'file',
    isLocal: true,
    malformed: ['file:', 'file://host/x', './a\u0000b'],
    async start({ tarball }) {
      const directory = await mkdtemp(join(tmpdir(), 'file-fixture-'));
      await writeFile(join(directory, 'todo.tgz'), tarball);
      return {
        text: `file:${directory}/todo.tgz`,
        npmrc: '',
        requests: undefined,
        interceptWith: () => undefined,
        close: () => rm(directory, { recursive: true }),
      };
    },
  },
  {
    kind: 'npm',
    isLocal: false,
    malformed: ['npm:', 'acme/todo', 'npm:todo@git+ssh://u:hunter2@host.example/x', 'npm:_x'],
    async start(plugin) {
      const registry = await startNpmRegistry();
      await publish(registry.url, plugin);
      return fixtureOf(registry, `npm:${plugin.name}@${plugin.version}`, `registry=${registry.url}\n`);
    },
  },
];

function fixtureOf(server: TestServer, text: string, npmrc: string): SourceFixture {
  const before = server.requests.length;
  return {
    text: text.replace(/^oci:\/\/(?:https?:\/\/)?/, 'oci://'),
    npmrc,
    requests: () => server.requests.length - before,
    interceptWith: (intercept) => server.interceptWith(intercept),
    close: () => server.close(),
  };
}
