import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import type { RunEvent } from '../../../installer/core/events.ts';
import type { AbsPath, Entry, Fetched, Pinned, Prepared, Unpacked, Verified } from '../../../installer/core/types.ts';
import { prepareAll, type LineDeps, type Workplace } from '../../../installer/run/prepare-all.ts';
import type { Steps } from '../../../installer/run/steps.ts';
import { testContext } from '../../support/context.ts';
import { TEST_INVENTORY, testEntry, testList, testResolved } from '../../support/entries.ts';

let scratch: AbsPath;
beforeEach(async () => {
  scratch = (await mkdtemp(join(tmpdir(), 'prepare-all-'))) as AbsPath;
});
afterEach(async () => rm(scratch, { recursive: true }));

/** Steps that succeed, with single ones replaced; `calls` records `step:index`. */
function steps(
  overrides: Partial<Steps> = {},
  pinned: (entry: Entry) => Partial<Pinned> & { path?: string } = () => ({}),
): Steps & { calls: string[] } {
  const calls: string[] = [];
  const note = (step: string, entry: Entry): void => void calls.push(`${step}:${entry.index}`);
  const plain: Steps = {
    resolve: async (entry) => Promise.resolve(testResolved(entry, pinned(entry))),
    fetch: async (group) => Promise.resolve(group.map((one): Fetched => ({ ...one, archives: [] }))),
    verify: async (fetched) => Promise.resolve({ ...fetched, evidence: [] } as unknown as Verified),
    unpack: async (verified) =>
      Promise.resolve(
        verified.map(
          (one) =>
            ({ ...one, tree: {}, files: 1, unpackedBytes: 100, treeDigest: '', notices: [] }) as unknown as Unpacked,
        ),
      ),
    validate: async (unpacked) => Promise.resolve({ ...unpacked, manifest: { notices: [] } } as never),
    prepare: async (validated) =>
      Promise.resolve({ ...validated, state: 'prepared', from: scratch, inventory: TEST_INVENTORY } as Prepared),
  };
  const used = { ...plain, ...overrides };
  return {
    calls,
    resolve: async (entry, ctx) => (note('resolve', entry), used.resolve(entry, ctx)),
    fetch: async (group, ctx) => (note('fetch', group[0].entry), used.fetch(group, ctx)),
    verify: async (fetched, ctx) => (note('verify', fetched.entry), used.verify(fetched, ctx)),
    unpack: async (verified, ctx) => (verified[0] && note('unpack', verified[0].entry), used.unpack(verified, ctx)),
    validate: async (unpacked, ctx) => (note('validate', unpacked.entry), used.validate(unpacked, ctx)),
    prepare: async (validated, ctx) => (note('prepare', validated.entry), used.prepare(validated, ctx)),
  };
}

async function run(
  entries: readonly Entry[],
  with_: Steps,
  change: { place?: Partial<Workplace>; signal?: AbortSignal; concurrency?: number } = {},
): Promise<{ statuses: string[]; aborted: number[]; error: InstallError | undefined; events: RunEvent[] }> {
  const ctx = testContext({ limits: { concurrency: change.concurrency ?? 1 } });
  const place: Workplace = { scratch, freeBytes: 1e9, setBytes: 1e9, usedBytes: 0, ...change.place };
  const signal = change.signal ?? ctx.signal;
  const deps: LineDeps = { ...ctx, list: testList(entries), steps: with_, signal };
  const { outcomes, aborted, error } = await prepareAll(entries, place, deps);
  const statuses = outcomes.map((one) => `${one.entry.index}:${one.status === 'ready' ? 'ready' : one.error.reason}`);
  return { statuses, aborted: aborted.map((entry) => entry.index), error, events: ctx.events };
}

const fails =
  (reason: 'IntegrityMismatch' | 'VolumeFull' | 'PackageNotFound', index: number) => async (of: { entry: Entry }) =>
    of.entry.index === index
      ? Promise.reject(new InstallError(reason, 'made'))
      : Promise.resolve({ ...of, evidence: [] } as never);

test('takes every entry through the six steps in order', async () => {
  const recorded = steps();
  const { statuses } = await run([testEntry(0)], recorded);
  expect(statuses).toEqual(['0:ready']);
  expect(recorded.calls).toEqual(['resolve:0', 'fetch:0', 'verify:0', 'unpack:0', 'validate:0', 'prepare:0']);
});

test('one failure does not keep the others from an outcome', async () => {
  const recorded = steps({ verify: fails('IntegrityMismatch', 1) });
  const { statuses, events } = await run([testEntry(0), testEntry(1), testEntry(2)], recorded);
  expect(statuses).toEqual(['0:ready', '1:IntegrityMismatch', '2:ready']);
  expect(events.filter(({ event }) => event === 'plugin_rejected')).toHaveLength(1);
});

test('an archive that failed its check is never unpacked', async () => {
  const recorded = steps({ verify: fails('IntegrityMismatch', 0) });
  await run([testEntry(0)], recorded);
  expect(recorded.calls.filter((call) => /^(?:unpack|validate|prepare)/.test(call))).toEqual([]);
});

test('a full volume ends the rest of the run, and the rest is not blamed', async () => {
  const recorded = steps({ verify: fails('VolumeFull', 0) });
  const { statuses, aborted } = await run([testEntry(0), testEntry(1)], recorded);
  expect(statuses).toEqual(['0:VolumeFull']);
  expect(aborted).toEqual([1]);
  expect(recorded.calls).not.toContain('fetch:1');
});

test('a signal aborts all entries and is no failure of a plugin', async () => {
  const controller = new AbortController();
  const reason = new InstallError('Terminated', 'stop');
  const stopping = steps({
    fetch: async (_, ctx) => {
      controller.abort(reason);
      return Promise.reject(ctx.signal.reason as Error);
    },
  });
  const { statuses, aborted, events } = await run([testEntry(0), testEntry(1)], stopping, {
    signal: controller.signal,
  });
  expect(statuses).toEqual([]);
  expect(aborted).toEqual([0, 1]);
  expect(events.some(({ event }) => event === 'plugin_rejected')).toBe(false);
});

test('entries that share a download are fetched and unpacked once', async () => {
  const recorded = steps({}, (entry) => ({ key: 'shared', layout: 'image', path: `plugin-${entry.index}` }));
  const { statuses } = await run([testEntry(0), testEntry(1), testEntry(2)], recorded);
  expect(statuses).toEqual(['0:ready', '1:ready', '2:ready']);
  expect(recorded.calls.filter((call) => call.startsWith('fetch') || call.startsWith('unpack'))).toEqual([
    'fetch:0',
    'unpack:0',
  ]);
});

test('a wrong pin of one entry does not fail the others on the same image', async () => {
  const recorded = steps({ verify: fails('IntegrityMismatch', 1) }, (entry) => ({
    key: 'shared',
    layout: 'image',
    path: `p${entry.index}`,
  }));
  expect((await run([testEntry(0), testEntry(1)], recorded)).statuses).toEqual(['0:ready', '1:IntegrityMismatch']);
});

test('scratch space that cannot be made fails with the reason of the error', async () => {
  await mkdir(join(scratch, '0'));
  const { events } = await run([testEntry(0)], steps());
  const rejected = events.find((event) => event.event === 'plugin_rejected');
  expect(rejected).toMatchObject({ error: { reason: 'CommitFailed', details: { code: 'EEXIST' } } });
});

test('announced archives that cannot fit fail before the first download', async () => {
  const part = { claims: { bytes: 600 }, label: 'x', open: async () => Promise.reject(new Error('opened')) };
  const recorded = steps({}, () => ({ parts: [part] }));
  const { statuses, error } = await run([testEntry(0), testEntry(1)], recorded, { place: { freeBytes: 1000 } });
  expect(error).toMatchObject({ reason: 'VolumeFull', details: { neededBytes: 1200, freeBytes: 1000 } });
  expect(statuses).toEqual([]);
  expect(recorded.calls.some((call) => call.startsWith('fetch'))).toBe(false);
});

test('a set over its budget fails with the setting that raises it', async () => {
  const entries = [testEntry(0), testEntry(1), testEntry(2)];
  const { statuses, events } = await run(entries, steps(), { place: { setBytes: 250 } });
  expect(statuses).toEqual(['0:ready', '1:ready', '2:SizeBudgetExceeded']);
  const rejected = events.find((event) => event.event === 'plugin_rejected');
  expect(rejected).toMatchObject({
    error: { details: { bytes: 300, limit: 250, setting: 'PORTAL_PLUGINS_MAX_SET_BYTES' } },
  });
});

test('an exception that is no InstallError is a bug of ours and ends the run', async () => {
  const recorded = steps({ validate: async () => Promise.reject(new TypeError('x is not a function')) });
  const { statuses, aborted } = await run([testEntry(0), testEntry(1)], recorded);
  expect(statuses).toEqual(['0:Internal']);
  expect(aborted).toEqual([1]);
});
