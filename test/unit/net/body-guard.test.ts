import { expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';
import { guardBody } from '../../../installer/net/body-guard.ts';
import { instantClock } from '../../support/clock.ts';
import type { TestClock } from '../../support/clock.ts';
import { failureOf } from '../../support/http.ts';

/** Chunks of `size` bytes; the clock moves on before each, as if the peer had been slow. */
async function* slowly(clock: TestClock, size: number, everyMs: number, count: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < count; sent += 1) {
    await Promise.resolve();
    clock.advance(everyMs);
    yield Buffer.alloc(size);
  }
}

const faultOf = (cause: unknown): InstallError =>
  cause instanceof InstallError ? cause : new InstallError('RegistryUnavailable', 'broke', { cause });
const guard = (clock: TestClock, signal = new AbortController().signal) => ({
  clock,
  limits: DEFAULT_LIMITS,
  signal,
  url: 'https://r.example/a',
  faultOf,
});

async function read(chunks: AsyncIterable<Uint8Array>, afterEach: () => void = () => undefined): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    afterEach();
  }
  return bytes;
}

test('lets a body pass that keeps the floor of 1 KiB/s', async () => {
  const clock = instantClock();
  expect(await read(guardBody(slowly(clock, 1024, 1000, 200), guard(clock)))).toBe(200 * 1024);
});

test('ends a body that sends less than 1 KiB/s over the idle window, as a transient failure', async () => {
  const clock = instantClock();
  const error = await failureOf(read(guardBody(slowly(clock, 1, 1000, 200), guard(clock))));
  expect(error).toMatchObject({
    reason: 'RegistryUnavailable',
    transient: { code: 'body_too_slow' },
    details: { bytes: 60, windowMs: 60_000, url: 'https://r.example/a' },
  });
});

test('a short slow body within the window is not blamed', async () => {
  const clock = instantClock();
  expect(await read(guardBody(slowly(clock, 1, 1000, 59), guard(clock)))).toBe(59);
});

test('a fast start does not buy a slow rest', async () => {
  const clock = instantClock();
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* slowly(clock, 10_000_000, 10, 1);
    yield* slowly(clock, 1, 1000, 200);
  }
  expect((await failureOf(read(guardBody(body(), guard(clock))))).transient?.code).toBe('body_too_slow');
});

test('the time the reader takes is not counted', async () => {
  const clock = instantClock();
  expect(await read(guardBody(slowly(clock, 10, 0, 20), guard(clock)), () => clock.advance(30_000))).toBe(200);
});

test('turns what the stream throws into a reason', async () => {
  const clock = instantClock();
  const broken = new Error('socket');
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* slowly(clock, 1, 0, 1);
    throw broken;
  }
  const error = await failureOf(read(guardBody(body(), guard(clock))));
  expect(error.cause).toBe(broken);
});

test('an abort throws the reason of the signal, not what the stream throws', async () => {
  const clock = instantClock();
  const stop = new InstallError('Terminated', 'stop');
  const controller = new AbortController();
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* slowly(clock, 1, 0, 1);
    controller.abort(stop);
    throw new Error('aborted');
  }
  expect(await failureOf(read(guardBody(body(), guard(clock, controller.signal))))).toBe(stop);
});
