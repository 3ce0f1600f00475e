import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import type { RunEvent } from '../../../installer/core/events.ts';
import { acquireLock, BEAT_MS, POLL_MS, STALE_AFTER_MS, workingPaths } from '../../../installer/stage/lock.ts';
import { describeOwner, type Owner } from '../../../installer/stage/owner.ts';
import type { Lock, Volume } from '../../../installer/stage/volume.ts';
import { manualClock, type TestClock } from '../../support/clock.ts';
import { systemError, watchedFiles } from '../../support/faulty-files.ts';
import { openTestVolume } from '../../support/stage-run.ts';

let root: string;
let volume: Volume;
let clock: TestClock;
const held: Lock[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'lock-'));
  volume = await openTestVolume({ root });
  clock = manualClock();
});
afterEach(() => {
  for (const lock of held.splice(0)) lock.stop();
  rmSync(root, { recursive: true, force: true });
});

/** An installer on a node of its own: no other can ask for its process. */
function nodeOwner(node: string): Owner {
  return { ...describeOwner(`pod-${node}`, new Date(0)), bootId: `boot-${node}` };
}

interface Attempt {
  readonly done: Promise<Lock>;
  readonly events: RunEvent[];
  outcome: Lock | Error | undefined;
}

function acquire(owner: Owner, options: { deadline?: number; signal?: AbortSignal; volume?: Volume } = {}): Attempt {
  const events: RunEvent[] = [];
  const signal = options.signal ?? new AbortController().signal;
  const deadline = options.deadline ?? Number.POSITIVE_INFINITY;
  const done = acquireLock(options.volume ?? volume, owner, {
    clock,
    signal,
    deadline,
    emit: (event) => events.push(event),
  });
  const attempt: Attempt = { done, events, outcome: undefined };
  void record(attempt);
  return attempt;
}

async function record(attempt: Attempt): Promise<void> {
  try {
    const lock = await attempt.done;
    held.push(lock);
    attempt.outcome = lock;
  } catch (thrown) {
    attempt.outcome = thrown as Error;
  }
}

/** Time passes in steps of a poll, each followed by everything that it wakes. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += POLL_MS) {
    clock.advance(POLL_MS);
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let turns = 0; turns < 8; turns += 1) await turn();
}

function holders(): readonly string[] {
  return readdirSync(join(root, '.portal-plugins/lock'));
}

test('a free volume is taken at once, under the name of the run', async () => {
  const owner = nodeOwner('a');
  const lock = await acquire(owner).done;
  expect(holders()).toEqual([owner.run]);
  expect(lock.run).toBe(owner.run);
  expect(() => lock.assertHeld()).not.toThrow();
});

test('an empty lock directory, left by a kill while giving up, is free', async () => {
  mkdirSync(join(root, '.portal-plugins/lock'), { recursive: true });
  await acquire(nodeOwner('a')).done;
  expect(holders()).toHaveLength(1);
});

describe('a holder that cannot be judged', () => {
  test('is replaced after three missed beats, not before', async () => {
    const dead = await acquire(nodeOwner('a')).done;
    dead.stop();
    const waiting = acquire(nodeOwner('b'));
    await settled();
    await pass(STALE_AFTER_MS - POLL_MS);
    expect(waiting.outcome).toBeUndefined();
    await pass(2 * POLL_MS);
    expect(waiting.outcome).toMatchObject({ run: expect.any(String) });
    expect(() => dead.assertHeld()).toThrow(InstallError);
  });

  test('is never replaced while its heart beats', async () => {
    const alive = await acquire(nodeOwner('a')).done;
    const waiting = acquire(nodeOwner('b'));
    await settled();
    await pass(20 * STALE_AFTER_MS);
    expect(waiting.outcome).toBeUndefined();
    expect(() => alive.assertHeld()).not.toThrow();
  });

  test('is not replaced by a waiter that was frozen and sees hours pass at once', async () => {
    const alive = await acquire(nodeOwner('a')).done;
    alive.stop(); // Frozen as well: its heart does not beat until both are thawed.
    const waiting = acquire(nodeOwner('b'));
    await settled();
    clock.advance(3_600_000);
    await settled();
    expect(waiting.outcome).toBeUndefined();
  });

  test('starts anew for a waiter when the holder changes', async () => {
    const first = await acquire(nodeOwner('a')).done;
    first.stop();
    const waiting = [acquire(nodeOwner('b')), acquire(nodeOwner('c')), acquire(nodeOwner('d'))];
    await settled();
    await pass(STALE_AFTER_MS + 2 * POLL_MS);
    expect(waiting.filter(({ outcome }) => outcome !== undefined)).toHaveLength(1);
    expect(holders()).toHaveLength(1);
    await pass(3 * STALE_AFTER_MS);
    expect(waiting.filter(({ outcome }) => outcome !== undefined)).toHaveLength(1);
  });

  test('without a readable record does not block for ever', async () => {
    mkdirSync(join(root, '.portal-plugins/lock/33333333-3333-4333-8333-333333333333'), { recursive: true });
    const waiting = acquire(nodeOwner('b'));
    await settled();
    await pass(STALE_AFTER_MS + 2 * POLL_MS);
    expect(waiting.outcome).toMatchObject({ run: expect.any(String) });
  });

  test('is announced once while others wait', async () => {
    await acquire(nodeOwner('a')).done;
    const waiting = acquire(nodeOwner('b'));
    await settled();
    await pass(STALE_AFTER_MS);
    expect(waiting.events).toMatchObject([{ event: 'note', text: expect.stringContaining('pod-a') }]);
  });
});

describe('without waiting', () => {
  test('the same pod takes over from its earlier container', async () => {
    const earlier = nodeOwner('a');
    await acquire(earlier).done;
    const later = acquire({ ...nodeOwner('a'), bootId: 'after a reboot' });
    await settled();
    expect(later.outcome).toMatchObject({ run: expect.any(String) });
    expect(clock.monotonic()).toBe(0);
  });

  test('a dead process is replaced', async () => {
    await acquire({ ...describeOwner('pod-a', new Date(0)), processStart: '1' }).done;
    const later = acquire(describeOwner('pod-b', new Date(0)));
    await settled();
    expect(later.outcome).toMatchObject({ run: expect.any(String) });
  });

  test('a live process is not, however long its heart stands still', async () => {
    const alive = await acquire(describeOwner('pod-a', new Date(0))).done;
    alive.stop();
    const later = acquire(describeOwner('pod-b', new Date(0)));
    await settled();
    await pass(10 * STALE_AFTER_MS);
    expect(later.outcome).toBeUndefined();
  });
});

describe('a wait', () => {
  test('ends at its deadline with LockBusy that names the holder', async () => {
    await acquire(nodeOwner('a')).done;
    const waiting = acquire(nodeOwner('b'), { deadline: 3000 });
    await settled();
    await pass(3000);
    expect(waiting.outcome).toMatchObject({ reason: 'LockBusy', details: { pod: 'pod-a', pid: process.pid } });
  });

  test('that the run’s deadline aborts is LockBusy too', async () => {
    await acquire(nodeOwner('a')).done;
    const controller = new AbortController();
    const waiting = acquire(nodeOwner('b'), { signal: controller.signal });
    await settled();
    controller.abort(new InstallError('DeadlineExceeded', 'run'));
    await settled();
    expect(waiting.outcome).toMatchObject({ reason: 'LockBusy', details: { pod: 'pod-a' } });
  });

  test('that a signal aborts rejects with the signal’s reason and leaves nothing', async () => {
    const holder = nodeOwner('a');
    await acquire(holder).done;
    const controller = new AbortController();
    const waiting = acquire(nodeOwner('b'), { signal: controller.signal });
    await settled();
    const reason = new InstallError('Terminated', 'stop');
    controller.abort(reason);
    await settled();
    expect(waiting.outcome).toBe(reason);
    expect(readdirSync(join(root, '.portal-plugins'))).toEqual(['lock']);
    expect(holders()).toEqual([holder.run]);
  });
});

describe('a lost lock', () => {
  test('aborts the signal of its holder at the next beat, with LockBusy', async () => {
    const slow = await acquire(nodeOwner('a')).done;
    const { lock, run } = workingPaths(root, slow.run);
    renameSync(run, join(lock, '44444444-4444-4444-8444-444444444444'));
    expect(slow.lost.aborted).toBe(false);
    await pass(BEAT_MS);
    expect(slow.lost.reason).toMatchObject({ reason: 'LockBusy' });
  });

  test('is noticed before the beat by whoever asks', async () => {
    const slow = await acquire(nodeOwner('a')).done;
    rmSync(workingPaths(root, slow.run).run, { recursive: true });
    expect(() => slow.assertHeld()).toThrow(expect.objectContaining({ reason: 'LockBusy' }));
    expect(slow.lost.aborted).toBe(true);
  });

  test('is not brought back by the late heartbeat of a frozen holder', async () => {
    const frozen = await acquire(nodeOwner('a')).done;
    const next = nodeOwner('b');
    const { lock, run } = workingPaths(root, frozen.run);
    renameSync(run, join(lock, next.run));
    await pass(2 * BEAT_MS);
    expect(holders()).toEqual([next.run]);
  });
});

test('asking for the lock is a heartbeat when one is due, for long work that blocks timers', async () => {
  const busy = await acquire(nodeOwner('a')).done;
  busy.stop();
  const waiting = acquire(nodeOwner('b'));
  await settled();
  for (let beats = 0; beats < 10; beats += 1) {
    await pass(BEAT_MS);
    busy.assertHeld();
  }
  expect(waiting.outcome).toBeUndefined();
});

test('a heartbeat that cannot be written ends nothing', async () => {
  let isFull = false;
  const files = watchedFiles(volume.files, ({ call }) => {
    if (isFull && call === 'overwrite') throw systemError('ENOSPC');
  });
  const lock = await acquire(nodeOwner('a'), { volume: { ...volume, files } }).done;
  isFull = true;
  await pass(3 * BEAT_MS);
  expect(() => lock.assertHeld()).not.toThrow();
});

test('a working directory that cannot be made is the volume’s failure and leaves nothing', async () => {
  for (let at = 1; at <= 6; at += 1) {
    const files = watchedFiles(volume.files, ({ number }) => {
      if (number === at) throw systemError('ENOSPC');
    });
    const attempt = acquire(nodeOwner('a'), { volume: { ...volume, files } });
    await settled();
    expect(attempt.outcome, `step ${at}`).toMatchObject({ reason: 'VolumeFull' });
    expect(readdirSync(root), `step ${at}`).toEqual([]);
  }
});

test('what is no run in the lock directory is cleared away', async () => {
  mkdirSync(join(root, '.portal-plugins/lock/not-a-run/x'), { recursive: true });
  writeFileSync(join(root, '.portal-plugins/lock/.nfs0001'), '');
  const owner = nodeOwner('a');
  const attempt = acquire(owner);
  await settled();
  expect(attempt.outcome).toMatchObject({ run: owner.run });
  expect(holders()).toEqual([owner.run]);
});
