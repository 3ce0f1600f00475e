/** What every source must do, applied to every registered one: a new kind brings a fixture and inherits these tests. */
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Body, ResumePoint } from '../../installer/core/types.ts';
import { parseReference, SOURCES } from '../../installer/sources/index.ts';
import { failureOf } from '../support/http.ts';
import { backendPlugin } from '../support/plugins.ts';
import { sourceContext } from '../support/source-context.ts';
import { SOURCE_KINDS, type SourceFixture } from '../support/source-fixtures.ts';
import { thrownBy, visible } from '../support/thrown.ts';

// Large enough that half of it is above the threshold from which downloads resume, and nothing that gzip could shrink.
const noise = Buffer.concat(
  Array.from({ length: 4000 }, (_, index) => createHash('sha512').update(String(index)).digest()),
);
const plugin = backendPlugin({ files: { 'dist/noise.bin': noise } });
const START: ResumePoint = { offset: 0, validator: undefined };

async function bytesOf(body: Body): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('every registered source has a fixture', () => {
  expect(SOURCE_KINDS.map(({ kind }) => kind).sort()).toEqual(SOURCES.map(({ kind }) => kind).sort());
});

describe.each(SOURCE_KINDS)('the $kind source', (source) => {
  const { kind, isLocal, malformed } = source;
  let fixture: SourceFixture;
  beforeAll(async () => {
    fixture = await source.start(plugin);
  });
  afterAll(() => fixture.close());

  test('owns its references, and no other source takes them first', async () => {
    await using context = await sourceContext(fixture);
    const reference = parseReference(fixture.text, context.parseContext);
    expect(reference.kind).toBe(kind);
    expect(reference.isLocal).toBe(isLocal);
    const owners = SOURCES.slice(0, -1).filter((one) => one.parse(fixture.text, context.parseContext) !== undefined);
    expect(owners.map((one) => one.kind)).toEqual(kind === 'npm' ? [] : [kind]);
  });

  test('writes a text that reads back as the same reference', async () => {
    await using context = await sourceContext(fixture);
    const reference = parseReference(fixture.text, context.parseContext);
    const again = parseReference(reference.text, context.parseContext);
    const { text, origin, identity, digest } = again;
    expect({ text, origin, identity, digest }).toEqual({
      text: reference.text,
      origin: reference.origin,
      identity: reference.identity,
      digest: reference.digest,
    });
  });

  test.each(malformed)('refuses %j with a fix and without a password', async (text) => {
    await using context = await sourceContext(fixture);
    const error = thrownBy(() => parseReference(text, context.parseContext));
    expect(error.reason).toBe('ReferenceInvalid');
    expect(error.exit).toBe(78);
    expect(error.fix).not.toBe('');
    expect(visible(error)).not.toContain('hunter2');
  });

  test('parses without a request', async () => {
    await using context = await sourceContext(fixture);
    const before = fixture.requests?.();
    parseReference(fixture.text, context.parseContext);
    expect(fixture.requests?.()).toBe(before);
  });

  test('resolves twice to the same pin, so that two entries share one download', async () => {
    await using context = await sourceContext(fixture);
    const [one, two] = [await context.resolve(fixture.text), await context.resolve(fixture.text)];
    expect(one.pinned.parts.length).toBeGreaterThan(0);
    expect(one.pinned.key).toBe(two.pinned.key);
    expect(one.pinned.text).toBe(two.pinned.text);
  });

  test('claims nothing about the archive that is not so', async () => {
    await using context = await sourceContext(fixture);
    const fetched = await context.fetch(fixture.text, plugin.integrity);
    const [archive] = fetched.archives;
    expect(archive?.computed['sha512']).toBe(plugin.integrity);
    expect(archive?.claims.bytes ?? plugin.tarball.length).toBe(plugin.tarball.length);
    expect(archive?.claims.integrity ?? plugin.integrity).toBe(plugin.integrity);
    expect(archive?.announced ?? plugin.tarball.length).toBe(plugin.tarball.length);
  });

  test('gives the archive whole from the start', async () => {
    await using context = await sourceContext(fixture);
    const { pinned } = await context.resolve(fixture.text);
    const body = await pinned.parts[0]?.open(context.ctx, START);
    expect(body?.offset).toBe(0);
    expect(body === undefined ? undefined : await bytesOf(body)).toEqual(plugin.tarball);
  });

  test('goes on exactly where it is asked to, or starts over', async () => {
    await using context = await sourceContext(fixture);
    const { pinned } = await context.resolve(fixture.text);
    const first = await pinned.parts[0]?.open(context.ctx, START);
    if (first !== undefined) await bytesOf(first);
    const offset = 100_000;
    const body = await pinned.parts[0]?.open(context.ctx, { offset, validator: first?.validator });
    expect([0, offset]).toContain(body?.offset);
    const rest = body === undefined ? undefined : await bytesOf(body);
    expect(rest).toEqual(plugin.tarball.subarray(body?.offset));
  });

  test('says where bytes come from without a query or userinfo', async () => {
    await using context = await sourceContext(fixture);
    const { pinned } = await context.resolve(fixture.text);
    const body = await pinned.parts[0]?.open(context.ctx, START);
    if (body !== undefined) await bytesOf(body);
    const from = new URL(body?.from ?? '');
    expect([from.search, from.username, from.password]).toEqual(['', '', '']);
  });
});

describe.each(SOURCE_KINDS.filter(({ isLocal }) => !isLocal))('the $kind source on a bad day', (kind) => {
  let fixture: SourceFixture;
  beforeAll(async () => {
    fixture = await kind.start(plugin);
  });
  afterEach(() => fixture.interceptWith(undefined));
  afterAll(() => fixture.close());

  test('makes one attempt: a fault that may pass is thrown as transient, not retried', async () => {
    await using context = await sourceContext(fixture);
    const { pinned } = await context.resolve(fixture.text);
    const before = fixture.requests?.() ?? 0;
    fixture.interceptWith(() => ({ fault: 'answer', status: 503 }));
    const error = await failureOf(pinned.parts[0]?.open(context.ctx, START) ?? Promise.resolve());
    expect(error.reason).toBe('RegistryUnavailable');
    expect(error.transient?.code).toBe('503');
    expect((fixture.requests?.() ?? 0) - before).toBe(1);
  });

  test('survives an outage of one answer', async () => {
    await using context = await sourceContext(fixture);
    let answers = 0;
    fixture.interceptWith(() => ((answers += 1) % 2 === 1 ? { fault: 'answer', status: 503 } : undefined));
    const verified = await context.verify(fixture.text, plugin.integrity);
    expect(verified.archives[0]?.bytes).toBe(plugin.tarball.length);
    expect(context.ctx.events.some(({ event }) => event === 'plugin_retry')).toBe(true);
  });

  test('resumes a transfer that breaks half way', async () => {
    await using context = await sourceContext(fixture);
    const ranges: (string | undefined)[] = [];
    fixture.interceptWith(({ headers, path }) => {
      if (!/todo[^/]*\.tgz$|\/blobs\//.test(path)) return undefined;
      ranges.push(headers.range);
      return ranges.length === 1 ? { fault: 'cut', after: 110_000 } : undefined;
    });
    const verified = await context.verify(fixture.text, plugin.integrity);
    expect(verified.evidence).toContainEqual({ kind: 'integrity', value: plugin.integrity });
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/)]);
  });

  test('ends at once when the run is aborted', async () => {
    await using context = await sourceContext(fixture);
    const { pinned } = await context.resolve(fixture.text);
    const reason = new Error('stopped');
    const ctx = { ...context.ctx, signal: AbortSignal.abort(reason) };
    await expect(pinned.parts[0]?.open(ctx, START)).rejects.toBe(reason);
  });
});
