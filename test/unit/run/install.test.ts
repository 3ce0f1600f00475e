import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import type { RunEvent } from '../../../installer/core/events.ts';
import { DEFAULT_LIMITS } from '../../../installer/core/limits.ts';
import type { Settings } from '../../../installer/core/settings.ts';
import { runInstall } from '../../../installer/run/install.ts';
import type { LineDeps } from '../../../installer/run/prepare-all.ts';
import { productionSteps } from '../../../installer/run/steps.ts';
import { realClock } from '../../support/clock.ts';
import { testContext } from '../../support/context.ts';
import { testEntry, testList } from '../../support/entries.ts';
import { STAGE, stageRun } from '../../support/stage-run.ts';
import { volumeState } from '../../support/volume-state.ts';

const DIRS = ['acme-a', 'acme-b', 'acme-c'];
let root: string;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'run-install-'));
  await stageRun({ root, plugins: DIRS.map((dir) => ({ dir, version: '1.0.0' })) });
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

test('a signal is heard between the checks of two plugins that are on the volume', async () => {
  for (const dir of DIRS) writeFileSync(join(root, dir, 'package.json'), 'edited');
  const before = volumeState(root);
  const stop = new AbortController();
  const notes: string[] = [];
  const emit = (event: RunEvent): void => {
    if (event.event !== 'note' || event.level === 'debug') return;
    notes.push(event.text);
    // As a signal handler runs: when the event loop comes to it.
    setImmediate(() => stop.abort(new InstallError('Terminated', 'stop')));
  };
  const entries = DIRS.map((dir, index) => testEntry(index, { package: `test:${dir}`, pin: `pin-of-${dir}-1.0.0` }));
  const list = testList(entries);
  const context = { ...testContext(), clock: realClock(), emit, signal: stop.signal };
  const deps: LineDeps = { ...context, list, steps: productionSteps };
  const settings = { root, stage: STAGE, limits: DEFAULT_LIMITS } as unknown as Settings; // all that an installation reads
  let isCommitted = false;
  const end = await runInstall(deps, settings, { version: 'test', onCommitted: () => (isCommitted = true) });
  expect(isCommitted).toBe(false);
  expect(end).toMatchObject({ isDone: false, runError: { reason: 'Terminated' } });
  expect(notes).toHaveLength(1);
  expect(end.aborted).toEqual(entries);
  expect(volumeState(root)).toEqual(before);
});
