import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Check, Entry, Pinned } from '../../../installer/core/types.ts';
import { testContext, type ContextOverrides, type TestContext } from '../../support/context.ts';
import { failureOf } from '../../support/http.ts';
import { ociEntry, ociReference } from '../../support/oci-context.ts';
import { pluginAnnotation } from '../../support/oci-push.ts';
import { scriptedHttp, type ScriptedAnswer, type ScriptedHttp } from '../../support/scripted-http.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const EMPTY = 'application/vnd.oci.empty.v1+json';
const IMAGE = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const TODO = { todo: { name: '@acme/todo', version: '1.4.2' } };
const ownArchitecture = process.arch === 'x64' ? 'amd64' : process.arch;

type Json = Readonly<Record<string, unknown>>;

const blob = (text: string, more: Json = {}): Json => ({
  mediaType: LAYER,
  digest: sha256(text),
  size: text.length,
  ...more,
});
const config = (mediaType: string): Json => ({ ...blob('{}'), mediaType });
const artifact = (more: Json = {}): Json => ({
  schemaVersion: 2,
  mediaType: MANIFEST,
  config: config(EMPTY),
  layers: [
    blob('layer', { mediaType: 'application/gzip', annotations: { 'org.opencontainers.image.title': 'package.tgz' } }),
  ],
  ...more,
});
const image = (layers: readonly Json[], more: Json = {}): Json => artifact({ config: config(IMAGE), layers, ...more });
const index = (manifests: readonly Json[], more: Json = {}): Json => ({
  schemaVersion: 2,
  mediaType: INDEX,
  manifests,
  ...more,
});
const listed = (manifest: Json, more: Json = {}): Json => {
  const text = JSON.stringify(manifest);
  return { mediaType: manifest['mediaType'], digest: sha256(text), size: text.length, ...more };
};

const named = (path: string): Json => ({ annotations: pluginAnnotation({ [path]: { name: path, version: '1' } }) });

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** A registry that holds these manifests, the first under every tag, and the blob `layer`. */
function serving(...manifests: readonly Json[]): ScriptedHttp {
  const byDigest = new Map(manifests.map((manifest) => [sha256(JSON.stringify(manifest)), manifest]));
  return scriptedHttp(({ url, headers }): ScriptedAnswer => {
    const name = url.pathname.split('/').at(-1) ?? '';
    if (name === sha256('layer')) {
      const [, from = '0'] = /^bytes=(\d+)-$/.exec(headers['range'] ?? '') ?? [];
      const at = Number(from);
      if (at === 0) return { status: 200, body: 'layer', headers: { 'content-length': '5' } };
      return { status: 206, body: 'layer'.slice(at), headers: { 'content-range': `bytes ${at}-4/5` } };
    }
    const manifest = name.startsWith('sha256:') ? byDigest.get(name) : manifests[0];
    if (manifest === undefined) return { status: 404 };
    return { status: 200, body: JSON.stringify(manifest), headers: { 'content-type': String(manifest['mediaType']) } };
  });
}

interface Resolving {
  readonly http: ScriptedHttp;
  readonly ctx: TestContext;
  readonly pinned: Promise<Pinned>;
}

interface How {
  readonly text?: string;
  readonly entry?: Partial<Entry>;
  readonly ctx?: ContextOverrides;
}

function resolving(
  manifests: readonly Json[],
  { text = 'oci://r.example/acme/todo:1', entry, ctx: overrides }: How = {},
): Resolving {
  const http = serving(...manifests);
  const ctx = testContext({ http, ...overrides });
  const listEntry = ociEntry(text, entry);
  return { http, ctx, pinned: listEntry.reference.resolve(listEntry, ctx) };
}

const integrity: Check = {
  kind: 'integrity',
  text: 'sha512-x',
  needs: ['sha512'],
  verify: async () => Promise.reject(new Error('this test must not verify')),
};

describe('a reference', () => {
  const digest = `sha256:${'a1'.repeat(32)}`;

  test('has origin, identity, digest and canonical text', () => {
    expect(ociReference(`oci://GHCR.io:443/acme/todo:1@${digest}!plugins/todo`)).toMatchObject({
      kind: 'oci',
      text: `oci://ghcr.io/acme/todo:1@${digest}!plugins/todo`,
      origin: { scheme: 'oci', host: 'ghcr.io', port: 443, segments: ['acme', 'todo'] },
      identity: 'oci://ghcr.io/acme/todo!plugins/todo',
      digest,
      isLocal: false,
    });
  });

  test.each([
    ['oci://ghcr.io/acme/todo', 1],
    ['oci://ghcr.io/acme/todo:latest', 0],
    ['oci://ghcr.io/acme/todo:1', 0],
    [`oci://ghcr.io/acme/todo@${digest}`, 0],
    [`oci://ghcr.io/acme/todo:1@${digest}`, 1],
  ])('%s brings %i warnings', (text, warnings) => {
    expect(ociReference(text).warnings).toHaveLength(warnings);
  });

  test('without tag and digest means latest', async () => {
    const { http, pinned } = resolving([artifact()], { text: 'oci://r.example/acme/todo' });
    await pinned;
    expect(http.requests[0]?.url.pathname).toBe('/v2/acme/todo/manifests/latest');
  });

  test('with tag and digest is asked for by digest', async () => {
    const digest = sha256(JSON.stringify(artifact()));
    const { http, pinned } = resolving([artifact()], { text: `oci://r.example/acme/todo:old@${digest}` });
    await pinned;
    expect(http.requests.map(({ url }) => url.pathname)).toEqual([`/v2/acme/todo/manifests/${digest}`]);
  });
});

describe('layout and plugin path', () => {
  const one = image([blob('layer')]);
  const annotated = image([blob('layer')], { annotations: pluginAnnotation(TODO) });

  test.each([
    ['an artifact of one layer', artifact(), undefined, 'package', undefined],
    ['an artifact with !PATH', artifact(), 'x/todo', 'image', 'x/todo'],
    [
      'an artifact with a plugin annotation',
      artifact({ annotations: pluginAnnotation(TODO) }),
      undefined,
      'image',
      'todo',
    ],
    ['an image of one layer', one, undefined, 'image', undefined],
    ['an image with !PATH', one, 'todo', 'image', 'todo'],
    ['an image whose annotation names one plugin', annotated, undefined, 'image', 'todo'],
    ['an image with !PATH beside its annotation', annotated, 'other', 'image', 'other'],
    [
      'an image with a titled archive',
      image([blob('layer'), blob('{"a":1}')], {
        layers: [blob('x'), blob('layer', { annotations: { 'org.opencontainers.image.title': 'a.tgz' } })],
      }),
      undefined,
      'package',
      undefined,
    ],
    [
      'an image whose annotation is empty',
      image([blob('layer')], { annotations: pluginAnnotation({}) }),
      undefined,
      'image',
      undefined,
    ],
  ])('%s', async (_name, manifest, path, layout, within) => {
    const text = `oci://r.example/acme/todo:1${path === undefined ? '' : `!${path}`}`;
    const digest = sha256(JSON.stringify(manifest));
    expect(await resolving([manifest], { text }).pinned).toMatchObject({
      layout,
      within,
      key: `oci://r.example/acme/todo@${digest}`,
      text: `oci://r.example/acme/todo:1@${digest}${within === undefined ? '' : `!${within}`}`,
      manifestDigest: digest,
    });
  });

  test('an annotation of several plugins demands a path and lists them', async () => {
    const plugins = { todo: { name: 'a', version: '1' }, 'x/notes': { name: 'b', version: '1' } };
    const failure = await failureOf(
      resolving([image([blob('layer')], { annotations: pluginAnnotation(plugins) })]).pinned,
    );
    expect(failure).toMatchObject({ reason: 'PluginPathRequired', details: { plugins: ['todo', 'x/notes'] } });
    expect(failure.fix).toContain('oci://r.example/acme/todo:1!todo');
  });

  test.each([
    ['no base64', 'not base64 of json'],
    ['no array', Buffer.from('{}').toString('base64')],
    ['elements that are text', Buffer.from('["todo"]').toString('base64')],
    ['a path that leaves the image', Buffer.from('[{"../todo":{}}]').toString('base64')],
    ['an absolute path', Buffer.from('[{"/todo":{}}]').toString('base64')],
  ])('an annotation with %s is ManifestInvalid', async (_name, value) => {
    const annotations = { 'io.backstage.dynamic-packages': value };
    await expect(resolving([image([blob('layer')], { annotations })]).pinned).rejects.toMatchObject({
      reason: 'ManifestInvalid',
    });
  });

  test('the annotation of the index counts before that of its entry, and that before the manifest’s', async () => {
    const manifest = image([blob('layer')], named('of-manifest'));
    const cases = [
      [index([listed(manifest, named('of-entry'))], named('of-index')), 'of-index'],
      [index([listed(manifest, named('of-entry'))]), 'of-entry'],
      [index([listed(manifest)]), 'of-manifest'],
    ] as const;
    for (const [top, within] of cases) expect(await resolving([top, manifest]).pinned).toMatchObject({ within });
  });
});

describe('an index', () => {
  const own = { platform: { os: 'linux', architecture: ownArchitecture } };

  test('is the pin, and the manifest it leads to is the key of the download', async () => {
    const manifest = artifact();
    const top = index([listed(manifest, own)]);
    expect(await resolving([top, manifest]).pinned).toMatchObject({
      manifestDigest: sha256(JSON.stringify(top)),
      key: `oci://r.example/acme/todo@${sha256(JSON.stringify(manifest))}`,
    });
  });

  test('may list another index, but no third one', async () => {
    const manifest = artifact();
    const inner = index([listed(manifest, own)]);
    const outer = index([listed(inner)]);
    await expect(resolving([outer, inner, manifest]).pinned).resolves.toMatchObject({ layout: 'package' });
    const tooDeep = index([listed(outer)]);
    await expect(resolving([tooDeep, outer, inner, manifest]).pinned).rejects.toMatchObject({
      reason: 'ManifestInvalid',
    });
  });

  test('without a manifest for this machine leads to linux/amd64 with a warning', async () => {
    const manifest = artifact();
    const on = (architecture: string): Json => listed(manifest, { platform: { os: 'linux', architecture } });
    const real = process.arch;
    Object.defineProperty(process, 'arch', { value: 'riscv64' });
    try {
      const pinned = await resolving([index([on('s390x'), on('amd64')]), manifest]).pinned;
      expect(pinned.warnings).toEqual([expect.stringContaining('linux/riscv64')]);
    } finally {
      Object.defineProperty(process, 'arch', { value: real });
    }
  });
});

describe('parts', () => {
  test('claim digest and size of their layer, in order', async () => {
    const manifest = image([blob('one'), blob('layer'), blob('three!')]);
    const { parts } = await resolving([manifest]).pinned;
    expect(parts.map(({ claims }) => claims)).toEqual([
      { digest: sha256('one'), bytes: 3 },
      { digest: sha256('layer'), bytes: 5 },
      { digest: sha256('three!'), bytes: 6 },
    ]);
  });

  test('are opened from the start or where the download broke off, without If-Range', async () => {
    const { ctx, http, pinned } = resolving([artifact()]);
    const [part] = (await pinned).parts;
    const whole = await part?.open(ctx, { offset: 0, validator: undefined });
    expect(whole).toMatchObject({
      offset: 0,
      total: 5,
      from: expect.stringContaining('https://r.example/v2/acme/todo/blobs/'),
    });
    const rest = await part?.open(ctx, { offset: 2, validator: '"replica-7"' });
    expect(rest).toMatchObject({ offset: 2, total: 5 });
    expect(http.requests.at(-1)?.headers).toEqual({ range: 'bytes=2-' });
  });

  test('embedded in the manifest need no request', async () => {
    const layer = blob('layer', { data: Buffer.from('layer').toString('base64') });
    const { ctx, http, pinned } = resolving([artifact({ layers: [layer] })]);
    const [part] = (await pinned).parts;
    const body = await part?.open(ctx, { offset: 0, validator: undefined });
    const chunks: Uint8Array[] = [];
    for await (const chunk of body?.stream ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('layer');
    expect(http.requests).toHaveLength(1);
  });

  test.each([
    ['of another size', Buffer.from('layers').toString('base64')],
    ['that is no base64', 'layer'],
  ])('with embedded data %s are ManifestInvalid', async (_name, data) => {
    const { pinned } = resolving([artifact({ layers: [blob('layer', { data })] })]);
    await expect(pinned).rejects.toMatchObject({ reason: 'ManifestInvalid' });
  });

  test('together over the limit are refused before any byte is fetched', async () => {
    const layers = [blob('one', { size: 600 }), blob('two', { size: 401 })];
    const limits = { archiveBytes: 1000 };
    const { http, pinned } = resolving([image(layers)], { ctx: { limits } });
    await expect(pinned).rejects.toMatchObject({ reason: 'SizeBudgetExceeded', details: { bytes: 1001, limit: 1000 } });
    expect(http.requests).toHaveLength(1);
  });
});

describe('integrity', () => {
  test('over an image of several layers is refused, and the fix is the digest to pin', async () => {
    const manifest = image([blob('one'), blob('two')]);
    const failure = await failureOf(resolving([manifest], { entry: { checks: [integrity] } }).pinned);
    expect(failure).toMatchObject({ reason: 'ListInvalid', details: { path: 'plugins[0]' } });
    expect(failure.fix).toContain(`@${sha256(JSON.stringify(manifest))}`);
  });

  test('over one layer is fine', async () => {
    const { pinned } = resolving([image([blob('layer')])], { entry: { checks: [integrity] } });
    await expect(pinned).resolves.toMatchObject({ parts: [{}] });
  });
});

describe('entries of one run', () => {
  test('look a manifest up once, at the same time and later', async () => {
    const http = serving(image([blob('layer')]));
    const ctx = testContext({ http });
    const entries = ['!a', '!b', ''].map((path) => ociEntry(`oci://r.example/acme/todo:1${path}`));
    const pinned = await Promise.all(entries.map(async (entry) => entry.reference.resolve(entry, ctx)));
    const later = ociEntry('oci://r.example/acme/todo:1!c');
    pinned.push(await later.reference.resolve(later, ctx));
    expect(http.requests).toHaveLength(1);
    expect(new Set(pinned.map(({ key }) => key)).size).toBe(1);
  });

  test('share nothing with another run', async () => {
    const [first, second] = [resolving([artifact()]), resolving([artifact()])];
    await Promise.all([first.pinned, second.pinned]);
    expect([first.http.requests.length, second.http.requests.length]).toEqual([1, 1]);
  });

  test('do not inherit a failure: the next entry asks again', async () => {
    let status = 404;
    const http = scriptedHttp(() => ({
      status,
      body: JSON.stringify(artifact()),
      headers: { 'content-type': MANIFEST },
    }));
    const ctx = testContext({ http });
    const entry = ociEntry('oci://r.example/acme/todo:1');
    await expect(entry.reference.resolve(entry, ctx)).rejects.toMatchObject({ reason: 'VersionNotFound' });
    status = 200;
    await expect(entry.reference.resolve(entry, ctx)).resolves.toMatchObject({ layout: 'package' });
  });
});

test('a digest that the registry announces wrongly becomes a warning', async () => {
  const http = scriptedHttp(() => ({
    status: 200,
    body: JSON.stringify(artifact()),
    headers: { 'content-type': MANIFEST, 'docker-content-digest': `sha256:${'0'.repeat(64)}` },
  }));
  const entry = ociEntry('oci://r.example/acme/todo:1');
  const { warnings } = await entry.reference.resolve(entry, testContext({ http }));
  expect(warnings).toHaveLength(1);
});

test('each warning text of a registry is logged once in a run, whatever it came with', async () => {
  const http = scriptedHttp(({ url }) => ({
    status: 200,
    body: JSON.stringify(artifact()),
    headers: {
      'content-type': MANIFEST,
      warning: url.pathname.includes('/blobs/') ? ['299 - "moving"', '299 - "blobs are slow"'] : '299 - "moving"',
    },
  }));
  const ctx = testContext({ http });
  for (const text of ['oci://r.example/acme/todo:1', 'oci://r.example/acme/todo:2', 'oci://r.example/acme/notes:1']) {
    const entry = ociEntry(text);
    const { parts } = await entry.reference.resolve(entry, ctx);
    const body = await parts[0]?.open(ctx, { offset: 0, validator: undefined });
    await body?.stream[Symbol.asyncIterator]().return?.();
  }
  const notes = ctx.events.filter(({ event }) => event === 'note');
  expect(notes).toMatchObject([{ text: 'r.example: moving' }, { text: 'r.example: blobs are slow' }]);
});
