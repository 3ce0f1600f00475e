import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AbsPath, Ledger, SetOutput } from '../../../installer/core/types.ts';
import { outputsOf } from '../../../installer/run/outputs.ts';
import { NODE_FILES, type FileOperations } from '../../../installer/stage/file-operations.ts';
import { planCommit } from '../../../installer/stage/plan.ts';
import type { LockedVolume } from '../../../installer/stage/volume.ts';
import { sealedSet } from '../../support/sealed-set.ts';

const NAME = 'app-config.dynamic-plugins.yaml';
const set = sealedSet([], 'run-2');
let root: AbsPath;
let path: string;
let written: readonly SetOutput[];
let ledger: Ledger;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'outputs-')) as AbsPath;
  path = join(root, NAME);
  written = await outputsOf(set, undefined, volume());
  const place = { ...volume(), scratch: join(root, '.portal-plugins/lock/x'), mounted: new Set() };
  ledger = planCommit(set, written, place as unknown as LockedVolume).ledger;
  writeFileSync(path, written[0]?.content ?? '');
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function volume(): { root: AbsPath; files: FileOperations } {
  return { root, files: NODE_FILES };
}

test('a file that is still what the ledger says is the answer as it stands', async () => {
  expect(await outputsOf(set, ledger, volume())).toEqual(written);
});

describe('the file is assembled again', () => {
  const changes: Readonly<Record<string, () => void>> = {
    'when it is gone': () => rmSync(path),
    'when it was edited': () => writeFileSync(path, 'app: {}\n'),
    'when a FIFO that nobody writes to took its place': () => {
      rmSync(path);
      execFileSync('mkfifo', [path]);
    },
    'when a link to the same content took its place': () => {
      writeFileSync(join(root, 'elsewhere'), written[0]?.content ?? '');
      rmSync(path);
      symlinkSync('elsewhere', path);
    },
    'when it is larger than any file of ours': () => truncateSync(path, 3 * 1024 ** 3),
  };
  test.each(Object.keys(changes))('%s', { timeout: 5000 }, async (name) => {
    changes[name]?.();
    expect(await outputsOf(set, ledger, volume())).toEqual(written);
  });
});
