/** SIGKILL and SIGTERM at every step of commit, undo and recovery (docs/testing.md). */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ledger } from '../../installer/core/types.ts';
import { describeOwner } from '../../installer/stage/owner.ts';
import { enterVolume, leaveVolume } from '../../installer/stage/recover.ts';
import { realClock } from '../support/clock.ts';
import { frozenFrom, watchedFiles } from '../support/faulty-files.ts';
import type { StageOrder } from '../support/stage-child.ts';
import { stageProcess, type StageExit } from '../support/stage-process.ts';
import { openTestVolume, stageRun, type StageRun } from '../support/stage-run.ts';
import { volumeState, type VolumeState } from '../support/volume-state.ts';

const LEDGER = 'portal-plugins.json';
const NEW_RUN = '11111111-1111-4111-8111-111111111111';
const BEFORE = {
  plugins: [
    { dir: 'acme-a', version: '1.0.0' },
    { dir: 'acme-b', version: '1.0.0' },
    { dir: 'acme-c', version: '1.0.0' },
  ],
  outputs: [
    { name: 'retired.yaml', content: 'r' },
    { name: 'app-config.dynamic-plugins.yaml', content: 'a: 1\n' },
  ],
};
const AFTER = {
  plugins: [
    { dir: 'acme-a', version: '2.0.0' },
    { dir: 'acme-b', version: '1.0.0' },
    { dir: 'node_modules/d', version: '1.0.0' },
  ],
  outputs: [
    { name: 'app-config.dynamic-plugins.yaml', content: 'a: 2\n' },
    { name: 'added.yaml', content: 'n' },
  ],
};

let base: string;
/** The volume before the run, and what it must be after it. */
let template: string;
let old: VolumeState;
let whole: VolumeState;
/** Steps of an undisturbed run, and of one whose ledger cannot be renamed. */
let steps: number;
let stepsWithUndo: number;
let commitStep: number;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'stage-kill-'));
  template = join(base, 'template');
  mkdirSync(template);
  await stageRun({ root: template, ...BEFORE });
  mkdirSync(join(template, 'foreign/dist'), { recursive: true });
  symlinkSync('/nonexistent', join(template, 'dangling'));
  writeFileSync(join(template, 'notes.txt'), 'stays');
  old = volumeState(template);
  let count = 0;
  const files: StageRun['files'] = (files) =>
    watchedFiles(files, ({ number, call, path }) => {
      count = number;
      if (call === 'rename' && path.endsWith(`new/${LEDGER}`)) commitStep = number;
    });
  const undisturbed = freshVolume();
  await stageRun({ root: undisturbed, ...AFTER, files });
  whole = volumeState(undisturbed, [LEDGER]);
  steps = count;
  const failing = freshVolume();
  const child = await stageProcess({ root: failing, ...AFTER, failsAtLedger: true });
  expect(child).toMatchObject({ code: 73, report: { reason: 'CommitFailed' } });
  expect(volumeState(failing)).toEqual(old);
  await expect(
    stageRun({
      root: failing,
      ...AFTER,
      files: (inner) =>
        watchedFiles(inner, ({ number, call, path }) => {
          count = number;
          if (call === 'rename' && path.endsWith(`new/${LEDGER}`)) throw new Error('EIO');
        }),
    }),
  ).rejects.toThrow();
  stepsWithUndo = count;
});

afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

let volumes = 0;
function freshVolume(): string {
  const root = join(base, `volume-${++volumes}`);
  cpSync(template, root, { recursive: true, verbatimSymlinks: true });
  return root;
}

/** Takes the lock, repairs, leaves: what every run does before anything else. */
async function repair(root: string): Promise<void> {
  const clock = realClock();
  const context = { clock, signal: new AbortController().signal, deadline: clock.monotonic() + 60_000, emit: () => {} };
  const volume = await openTestVolume({ root });
  expect(await leaveVolume(await enterVolume(volume, describeOwner(undefined, new Date()), context))).toBeUndefined();
}

/** Exactly the old set or exactly the new one; `which` says which. */
function stateOf(root: string): 'old' | 'new' {
  if (runOf(root) !== NEW_RUN) {
    expect(volumeState(root)).toEqual(old);
    return 'old';
  }
  expect(volumeState(root, [LEDGER])).toEqual(whole);
  return 'new';
}

function runOf(root: string): string {
  return (JSON.parse(readFileSync(join(root, LEDGER), 'utf8')) as Ledger).run;
}

async function rerunReachesTheSameTree(root: string): Promise<void> {
  await stageRun({ root, ...AFTER });
  expect(volumeState(root, [LEDGER])).toEqual(whole);
  rmSync(root, { recursive: true });
}

const order = (root: string, rest: Partial<StageOrder>): StageOrder => ({
  root,
  ...AFTER,
  owner: { run: NEW_RUN },
  ...rest,
});

/** Two processes at a time: the machine's cores. */
async function atEvery(first: number, last: number, check: (at: number) => Promise<void>): Promise<void> {
  let next = first;
  const worker = async (): Promise<void> => {
    while (next <= last) await check(next++);
  };
  await Promise.all([worker(), worker()]);
}

describe('SIGKILL', () => {
  test('ahead of any step of a run leaves the old set before the commit point and the new one after it', async () => {
    const seen = new Set<string>();
    await atEvery(1, steps, async (at) => {
      const root = freshVolume();
      const exit = await stageProcess(order(root, { killAt: at }));
      expect(exit.signal, exit.stderr).toBe('SIGKILL');
      await repair(root);
      const which = stateOf(root);
      expect(which, `step ${at}`).toBe(at > commitStep ? 'new' : 'old');
      seen.add(which);
      await rerunReachesTheSameTree(root);
    });
    expect([...seen].toSorted()).toEqual(['new', 'old']);
  });

  test('ahead of any step of an undo leaves the old set', async () => {
    await atEvery(commitStep + 1, stepsWithUndo, async (at) => {
      const root = freshVolume();
      const exit = await stageProcess(order(root, { failsAtLedger: true, killAt: at }));
      expect(exit.signal, exit.stderr).toBe('SIGKILL');
      await repair(root);
      expect(stateOf(root), `step ${at}`).toBe('old');
      await rerunReachesTheSameTree(root);
    });
  });

  test('ahead of any step of a recovery leaves the old set', async () => {
    const killed = await killedVolume(commitStep);
    const recovery = await recoverySteps(killed);
    expect(recovery).toBeGreaterThan(20);
    await atEvery(1, recovery, async (at) => {
      const root = `${killed}-${at}`;
      cpSync(killed, root, { recursive: true, verbatimSymlinks: true });
      const exit = await stageProcess(order(root, { killAt: at }));
      expect(exit.signal, exit.stderr).toBe('SIGKILL');
      await repair(root);
      expect(stateOf(root), `step ${at}`).toBe('old');
      await rerunReachesTheSameTree(root);
    });
  });

  test('leaves what a run leaves that freezes at the same step', async () => {
    for (const at of [commitStep - 3, commitStep, commitStep + 1]) {
      const root = freshVolume();
      await stageProcess(order(root, { killAt: at }));
      const frozen = freshVolume();
      await freeze({ root: frozen, ...AFTER, owner: { run: NEW_RUN } }, at);
      expect(Object.keys(volumeState(frozen)), `step ${at}`).toEqual(Object.keys(volumeState(root)));
    }
  });
});

test('a recovery killed at any step, of a run killed at any step, still ends in the old or the new set', async () => {
  for (let at = 1; at <= steps; at += 1) {
    const killed = await killedVolume(at);
    const recovery = await recoverySteps(killed);
    for (let again = 1 + (at % 3); again <= recovery; again += 3) {
      const root = `${killed}-${again}`;
      cpSync(killed, root, { recursive: true, verbatimSymlinks: true });
      await freeze({ root, ...AFTER }, again);
      await repair(root);
      expect(stateOf(root), `killed at ${at}, recovery killed at ${again}`).toBe(at > commitStep ? 'new' : 'old');
      rmSync(root, { recursive: true });
    }
    rmSync(killed, { recursive: true });
  }
});

describe('SIGTERM', () => {
  test('before the commit point exits with 143, the old set and a clean root; in it and after it with 0 and the new set', async () => {
    const codes = new Map<number, number>();
    await atEvery(1, steps, async (at) => {
      const root = freshVolume();
      const exit = await stageProcess(order(root, { terminateAt: at }));
      expect(exit.signal, exit.stderr).toBeNull();
      expect(stateOf(root), `step ${at}`).toBe(exit.code === 0 ? 'new' : 'old');
      codes.set(at, exit.code ?? -1);
      rmSync(root, { recursive: true });
    });
    for (const [at, code] of codes) expect(code, `step ${at}`).toBe(at < commitStep ? 143 : 0);
  });
});

describe('several installers at once', () => {
  test.each([2, 3])('%i of them go one after the other and leave the set of one, whole', async (count) => {
    const root = freshVolume();
    const versions = Array.from({ length: count }, (_, index) => `${index + 3}.0.0`);
    const exits = await Promise.all(versions.map(async (version) => stageProcess(contender(root, version))));
    expect(exits.map(({ code }) => code)).toEqual(versions.map(() => 0));
    expectOneWholeSet(root, versions);
  });

  test('on two nodes, which cannot ask for each other’s processes, wait for each other as well', async () => {
    const root = freshVolume();
    const versions = ['3.0.0', '4.0.0'];
    const exits = await Promise.all(
      versions.map(async (version, node) =>
        stageProcess(contender(root, version, { holdMs: 2500, owner: { bootId: `node-${node}`, pod: `pod-${node}` } })),
      ),
    );
    expect(exits.map(({ code }) => code)).toEqual([0, 0]);
    expectOneWholeSet(root, versions);
  });

  test('one whose deadline passes first exits with 75 and names the holder', async () => {
    const root = freshVolume();
    const holding = stageProcess(contender(root, '3.0.0', { holdMs: 3000, owner: { pod: 'pod-of-the-holder' } }));
    await exists(markerOf(root));
    const late: StageExit = await stageProcess(contender(root, '4.0.0', { patienceMs: 700 }));
    expect(late).toMatchObject({ code: 75, report: { reason: 'LockBusy', details: { pod: 'pod-of-the-holder' } } });
    expect((await holding).code).toBe(0);
    expectOneWholeSet(root, ['3.0.0']);
  });
});

function contender(root: string, version: string, rest: Partial<StageOrder> = {}): StageOrder {
  return {
    root,
    plugins: ['acme-a', 'acme-b', 'acme-e'].map((dir) => ({ dir, version })),
    outputs: [{ name: 'app-config.dynamic-plugins.yaml', content: `v: ${version}\n` }],
    marker: markerOf(root),
    holdMs: 100,
    ...rest,
  };
}

function markerOf(root: string): string {
  return `${root}.held`;
}

function expectOneWholeSet(root: string, versions: readonly string[]): void {
  const content = readFileSync(join(root, 'app-config.dynamic-plugins.yaml'), 'utf8');
  const version = versions.find((one) => content === `v: ${one}\n`);
  expect(version).toBeDefined();
  for (const dir of ['acme-a', 'acme-b', 'acme-e']) {
    const { version: staged } = JSON.parse(readFileSync(join(root, dir, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(staged, dir).toBe(version);
  }
  expect(Object.keys(volumeState(root)).filter((path) => !path.includes('/'))).toEqual([
    'acme-a',
    'acme-b',
    'acme-e',
    'app-config.dynamic-plugins.yaml',
    'notes.txt',
    LEDGER,
  ]);
}

/** A volume as a run leaves it that is killed ahead of step `at`. */
async function killedVolume(at: number): Promise<string> {
  const root = freshVolume();
  await freeze({ root, ...AFTER, owner: { run: NEW_RUN } }, at);
  return root;
}

/** A start time that is no process's: to the next run, the frozen one is dead. */
async function freeze(run: StageRun, at: number): Promise<void> {
  const dead = { ...run, owner: { ...run.owner, processStart: '1' } };
  await stageRun({ ...dead, files: (files) => frozenFrom(files, at) }).catch(() => undefined);
}

/** How many steps it takes to repair a copy of `root`. */
async function recoverySteps(root: string): Promise<number> {
  const copy = `${root}-count`;
  cpSync(root, copy, { recursive: true, verbatimSymlinks: true });
  let count = 0;
  const files: StageRun['files'] = (files) => watchedFiles(files, ({ number }) => (count = number));
  const clock = realClock();
  const context = { clock, signal: new AbortController().signal, deadline: clock.monotonic() + 60_000, emit: () => {} };
  const locked = await enterVolume(
    await openTestVolume({ root: copy, files }),
    describeOwner(undefined, new Date()),
    context,
  );
  const steps = count;
  await leaveVolume(locked);
  rmSync(copy, { recursive: true });
  return steps;
}

async function exists(path: string): Promise<void> {
  const clock = realClock();
  while (!existsSync(path)) await clock.sleep(20, AbortSignal.timeout(30_000));
}
