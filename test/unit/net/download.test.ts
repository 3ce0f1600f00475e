import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { RANGE_REFUSED } from '../../../installer/core/archive-body.ts';
import type { Context } from '../../../installer/core/context.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';
import { parseIntegrity } from '../../../installer/core/integrity.ts';
import type { AbsPath, Body, Claims, Digest, Part, ResumePoint } from '../../../installer/core/types.ts';
import { downloadPart } from '../../../installer/net/download.ts';
import { retry } from '../../../installer/net/retry.ts';
import { instantClock } from '../../support/clock.ts';
import { noHttp, testContext } from '../../support/context.ts';
import type { TestContext } from '../../support/context.ts';
import { failureOf } from '../../support/http.ts';
import { chunksOf } from '../../support/http-response.ts';

const dir = mkdtempSync(join(tmpdir(), 'download-'));
afterAll(() => rmSync(dir, { recursive: true }));

const BYTES = randomBytes(3_000_000);
const KIB = 1024;

let files = 0;
function target(algorithms: readonly ('sha256' | 'sha384' | 'sha512')[] = ['sha512']) {
  files += 1;
  return { path: join(dir, `archive-${files}`) as AbsPath, algorithms };
}

/** Retries for real, with instant waits. */
function downloadContext(limits: Partial<Context['limits']> = {}): TestContext {
  const clock = instantClock();
  const all = { ...DEFAULT_LIMITS, ...limits };
  const http = {
    ...noHttp(),
    retry: async <T>(attempt: (n: number) => Promise<T>, ctx: Parameters<typeof retry>[1]) =>
      retry(attempt, ctx, { clock, limits: all }),
  };
  return testContext({ clock, http, limits });
}

type Answer = (from: ResumePoint) => Partial<Body> & { readonly stream: AsyncIterable<Uint8Array> };

/** A part that gives one answer after the other and remembers where it was asked to go on. */
function partOf(answers: readonly Answer[], claims: Claims = {}): Part & { readonly asked: ResumePoint[] } {
  const asked: ResumePoint[] = [];
  return {
    claims,
    label: 'test:archive',
    asked,
    async open(_ctx, from) {
      asked.push(from);
      const answer = answers[Math.min(asked.length, answers.length) - 1];
      if (answer === undefined) throw new Error('a part needs an answer');
      return Promise.resolve({
        offset: 0,
        total: undefined,
        validator: undefined,
        from: 'https://r.example/a',
        ...answer(from),
      });
    },
  };
}

const broken = (): InstallError =>
  new InstallError('RegistryUnavailable', 'the connection broke', { transient: { code: 'ECONNRESET' } });

async function* breaking(bytes: Uint8Array, error: Error = broken()): AsyncGenerator<Uint8Array, void> {
  yield* chunksOf(bytes);
  throw error;
}

const whole =
  (bytes: Uint8Array = BYTES): Answer =>
  () => ({ stream: chunksOf(bytes), total: bytes.length });
const rest =
  (bytes: Uint8Array = BYTES): Answer =>
  (from) => ({
    stream: chunksOf(bytes.subarray(from.offset)),
    offset: from.offset,
    total: bytes.length,
    validator: from.validator,
  });
const untilWith =
  (count: number, validator: string | undefined): Answer =>
  (from) => ({
    stream: breaking(BYTES.subarray(from.offset, count)),
    offset: from.offset,
    total: BYTES.length,
    validator,
  });
const until = (count: number): Answer => untilWith(count, '"v1"');
/** Some bytes and a proper end, `total` announced. */
const onlyFirst =
  (count: number, total = BYTES.length): Answer =>
  () => ({ stream: chunksOf(BYTES.subarray(0, count)), total, validator: '"v1"' });
const continuingAt =
  (offset: number): Answer =>
  () => ({ stream: chunksOf(BYTES), offset });
const refusingRange: Answer = () => {
  throw new InstallError('RegistryUnavailable', 'no range', { transient: { code: RANGE_REFUSED } });
};

const sri = (algorithm: string, bytes: Uint8Array): string =>
  `${algorithm}-${createHash(algorithm).update(bytes).digest('base64')}`;
const digestOf = (bytes: Uint8Array, algorithm = 'sha256'): Digest =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;

describe('a download', () => {
  test('writes the bytes with mode 0600 and returns size, hash, announcement and address', async () => {
    const to = target();
    const archive = await downloadPart(partOf([whole()]), to, downloadContext());
    expect(archive).toEqual({
      path: to.path,
      bytes: BYTES.length,
      computed: { sha512: sri('sha512', BYTES) },
      claims: {},
      announced: BYTES.length,
      from: 'https://r.example/a',
    });
    expect(readFileSync(to.path).equals(BYTES)).toBe(true);
    expect(statSync(to.path).mode & 0o777).toBe(0o600);
  });

  test.each([
    [['sha256'], {}, ['sha256']],
    [['sha256', 'sha384', 'sha512'], {}, ['sha256', 'sha384', 'sha512']],
    [[], {}, ['sha512']],
    [[], { digest: digestOf(BYTES) }, ['sha256']],
    [['sha512'], { digest: digestOf(BYTES) }, ['sha512', 'sha256']],
    [['sha256'], { digest: digestOf(BYTES, 'sha512') }, ['sha256', 'sha512']],
  ] as const)('hashes %j with the claims %j as %j', async (algorithms, claims, expected) => {
    const { computed } = await downloadPart(partOf([whole()], claims), target(algorithms), downloadContext());
    expect(computed).toEqual(Object.fromEntries(expected.map((name) => [name, sri(name, BYTES)])));
  });

  test('of nothing is an empty file', async () => {
    const to = target();
    expect((await downloadPart(partOf([whole(Buffer.alloc(0))]), to, downloadContext())).bytes).toBe(0);
    expect(statSync(to.path).size).toBe(0);
  });

  test('does not need an announced size', async () => {
    const archive = await downloadPart(partOf([() => ({ stream: chunksOf(BYTES) })]), target(), downloadContext());
    expect(archive).toMatchObject({ bytes: BYTES.length, announced: undefined });
  });

  test('never writes to a file that is already there', async () => {
    const to = target();
    writeFileSync(to.path, 'foreign');
    const error = await failureOf(downloadPart(partOf([whole()]), to, downloadContext()));
    expect(error).toMatchObject({ reason: 'CommitFailed', details: { code: 'EEXIST' } });
    expect(readFileSync(to.path, 'utf8')).toBe('foreign');
  });

  test('into a directory that is gone is CommitFailed', async () => {
    const to = { ...target(), path: join(dir, 'gone', 'archive') as AbsPath };
    const error = await failureOf(downloadPart(partOf([whole()]), to, downloadContext()));
    expect(error).toMatchObject({ reason: 'CommitFailed', details: { code: 'ENOENT' } });
  });
});

describe('a broken transfer', () => {
  test('goes on where it ended when the peer has a strong validator', async () => {
    const part = partOf([until(1_000_000), rest()]);
    const { computed } = await downloadPart(part, target(), downloadContext());
    expect(part.asked).toEqual([
      { offset: 0, validator: undefined },
      { offset: 1_000_000, validator: '"v1"' },
    ]);
    expect(computed.sha512).toBe(sri('sha512', BYTES));
  });

  test('goes on without a validator when the content is named by its digest', async () => {
    const claims = { digest: digestOf(BYTES), bytes: BYTES.length };
    const part = partOf([untilWith(1_000_000, undefined), rest()], claims);
    await downloadPart(part, target(), downloadContext());
    expect(part.asked[1]).toEqual({ offset: 1_000_000, validator: undefined });
  });

  test('starts over without validator and digest', async () => {
    const part = partOf([untilWith(1_000_000, undefined), whole()]);
    const { computed } = await downloadPart(part, target(), downloadContext());
    expect(part.asked[1]).toEqual({ offset: 0, validator: undefined });
    expect(computed.sha512).toBe(sri('sha512', BYTES));
  });

  test.each([
    [64 * KIB - 1, 0],
    [64 * KIB, 64 * KIB],
  ])('after %d bytes asks from byte %d', async (count, expected) => {
    const part = partOf([until(count), rest()]);
    await downloadPart(part, target(), downloadContext());
    expect(part.asked[1]?.offset).toBe(expected);
  });

  test('starts over with new hashes when the peer ignores the range', async () => {
    const to = target();
    const part = partOf([until(1_000_000), whole()]);
    const { computed, bytes } = await downloadPart(part, to, downloadContext());
    expect(part.asked[1]?.offset).toBe(1_000_000);
    expect({ computed: computed.sha512, bytes }).toEqual({ computed: sri('sha512', BYTES), bytes: BYTES.length });
    expect(readFileSync(to.path).equals(BYTES)).toBe(true);
  });

  test('starts over when the peer has become another, smaller version', async () => {
    const other = randomBytes(200_000);
    const to = target();
    const { computed } = await downloadPart(partOf([until(1_000_000), whole(other)]), to, downloadContext());
    expect(computed.sha512).toBe(sri('sha512', other));
    expect(statSync(to.path).size).toBe(other.length);
  });

  test('asks from the start after a refused range', async () => {
    const part = partOf([until(1_000_000), refusingRange, whole()]);
    const { computed } = await downloadPart(part, target(), downloadContext());
    expect(part.asked.map(({ offset }) => offset)).toEqual([0, 1_000_000, 0]);
    expect(computed.sha512).toBe(sri('sha512', BYTES));
  });

  test('goes on as often as it gains a mebibyte', async () => {
    const mib = KIB * KIB;
    const big = randomBytes(9 * mib);
    const step: Answer = (from) => ({
      stream: breaking(big.subarray(from.offset, from.offset + mib)),
      offset: from.offset,
      total: big.length,
      validator: '"v1"',
    });
    const part = partOf([...Array.from({ length: 8 }, () => step), rest(big)]);
    const { computed } = await downloadPart(part, target(), downloadContext({ attempts: 2 }));
    expect(part.asked).toHaveLength(9);
    expect(computed.sha512).toBe(sri('sha512', big));
  });

  test('gives up when a peer that ignores ranges breaks at the same place again and again', async () => {
    const part = partOf([untilWith(2_000_000, undefined)]);
    const error = await failureOf(downloadPart(part, target(), downloadContext()));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', details: { attempts: 5 } });
  });

  test('that ends early without an error is taken up like a reset', async () => {
    const ctx = downloadContext();
    const part = partOf([onlyFirst(500_000), rest()]);
    await downloadPart(part, target(), ctx);
    expect(part.asked[1]?.offset).toBe(500_000);
    expect(ctx.events).toContainEqual(expect.objectContaining({ event: 'plugin_retry', code: 'short_body' }));
  });

  test('that always ends early is RegistryUnavailable with both sizes, and the file is gone', async () => {
    const to = target();
    const error = await failureOf(downloadPart(partOf([onlyFirst(5000)]), to, downloadContext()));
    expect(error).toMatchObject({
      reason: 'RegistryUnavailable',
      details: { expectedBytes: BYTES.length, bytes: 5000 },
    });
    expect(existsSync(to.path)).toBe(false);
  });

  test('that continues at another byte than asked is a bug of the source and never spliced', async () => {
    const to = target();
    const error = await failureOf(downloadPart(partOf([until(1_000_000), continuingAt(7)]), to, downloadContext()));
    expect(error.reason).toBe('Internal');
    expect(existsSync(to.path)).toBe(false);
  });
});

describe('what is not transient', () => {
  test.each([new InstallError('AuthRefused', 'no'), new InstallError('PackageNotFound', 'no'), new TypeError('a bug')])(
    '%s ends the download at once and removes the file',
    async (thrown) => {
      const to = target();
      const part = partOf([() => ({ stream: breaking(BYTES.subarray(0, 100_000), thrown) })]);
      await expect(downloadPart(part, to, downloadContext())).rejects.toBe(thrown);
      expect(part.asked).toHaveLength(1);
      expect(existsSync(to.path)).toBe(false);
    },
  );

  test('an abort throws the reason of the signal and removes the file', async () => {
    const controller = new AbortController();
    const stop = new InstallError('Terminated', 'stop');
    async function* aborted(): AsyncGenerator<Uint8Array, void> {
      yield* chunksOf(BYTES.subarray(0, 700_000));
      controller.abort(stop);
      throw stop;
    }
    const to = target();
    const ctx = { ...downloadContext(), signal: controller.signal };
    await expect(downloadPart(partOf([() => ({ stream: aborted() })]), to, ctx)).rejects.toBe(stop);
    expect(existsSync(to.path)).toBe(false);
  });
});

describe('the size limit', () => {
  const limits = { archiveBytes: 1_000_000 };
  const details = { limit: 1_000_000, setting: 'PORTAL_PLUGINS_MAX_BLOB_BYTES' };

  test('refuses a claimed size before anything is asked or written', async () => {
    const part = partOf([whole()], { bytes: 1_000_001 });
    const to = target();
    const error = await failureOf(downloadPart(part, to, downloadContext(limits)));
    expect(error).toMatchObject({ reason: 'SizeBudgetExceeded', details: { ...details, bytes: 1_000_001 } });
    expect(part.asked).toHaveLength(0);
    expect(existsSync(to.path)).toBe(false);
  });

  test('refuses an announced size before the first byte and lets go of the body', async () => {
    let isLeft = false;
    const stream: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => Promise.reject(new Error('no byte may be read')),
        return: async () => {
          isLeft = true;
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    };
    const part = partOf([() => ({ stream, total: BYTES.length })]);
    const error = await failureOf(downloadPart(part, target(), downloadContext(limits)));
    expect(error).toMatchObject({ reason: 'SizeBudgetExceeded', details: { ...details, bytes: BYTES.length } });
    expect(isLeft).toBe(true);
  });

  test('ends a body without an announced size as soon as it is too large', async () => {
    const to = target();
    const part = partOf([() => ({ stream: chunksOf(BYTES) })]);
    const error = await failureOf(downloadPart(part, to, downloadContext(limits)));
    expect(error).toMatchObject({ reason: 'SizeBudgetExceeded', details });
    expect(Number(error.details['bytes'])).toBeLessThan(1_000_000 + 64 * KIB + 1);
    expect(part.asked).toHaveLength(1);
    expect(existsSync(to.path)).toBe(false);
  });

  test('admits exactly the limit', async () => {
    const part = partOf([whole(BYTES.subarray(0, 1_000_000))]);
    expect((await downloadPart(part, target(), downloadContext(limits))).bytes).toBe(1_000_000);
  });
});

describe('a size that differs', () => {
  test('from the claim is tried again and finally RegistryUnavailable', async () => {
    const part = partOf([whole()], { bytes: 5 });
    const error = await failureOf(downloadPart(part, target(), downloadContext()));
    expect(error).toMatchObject({
      reason: 'RegistryUnavailable',
      details: { expectedBytes: 5, bytes: BYTES.length, fault: 'size_mismatch' },
    });
    expect(part.asked).toHaveLength(5);
  });

  test('from the announcement because there is more ends the transfer', async () => {
    const error = await failureOf(downloadPart(partOf([onlyFirst(BYTES.length, 1000)]), target(), downloadContext()));
    expect(error).toMatchObject({ reason: 'RegistryUnavailable', details: { expectedBytes: 1000 } });
  });

  test('from the first announcement when a transfer is taken up makes it start over', async () => {
    const grown = randomBytes(BYTES.length + 5);
    const wrongRest: Answer = (from) => ({
      stream: chunksOf(grown.subarray(from.offset)),
      offset: from.offset,
      total: grown.length,
      validator: '"v1"',
    });
    const part = partOf([until(1_000_000), wrongRest, whole(grown)]);
    const { computed } = await downloadPart(part, target(), downloadContext());
    expect(part.asked.map(({ offset }) => offset)).toEqual([0, 1_000_000, 0]);
    expect(computed.sha512).toBe(sri('sha512', grown));
  });
});

describe('content named by its digest', () => {
  const wrong = Buffer.from(BYTES);
  wrong[1_500_000] = (wrong[1_500_000] ?? 0) ^ 1;

  test.each(['sha256', 'sha512'])('passes with the right %s', async (algorithm) => {
    const claims = { digest: digestOf(BYTES, algorithm), bytes: BYTES.length };
    expect((await downloadPart(partOf([whole()], claims), target(), downloadContext())).claims).toEqual(claims);
  });

  test('gets exactly one fresh try, which may be right', async () => {
    const ctx = downloadContext();
    const part = partOf([whole(wrong), whole()], { digest: digestOf(BYTES), bytes: BYTES.length });
    const { computed } = await downloadPart(part, target(), ctx);
    expect(computed.sha256).toBe(sri('sha256', BYTES));
    expect(part.asked.map(({ offset }) => offset)).toEqual([0, 0]);
    expect(ctx.events).toContainEqual(expect.objectContaining({ event: 'note', level: 'warn' }));
  });

  test('is DigestMismatch with both values after the second wrong one, and the file is gone', async () => {
    const to = target();
    const part = partOf([whole(wrong), whole(wrong), whole()], { digest: digestOf(BYTES), bytes: BYTES.length });
    const error = await failureOf(downloadPart(part, to, downloadContext()));
    expect(error).toMatchObject({
      reason: 'DigestMismatch',
      transient: undefined,
      details: {
        expected: digestOf(BYTES),
        computed: digestOf(wrong),
        bytes: BYTES.length,
        from: 'https://r.example/a',
      },
    });
    expect(part.asked).toHaveLength(2);
    expect(existsSync(to.path)).toBe(false);
  });

  test.each([
    ['longer', Buffer.concat([BYTES, BYTES])],
    ['shorter', BYTES.subarray(0, 1000)],
  ])('is DigestMismatch when the peer announces a %s body, twice', async (_what, bytes) => {
    const part = partOf([whole(bytes)], { digest: digestOf(BYTES), bytes: BYTES.length });
    const error = await failureOf(downloadPart(part, target(), downloadContext()));
    expect(error).toMatchObject({
      reason: 'DigestMismatch',
      details: { expected: digestOf(BYTES), bytes: bytes.length },
    });
    expect(part.asked).toHaveLength(2);
  });

  test.each([
    ['<!doctype html><title>Sign in</title>', 'login'],
    ['\ufeff\n {"errors":[]}', 'login'],
    ['\u001f\u008b archive', 'cut on the way'],
  ])('that is %j instead, and complete, says why: %s', async (text, word) => {
    const part = partOf([() => ({ stream: chunksOf(Buffer.from(text)) })], {
      digest: digestOf(BYTES),
      bytes: BYTES.length,
    });
    const error = await failureOf(downloadPart(part, target(), downloadContext()));
    expect(error).toMatchObject({ reason: 'DigestMismatch', details: { expectedBytes: BYTES.length } });
    expect(error.details['cause']).toContain(word);
    expect(part.asked).toHaveLength(2);
  });

  test('that is longer than claimed is cut off', async () => {
    const part = partOf([() => ({ stream: chunksOf(Buffer.concat([BYTES, BYTES])) })], {
      digest: digestOf(BYTES),
      bytes: BYTES.length,
    });
    const error = await failureOf(downloadPart(part, target(), downloadContext()));
    expect(error.reason).toBe('DigestMismatch');
    expect(Number(error.details['bytes'])).toBeLessThanOrEqual(BYTES.length + 64 * KIB);
  });
});

test('a claimed integrity is not checked here: that is the business of the checks', async () => {
  const claims = { integrity: parseIntegrity(sri('sha512', Buffer.from('other'))) };
  expect((await downloadPart(partOf([whole()], claims), target(), downloadContext())).computed.sha512).toBe(
    sri('sha512', BYTES),
  );
});

describe('progress', () => {
  test('is shown at most every 250 ms and at the end', async () => {
    const ctx = downloadContext();
    await downloadPart(partOf([whole()]), target(), ctx);
    const shown = ctx.events.filter((event) => event.event === 'progress');
    expect(shown).toHaveLength(2);
    expect(shown.at(-1)).toMatchObject({ step: 'fetch', bytes: BYTES.length, total: BYTES.length, index: 0 });
  });

  test('a heartbeat is logged every 15 s even if nothing arrives', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const ctx = downloadContext();
      async function* stalling(): AsyncGenerator<Uint8Array, void> {
        yield* chunksOf(BYTES.subarray(0, 2_000_000));
        vi.advanceTimersByTime(31_000);
        yield* chunksOf(BYTES.subarray(2_000_000));
      }
      await downloadPart(partOf([() => ({ stream: stalling(), total: BYTES.length })]), target(), ctx);
      const beats = ctx.events.filter((event) => event.event === 'note');
      expect(beats).toHaveLength(2);
      expect(beats[0]).toMatchObject({ level: 'info', bytes: 2_000_000, total: BYTES.length, subject: ctx.subject });
      vi.advanceTimersByTime(60_000);
      expect(ctx.events.filter((event) => event.event === 'note')).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });
});
