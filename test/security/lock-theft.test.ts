/** A holder that was frozen and taken over must not change the volume any more, wherever in its commit it wakes up. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Ledger } from '../../installer/core/types.ts';
import { watchedFiles, type Step } from '../support/faulty-files.ts';
import type { StageOrder } from '../support/stage-child.ts';
import { stageRun, type StageRun } from '../support/stage-run.ts';
import { topLevel, volumeState } from '../support/volume-state.ts';

const CHILD = fileURLToPath(new URL('../support/stage-child.ts', import.meta.url));
const LEDGER = 'portal-plugins.json';
const spec = (version: string): Pick<StageOrder, 'plugins' | 'outputs'> => ({
  plugins: ['acme-a', 'acme-b'].map((dir) => ({ dir, version })),
  outputs: [{ name: 'app-config.dynamic-plugins.yaml', content: `v: ${version}\n` }],
});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'theft-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Another container of the same pod takes over at once and runs to its end, while this process stands still. */
function otherRun(): void {
  const order: StageOrder = { root, ...spec('9.0.0'), owner: { pod: 'pod-x', bootId: 'boot-other' } };
  const { status, stderr } = spawnSync(process.execPath, [CHILD, JSON.stringify(order)], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
}

async function frozenRun(at: number, steps: Step[]): Promise<string> {
  const files: StageRun['files'] = (files) =>
    watchedFiles(files, (step) => {
      steps.push(step);
      if (step.number === at) otherRun();
    });
  try {
    await stageRun({ root, ...spec('2.0.0'), files, owner: { pod: 'pod-x', bootId: 'boot-this' } });
    return 'ok';
  } catch (thrown) {
    return (thrown as { reason?: string }).reason ?? String(thrown);
  }
}

// Some forty processes one after the other: the suite's usual limit is for one.
const TIMEOUT_MS = 300_000;

test(
  'the set of the one who took over stays, byte for byte, at every step at which the other may wake up',
  { timeout: TIMEOUT_MS },
  async () => {
    await stageRun({ root, ...spec('9.0.0') });
    const expected = volumeState(root, [LEDGER]);
    rmSync(root, { recursive: true });
    const { taken, last } = await countSteps();
    const seen = new Set<string>();
    for (let at = taken + 1; at <= last; at += 1) {
      root = mkdtempSync(join(tmpdir(), 'theft-'));
      await stageRun({ root, ...spec('1.0.0') });
      seen.add(await frozenRun(at, []));
      expect(volumeState(root, [LEDGER]), `step ${at}`).toEqual(expected);
      expect((JSON.parse(readFileSync(join(root, LEDGER), 'utf8')) as Ledger).plugins[0]?.version).toBe('9.0.0');
      expect(topLevel(root), `step ${at}`).not.toContain('.portal-plugins');
      rmSync(root, { recursive: true });
    }
    // Taken over before the commit point, or only while it cleaned up.
    expect([...seen].toSorted()).toEqual(['LockBusy', 'ok']);
  },
);

/** The step that takes the lock, and the last one of an undisturbed run. */
async function countSteps(): Promise<{ taken: number; last: number }> {
  root = mkdtempSync(join(tmpdir(), 'theft-'));
  await stageRun({ root, ...spec('1.0.0') });
  const steps: Step[] = [];
  expect(await frozenRun(0, steps)).toBe('ok');
  rmSync(root, { recursive: true });
  return {
    taken: 1 + steps.findIndex(({ call, path }) => call === 'rename' && path.includes('/wait-')),
    last: steps.length,
  };
}
