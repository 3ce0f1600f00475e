import { describe, expect, test } from 'vitest';
import type { RunEvent, RunSummary } from '../../../installer/core/events.ts';
import { createReporter } from '../../../installer/report/index.ts';
import type { Reporter } from '../../../installer/report/reporter.ts';
import { manualClock, type TestClock } from '../../support/clock.ts';
import { memoryStream, screenAfter, type MemoryStream } from '../../support/memory-stream.ts';
import { everyEvent, failureOf, integrityMismatch, rowOf, SET, summaryOf } from '../../support/run-summary.ts';

interface Terminal {
  readonly reporter: Reporter;
  readonly stdout: MemoryStream;
  readonly clock: TestClock;
}

async function terminal(
  options: { columns?: number; rows?: number; color?: boolean; secrets?: readonly string[] } = {},
): Promise<Terminal> {
  const stdout = memoryStream(
    options.columns === undefined ? undefined : { columns: options.columns, rows: options.rows ?? 24 },
  );
  const clock = manualClock();
  const io = { stdout, clock, set: () => SET, secrets: () => options.secrets ?? [] };
  return {
    reporter: await createReporter({ format: 'pretty', level: 'info', color: options.color ?? false }, io),
    stdout,
    clock,
  };
}

async function closing(summary: RunSummary, columns: number): Promise<readonly string[]> {
  const { reporter, stdout } = await terminal({ columns });
  await reporter.finish(summary);
  return screenAfter(stdout.text(), Number.POSITIVE_INFINITY);
}

const started = (index: number): RunEvent => ({ event: 'plugin_started', package: `npm:plugin-${index}`, index });
const fetched = (index: number, bytes: number): RunEvent => ({
  event: 'progress',
  step: 'fetch',
  bytes,
  total: 2_000_000,
  package: `npm:plugin-${index}`,
  index,
});
const installed = (index: number): RunEvent => ({
  event: 'plugin_installed',
  package: `npm:plugin-${index}`,
  index,
  name: `plugin-${index}`,
  version: '1.0.0',
  dest: `plugin-${index}`,
  integrity: 'sha512-x',
  bytes: 2_000_000,
  files: 3,
  durationMs: 900,
  verifyOnly: false,
});

describe('on a terminal', () => {
  test('running plugins stand below finished ones and are updated in place', async () => {
    const { reporter, stdout, clock } = await terminal({ columns: 80 });
    reporter.emit(started(0));
    reporter.emit(started(1));
    clock.advance(1000);
    reporter.emit(fetched(1, 1_000_000));
    reporter.emit(installed(0));
    expect(screenAfter(stdout.text(), 80)).toEqual([
      '+ plugin-0@1.0.0 2.0 MB, 3 files, 0.9s',
      '  fetch    1.0 MB [##########..........] of 2.0 MB npm:plugin-1',
      '',
    ]);
  });

  test('progress is redrawn only so often', async () => {
    const { reporter, stdout, clock } = await terminal({ columns: 80 });
    reporter.emit(started(0));
    const before = stdout.text().length;
    for (let bytes = 0; bytes < 1000; bytes += 1) reporter.emit(fetched(0, bytes));
    expect(stdout.text().length).toBe(before);
    clock.advance(1000);
    reporter.emit(fetched(0, 1000));
    expect(stdout.text().length).toBeGreaterThan(before);
  });

  test('many running plugins take a few lines, and none is wider than the terminal', async () => {
    const { reporter, stdout, clock } = await terminal({ columns: 40 });
    for (let index = 0; index < 50; index += 1) {
      clock.advance(1000);
      reporter.emit(started(index));
      reporter.emit(fetched(index, 1_500_000));
    }
    const lines = screenAfter(stdout.text(), 40);
    expect(lines.length).toBeLessThanOrEqual(9);
    expect(lines.at(-2)).toBe('  … and 43 more');
  });

  test('a pseudo-terminal without a size is treated as one of usual size', async () => {
    const { reporter, stdout } = await terminal({ columns: 0, rows: 0 });
    reporter.emit(started(0));
    reporter.emit(started(1));
    expect(screenAfter(stdout.text(), 120)).toEqual(['  start    npm:plugin-0', '  start    npm:plugin-1', '']);
  });

  test('nothing of the live area stays behind', async () => {
    const { reporter, stdout } = await terminal({ columns: 120 });
    reporter.emit(started(0));
    await reporter.finish(summaryOf());
    expect(screenAfter(stdout.text(), 120)).toEqual([
      'ok: 7 plugins (5 cached, 2 fetched, 1.9 MB) in 3.4s set=sha256:3f9a0c1d22ab',
      '',
    ]);
  });

  test('colour is used only when it is wanted', async () => {
    const sgr = /\u001b\[\d+m/;
    for (const color of [true, false]) {
      const { reporter, stdout } = await terminal({ columns: 80, color });
      await reporter.finish(summaryOf([failureOf(integrityMismatch())]));
      expect(sgr.test(stdout.text())).toBe(color);
    }
  });
});

describe('off a terminal', () => {
  test('heartbeats are the progress, on one the progress lines are', async () => {
    const heartbeat = { event: 'note', level: 'info', text: 'still downloading', bytes: 5, total: 10 } as const;
    for (const columns of [undefined, 80]) {
      const { reporter, stdout } = await terminal(columns === undefined ? {} : { columns });
      reporter.emit(heartbeat);
      expect(stdout.text().includes('still downloading')).toBe(columns === undefined);
    }
  });

  test('there is no control sequence even when colour is on', async () => {
    const { reporter, stdout } = await terminal({ color: true });
    for (const event of everyEvent('\u001b[31mred')) reporter.emit(event);
    await reporter.finish(summaryOf([failureOf(integrityMismatch())]));
    expect(stdout.text()).not.toContain('\u001b');
  });
});

describe('the result', () => {
  const failing = summaryOf([failureOf(integrityMismatch())], {
    rows: [
      rowOf(0),
      rowOf(1, { status: 'cached', bytes: undefined, files: 1204 }),
      rowOf(3, {
        name: '',
        version: '',
        status: 'rejected',
        bytes: undefined,
        files: undefined,
        reason: 'IntegrityMismatch',
      }),
    ],
  });

  test('is a table, the failures in full, and the headline', async () => {
    expect((await closing(failing, 120)).join('\n')).toMatchInlineSnapshot(`
      "
      #  plugin                    version  status        size  files  time  reason
      0  @acme/plugin-0            1.0.0    installed  12.3 kB      3  0.1s
      1  @acme/plugin-1            1.0.0    cached               1204  0.1s
      3  npm:@acme/plugin-3@1.0.0           rejected                   0.1s  IntegrityMismatch

      IntegrityMismatch
      plugin:   @acme/backstage-plugin-todo@1.4.2  (dynamicPlugins.plugins[3])
      source:   https://npm.acme.internal/@acme/backstage-plugin-todo/-/backstage-plugin-todo-1.4.2.tgz
      expected: sha512-EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE==
      computed: sha512-CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC==
      cause:    the registry's own record matches the download, so the pinned value is stale or wrong
      fix:      check the release, then set dynamicPlugins.plugins[3].integrity to the computed value

      IntegrityMismatch: 1 of 7 plugins failed, portal not started (continueOnError=false)
      "
    `);
  });

  test.each([100, 80, 60, 40, 30])('the table fits %i columns and still tells plugin and status', async (columns) => {
    const lines = (await closing(failing, columns)).slice(1, 5);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
    expect(lines[0]).toMatch(/plugin .*status/);
    expect(lines[3]).toContain('rejected');
  });

  test('a big set keeps every failed plugin and counts the rest', async () => {
    const rows = Array.from({ length: 400 }, (_, index) =>
      rowOf(index, index % 40 === 39 ? { status: 'rejected', reason: 'PathEscape' } : {}),
    );
    const lines = await closing(summaryOf([], { rows }), 120);
    expect(lines.filter((line) => line.includes('PathEscape'))).toHaveLength(10);
    expect(lines).toContain('… and 300 more');
    expect(lines.length).toBeLessThan(110);
  });

  test('wide characters keep the columns in line', async () => {
    const rows = [rowOf(0, { name: '插件' }), rowOf(1, { name: 'plug' })];
    const [, , first, second] = await closing(summaryOf([], { rows }), 120);
    expect(first?.replace('插件', 'plug')).toBe(second?.replace(/^1/, '0'));
  });

  test('a secret in a name is gone before the name is cut to its column', async () => {
    const { reporter, stdout } = await terminal({ columns: 40, secrets: ['hunter2-hunter2-hunter2'] });
    const name = `${'x'.repeat(14)}hunter2-hunter2-hunter2`;
    await reporter.finish(summaryOf([], { rows: [rowOf(0, { name, package: name })] }));
    expect(stdout.text()).not.toContain('hunter2');
  });
});
