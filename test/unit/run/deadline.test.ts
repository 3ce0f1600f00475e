import { expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import { startDeadline } from '../../../installer/run/deadline.ts';
import { manualClock } from '../../support/clock.ts';

const LIMIT = { ms: 600_000, what: 'npm:slow@1.0.0', setting: 'PORTAL_PLUGINS_PLUGIN_DEADLINE' };

async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

test('aborts with DeadlineExceeded naming the setting when the time is over', async () => {
  const clock = manualClock();
  using deadline = startDeadline(clock, new AbortController().signal, LIMIT);
  expect(deadline.at).toBe(600_000);
  clock.advance(599_999);
  await turn();
  expect(deadline.signal.aborted).toBe(false);
  clock.advance(1);
  await turn();
  expect(deadline.signal.reason).toBeInstanceOf(InstallError);
  expect(deadline.signal.reason).toMatchObject({
    reason: 'DeadlineExceeded',
    details: { setting: LIMIT.setting, limitMs: 600_000 },
  });
});

test('follows its parent with the reason of the parent', () => {
  const parent = new AbortController();
  using deadline = startDeadline(manualClock(), parent.signal, LIMIT);
  const reason = new InstallError('Terminated', 'stop');
  parent.abort(reason);
  expect(deadline.signal.reason).toBe(reason);
});

test('never rings once disposed', async () => {
  const clock = manualClock();
  const deadline = startDeadline(clock, new AbortController().signal, LIMIT);
  deadline[Symbol.dispose]();
  clock.advance(LIMIT.ms * 2);
  await turn();
  expect(deadline.signal.aborted).toBe(false);
});
