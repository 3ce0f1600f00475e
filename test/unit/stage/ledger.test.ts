import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AbsPath, Ledger } from '../../../installer/core/types.ts';
import { NODE_FILES } from '../../../installer/stage/file-operations.ts';
import {
  isPluginPath,
  isSameLedger,
  LEDGER_FILE,
  readLedger,
  serialiseLedger,
} from '../../../installer/stage/ledger.ts';
import { systemError } from '../../support/faulty-files.ts';
import { stageRun } from '../../support/stage-run.ts';

let root: AbsPath;
let good: Ledger;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'ledger-')) as AbsPath;
  await stageRun({ root, plugins: [{ dir: 'acme-a', version: '1.0.0' }], outputs: [{ name: 'x.yaml', content: '' }] });
  good = JSON.parse(readFileSync(join(root, LEDGER_FILE), 'utf8')) as Ledger;
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const read = (): ReturnType<typeof readLedger> => readLedger({ root, files: NODE_FILES });
const put = (content: string | Buffer): void => writeFileSync(join(root, LEDGER_FILE), content);

test('reads what a run has written', () => {
  const { ledger, notice } = read();
  expect(notice).toBeUndefined();
  expect(JSON.parse(JSON.stringify(ledger))).toEqual(good);
});

test('a fresh volume has none, and that is nothing to remark', () => {
  rmSync(join(root, LEDGER_FILE));
  expect(read()).toEqual({ ledger: undefined, notice: undefined });
});

describe('is unusable with a notice, and no crash,', () => {
  test.each([
    ['empty', ''],
    ['cut in the middle', '{"schemaVersion": 1, "plug'],
    ['not an object', '[]'],
    ['binary', Buffer.from([0xff, 0xfe, 0, 1])],
    ['without plugins', '{"schemaVersion": 1}'],
  ])('when it is %s', (_, content) => {
    put(content);
    expect(read()).toMatchObject({ ledger: undefined, notice: { reason: 'LedgerUnreadable' } });
  });

  test('when a newer version wrote it, which the notice says', () => {
    put(serialiseLedger({ ...good, schemaVersion: 2 as 1 }));
    expect(read().notice?.message).toContain('schema version 2');
  });

  test('when it is larger than any ledger', () => {
    put(Buffer.alloc(33 * 1024 * 1024, ' '));
    expect(read().notice).toMatchObject({ reason: 'LedgerUnreadable' });
  });

  test('when it is a link, even to a valid one', () => {
    const real = join(root, 'real.json');
    writeFileSync(real, serialiseLedger(good));
    rmSync(join(root, LEDGER_FILE));
    symlinkSync(real, join(root, LEDGER_FILE));
    expect(read()).toMatchObject({ ledger: undefined, notice: { reason: 'LedgerUnreadable' } });
  });

  test('when it is a directory', () => {
    rmSync(join(root, LEDGER_FILE));
    mkdirSync(join(root, LEDGER_FILE));
    expect(read().notice).toMatchObject({ reason: 'LedgerUnreadable' });
  });

  test('when it may not be read', () => {
    const refusing = {
      ...NODE_FILES,
      read: () => {
        throw systemError('EACCES');
      },
    };
    const { notice } = readLedger({ root, files: refusing });
    expect(notice).toMatchObject({ reason: 'LedgerUnreadable', message: expect.stringContaining('EACCES') });
  });

  test.each(['../../etc', '/etc', '.', '..', 'a/../b', '.hidden', 'a//b', 'a\\b', 'a\nb', '', 'a/.b'])(
    'when it names %j as the directory of a plugin',
    (dir) => {
      put(JSON.stringify({ ...good, plugins: good.plugins.map((plugin) => ({ ...plugin, dir })) }));
      expect(read().notice).toMatchObject({ reason: 'LedgerUnreadable' });
    },
  );

  test('when it names a path outside as a set-level file', () => {
    put(JSON.stringify({ ...good, outputs: [{ name: '../x', sha256: '' }] }));
    expect(read().notice).toMatchObject({ reason: 'LedgerUnreadable' });
  });
});

test('fields of a later version with the same schema are no obstacle', () => {
  put(JSON.stringify({ ...good, later: true }));
  expect(read().ledger?.run).toBe(good.run);
});

test.each(['acme-a', 'node_modules/@acme/x', 'a.b', 'lost+found'])('%s is a plugin path', (path) => {
  expect(isPluginPath(path)).toBe(true);
});

describe('two ledgers', () => {
  test('are the same when only the run differs, whatever the order of keys and absent values', () => {
    const [first] = good.plugins;
    const reordered = { ...good, run: 'other', completedAt: 'later' } as Ledger;
    const plugins =
      first === undefined ? [] : [{ role: undefined, ...Object.fromEntries(Object.entries(first).toReversed()) }];
    expect(isSameLedger(good, { ...reordered, plugins: plugins as unknown as Ledger['plugins'] })).toBe(true);
  });

  test.each([
    { set: 'sha256:ffffffffffff' },
    { plugins: [] },
    { tool: 'next version' },
    { rejected: [{ package: 'x', index: 0, reason: 'y' }] },
  ])('differ when %j', (change) => {
    expect(isSameLedger(good, { ...good, ...change })).toBe(false);
  });
});
