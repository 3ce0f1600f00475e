/**
 * The fault table (docs/testing.md): one row for each network, disk and process fault, by the whole program, with the exit code, the
 * reason and the volume afterwards: the previous set, byte for byte, and nothing else.
 */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Behaviour,
  cutAfter,
  drip,
  garbage,
  hang,
  loginPage,
  redirect,
  resetAfter,
  resetAtOnce,
  serve,
  serveChunked,
  serveWhole,
  stallAfter,
  startFaultServer,
  status,
} from '../support/fault-server.ts';
import { mountObstacle, mountTmpfs } from '../support/mounts.ts';
import { backendPlugin } from '../support/plugins.ts';
import { type ProgramOptions, type ProgramResult, runProgram } from '../support/program.ts';
import { makeCa, whyNoTls } from '../support/tls.ts';
import { topLevel, volumeState } from '../support/volume-state.ts';

/** About 200 KiB that do not compress, so that a cut can be anywhere. */
const PLUGIN = backendPlugin({ name: '@acme/wanted', files: { 'dist/noise.bin': noise(200_000) } });
const PREVIOUS = backendPlugin({ name: '@acme/previous' });
const { tarball, integrity } = PLUGIN;
const PATH = '/plugin.tgz';

function noise(bytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(bytes / 64) }, (_, i) => createHash('sha512').update(`${i}`).digest());
  return Buffer.concat(blocks).subarray(0, bytes);
}

let base: string;
let root: string;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'faults-'));
});
afterAll(async () => rm(base, { recursive: true }));
beforeEach(async () => {
  root = await mkdtemp(join(base, 'root-'));
});
afterEach(() => chmodSync(root, 0o755));

/** Puts the previous set on the volume by installing it. */
async function stagePrevious(into = root): Promise<void> {
  await using server = await startFaultServer({ '/previous.tgz': serve(PREVIOUS.tarball) });
  const list = { plugins: [{ package: server.url('/previous.tgz').href, integrity: PREVIOUS.integrity }] };
  const { exitCode } = await runProgram({ root: into, list, env: insecure(server) });
  expect(exitCode).toBe(0);
}

function insecure(server: { readonly port: number }): Record<string, string> {
  return { PORTAL_PLUGINS_INSECURE_HOSTS: `127.0.0.1:${server.port}` };
}

interface Expected {
  readonly exitCode: number;
  readonly reason: string | undefined;
}

/** Runs against a server that answers the plugin's address as told; the previous set must survive every failure. */
async function against(
  script: Record<string, Behaviour | readonly Behaviour[]>,
  more: Partial<ProgramOptions> = {},
): Promise<ProgramResult> {
  await stagePrevious();
  const before = volumeState(root);
  await using server = await startFaultServer(script);
  const list = { plugins: [{ package: server.url(PATH).href, integrity }] };
  const result = await runProgram({ root, list, ...more, env: { ...insecure(server), ...more.env } });
  if (result.exitCode !== 0) expect(volumeState(root)).toEqual(before);
  expect(topLevel(root).filter((name) => name.startsWith('.'))).toEqual([]);
  expect(result.lines.at(-1)).toMatchObject({ event: 'completed', exitCode: result.exitCode });
  return result;
}

const QUICK = { PORTAL_PLUGINS_HEADERS_TIMEOUT: '300ms', PORTAL_PLUGINS_BODY_IDLE_TIMEOUT: '300ms' };
const changed = Buffer.from(tarball);
changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 0xff;
const half = tarball.length >> 1;

const HTTP: readonly (readonly [string, Behaviour | readonly Behaviour[], Expected])[] = [
  ['401', status(401), { exitCode: 77, reason: 'auth_refused' }],
  ['403', status(403), { exitCode: 77, reason: 'auth_refused' }],
  ['404', status(404), { exitCode: 66, reason: 'package_not_found' }],
  ['410', status(410), { exitCode: 66, reason: 'package_not_found' }],
  [
    '429 with a Retry-After beyond the deadline',
    status(429, { 'retry-after': '86400' }),
    { exitCode: 69, reason: 'rate_limited' },
  ],
  ['429 always', status(429), { exitCode: 69, reason: 'rate_limited' }],
  ['500 always', status(500), { exitCode: 69, reason: 'registry_unavailable' }],
  ['502 always', status(502), { exitCode: 69, reason: 'registry_unavailable' }],
  ['503 once', [status(503), serve(tarball)], { exitCode: 0, reason: undefined }],
  [
    '429 with a short Retry-After once',
    [status(429, { 'retry-after': '0' }), serve(tarball)],
    { exitCode: 0, reason: undefined },
  ],
  ['no Content-Length', serveChunked(tarball), { exitCode: 0, reason: undefined }],
  [
    'Content-Encoding gzip',
    serveWhole(gzipSync(tarball), { 'content-encoding': 'gzip' }),
    { exitCode: 65, reason: 'unexpected_content' },
  ],
  ['a login page with status 200', loginPage(), { exitCode: 65, reason: 'integrity_mismatch' }],
  ['an answer that is not HTTP', garbage(), { exitCode: 69, reason: 'registry_unavailable' }],
  ['no answer', hang(), { exitCode: 69, reason: 'registry_unavailable' }],
  ['a redirect loop', redirect(PATH), { exitCode: 65, reason: 'redirect_refused' }],
  [
    'a redirect to a private address',
    redirect('http://169.254.169.254/latest/meta-data'),
    { exitCode: 65, reason: 'redirect_refused' },
  ],
  ['a redirect to another scheme', redirect('file:///etc/passwd'), { exitCode: 65, reason: 'redirect_refused' }],
  ['a body cut at 0', cutAfter(tarball, 0), { exitCode: 69, reason: 'registry_unavailable' }],
  ['a body cut at 1', cutAfter(tarball, 1), { exitCode: 69, reason: 'registry_unavailable' }],
  ['a body cut in the middle once', [cutAfter(tarball, half), serve(tarball)], { exitCode: 0, reason: undefined }],
  ['a body reset in the middle once', [resetAfter(tarball, half), serve(tarball)], { exitCode: 0, reason: undefined }],
  [
    'a body cut at the last byte once',
    [cutAfter(tarball, tarball.length - 1), serve(tarball)],
    { exitCode: 0, reason: undefined },
  ],
  [
    'a Range that is ignored after a cut',
    [cutAfter(tarball, half), serveWhole(tarball)],
    { exitCode: 0, reason: undefined },
  ],
  ['a reset at once', resetAtOnce(), { exitCode: 69, reason: 'registry_unavailable' }],
  ['a body that stalls for ever', stallAfter(tarball, 1), { exitCode: 69, reason: 'registry_unavailable' }],
  ['one byte now and then', drip(tarball, 50), { exitCode: 69, reason: 'registry_unavailable' }],
  ['a byte changed in the middle', serve(changed), { exitCode: 65, reason: 'integrity_mismatch' }],
  [
    'an archive cut short but well announced',
    serve(tarball.subarray(0, half)),
    { exitCode: 65, reason: 'integrity_mismatch' },
  ],
];

describe('HTTP', () => {
  test.each(HTTP)('%s', async (_, behaviour, expected) => {
    expect(await against({ [PATH]: behaviour }, { env: QUICK })).toMatchObject(expected);
  });

  test('a good server, so that the rows above fail for their reason', async () => {
    expect(await against({ [PATH]: serve(tarball) })).toMatchObject({ exitCode: 0 });
    expect(topLevel(root)).toContain('acme-wanted');
  });

  test('an archive over the limit is 74 and names the setting', async () => {
    const result = await against({ [PATH]: serve(tarball) }, { env: { PORTAL_PLUGINS_MAX_BLOB_BYTES: '1000' } });
    expect(result).toMatchObject({ exitCode: 74, reason: 'size_budget_exceeded' });
    expect(result.termination).toContain('PORTAL_PLUGINS_MAX_BLOB_BYTES');
  });

  test('a redirect of an https entry outside allowedSources is refused with the pattern to add', async () => {
    await stagePrevious();
    const before = volumeState(root);
    await using elsewhere = await startFaultServer({ [PATH]: serve(tarball) });
    await using server = await startFaultServer({ [PATH]: redirect(elsewhere.url(PATH).href) });
    const hosts = [server, elsewhere].map(({ port }) => `127.0.0.1:${port}`).join();
    const env = { PORTAL_PLUGINS_INSECURE_HOSTS: hosts, PORTAL_PLUGINS_ALLOW_PRIVATE_REDIRECTS: '127.0.0.1' };
    const list = { allowedSources: [server.origin], plugins: [{ package: server.url(PATH).href, integrity }] };
    const result = await runProgram({ root, list, env });
    expect(result).toMatchObject({ exitCode: 65, reason: 'source_not_allowed' });
    expect(elsewhere.seen).toEqual([]);
    expect(result.termination).toContain(elsewhere.origin);
    expect(volumeState(root)).toEqual(before);
  });
});

function listOf(url: string): object {
  return { plugins: [{ package: url, integrity }] };
}

describe('name, connection, TLS', () => {
  test('an unknown host', async () => {
    const result = await runProgram({ root, list: listOf('https://no-such-host.invalid/x.tgz') });
    expect(result).toMatchObject({ exitCode: 69, reason: 'dns_failed' });
  });

  test('a port nobody listens on', async () => {
    const result = await runProgram({ root, list: listOf('https://127.0.0.1:1/x.tgz') });
    expect(result).toMatchObject({ exitCode: 69, reason: 'registry_unavailable' });
  });

  const noTls = whyNoTls();
  if (noTls !== undefined) console.warn(`skipped: TLS faults: ${noTls}`);
  const ca = makeCa('fault table');
  test.skipIf(noTls !== undefined).each([
    ['a CA that is not known', ca.server, undefined, { exitCode: 69, reason: 'tls_failed' }],
    ['an expired certificate', ca.expired, ca.ca, { exitCode: 69, reason: 'tls_failed' }],
    ['a certificate for another name', ca.wrongName, ca.ca, { exitCode: 69, reason: 'tls_failed' }],
    ['a private CA that is mounted', ca.server, ca.ca, { exitCode: 0, reason: undefined }],
  ] as const)('%s', async (_, certificate, trusted, expected) => {
    await using server = await startFaultServer({ [PATH]: serve(tarball) }, { tls: certificate });
    const file = join(base, 'ca.pem');
    writeFileSync(file, trusted ?? '');
    const env = trusted === undefined ? {} : { PORTAL_PLUGINS_CA_FILE: file };
    expect(await runProgram({ root, list: listOf(server.url(PATH).href), env })).toMatchObject(expected);
  });

  test.skipIf(noTls !== undefined)('a redirect from https to http', async () => {
    await using plain = await startFaultServer({ [PATH]: serve(tarball) });
    await using server = await startFaultServer({ [PATH]: redirect(plain.url(PATH).href) }, { tls: ca.server });
    const file = join(base, 'ca.pem');
    writeFileSync(file, ca.ca);
    const env = { PORTAL_PLUGINS_CA_FILE: file, ...insecure(plain) };
    const result = await runProgram({ root, list: listOf(server.url(PATH).href), env });
    expect(result).toMatchObject({ exitCode: 65, reason: 'redirect_refused' });
    expect(plain.seen).toEqual([]);
  });
});

describe('disk', () => {
  if (mountObstacle !== undefined) console.warn(`skipped: full and read-only volumes: ${mountObstacle}`);
  const mountable = test.skipIf(mountObstacle !== undefined);

  mountable('a volume that is too small is 74 and keeps the previous set', async () => {
    using volume = mountTmpfs('size=300k');
    await stagePrevious(volume.path);
    const before = volumeState(volume.path);
    await using server = await startFaultServer({ [PATH]: serve(tarball) });
    const list = { plugins: [{ package: server.url(PATH).href, integrity }] };
    const result = await runProgram({ root: volume.path, list, env: insecure(server) });
    expect(result).toMatchObject({
      exitCode: 74,
      reason: expect.stringMatching(/^(?:volume_full|size_budget_exceeded)$/),
    });
    expect(volumeState(volume.path)).toEqual(before);
  });

  mountable('a read-only volume is 73', async () => {
    using volume = mountTmpfs('size=2m');
    volume.remount('ro');
    const result = await runProgram({ root: volume.path, list: { plugins: [] } });
    expect(result).toMatchObject({ exitCode: 73, reason: 'volume_not_writable' });
  });

  test.each([
    ['a root that is missing', (): string => join(root, 'missing'), 'volume_missing'],
    [
      'a root that is a file',
      (): string => (writeFileSync(join(root, 'file'), ''), join(root, 'file')),
      'volume_missing',
    ],
    [
      'a root that is a link',
      (): string => (mkdirSync(join(root, 'd')), symlinkSync('d', join(root, 'link')), join(root, 'link')),
      'volume_missing',
    ],
  ] as const)('%s', async (_, make, reason) => {
    expect(await runProgram({ root: make(), list: { plugins: [] } })).toMatchObject({ exitCode: 73, reason });
  });

  const isRoot = process.getuid?.() === 0;
  if (!isRoot) console.warn('skipped: a root of another user: only root may change the user');
  test.skipIf(!isRoot)('a root this user may not write', async () => {
    chmodSync(base, 0o755);
    const prefix = ['setpriv', '--reuid=65532', '--regid=65532', '--clear-groups'];
    const config = join(base, 'list.json');
    writeFileSync(config, '{"plugins": []}');
    const result = await runProgram({ root, prefix, cwd: base, args: ['--config', config] });
    expect(result).toMatchObject({ exitCode: 73, reason: 'volume_not_writable' });
  });

  test('a file-size limit of the process fails the plugin, not the volume', async () => {
    const result = await against({ [PATH]: serve(tarball) }, { prefix: ['prlimit', '--fsize=50000'] });
    expect([73, 74]).toContain(result.exitCode);
  });

  test('few file descriptors are enough', async () => {
    const result = await against({ [PATH]: serve(tarball) }, { prefix: ['prlimit', '--nofile=64'] });
    expect(result.exitCode).toBe(0);
  });
});

describe('volume state', () => {
  test.each([
    ['a ledger that is missing', 'portal-plugins.json', undefined],
    ['a ledger that is corrupt', 'portal-plugins.json', '{"schemaVersion":'],
    ['a ledger of a newer version', 'portal-plugins.json', '{"schemaVersion": 99}'],
    ['an app-config that is gone', 'app-config.dynamic-plugins.yaml', undefined],
    ['a plugin file that was emptied', 'acme-wanted/dist/index.cjs.js', ''],
  ] as const)('%s is repaired', async (_, file, content) => {
    await using server = await startFaultServer({ [PATH]: serve(tarball) });
    const list = { plugins: [{ package: server.url(PATH).href, integrity }] };
    await runProgram({ root, list, env: insecure(server) });
    const before = volumeState(root, ['portal-plugins.json']);
    if (content === undefined) await rm(join(root, file));
    else writeFileSync(join(root, file), content);
    expect(await runProgram({ root, list, env: insecure(server) })).toMatchObject({ exitCode: 0 });
    expect(volumeState(root, ['portal-plugins.json'])).toEqual(before);
  });
});

describe('process', () => {
  test('a waiter whose deadline passes while the holder lives is 75 and names the holder', async () => {
    await using server = await startFaultServer({ [PATH]: stallAfter(tarball, 1) });
    const list = { plugins: [{ package: server.url(PATH).href, integrity }] };
    let waiter: Promise<ProgramResult> | undefined;
    const holder = await runProgram({
      root,
      list,
      env: insecure(server),
      onLine: (line, child) => {
        if (line.event !== 'plugin_started' || waiter !== undefined) return;
        const env = { PORTAL_PLUGINS_RUN_DEADLINE: '1s' };
        waiter = runProgram({ root, list: { plugins: [] }, env }).finally(() => child.kill('SIGTERM'));
      },
    });
    expect(await waiter).toMatchObject({ exitCode: 75, reason: 'lock_busy' });
    expect(holder.exitCode).toBe(143);
    expect(topLevel(root)).toEqual([]);
  });
});
