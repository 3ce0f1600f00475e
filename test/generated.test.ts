/** What is made from code is current: the tables in the documents and the schema of values. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { PROJECT } from './support/documents.ts';

test('npm run docs would change nothing', async () => {
  const run = promisify(execFile)(process.execPath, ['installer/tools/docs.ts', '--check'], { cwd: PROJECT });
  await expect(run).resolves.toMatchObject({ stdout: '', stderr: '' });
});
