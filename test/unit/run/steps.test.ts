import { expect, test } from 'vitest';
import type { AbsPath, Verified } from '../../../installer/core/types.ts';
import { productionSteps } from '../../../installer/run/steps.ts';
import { testContext } from '../../support/context.ts';
import { testEntry, testResolved } from '../../support/entries.ts';

test('a volume on which the directory to unpack into cannot be made is no bug of ours', async () => {
  const verified = { ...testResolved(testEntry(0)), archives: [], evidence: [] } as unknown as Verified;
  const unpacking = productionSteps.unpack([verified], testContext({ scratch: '/nonexistent/scratch' as AbsPath }));
  await expect(unpacking).rejects.toMatchObject({ reason: 'CommitFailed', details: { code: 'ENOENT' } });
});
