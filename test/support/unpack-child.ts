/** Run as a process of its own: unpacks `argv[2]` into `argv[3]` and prints what came of it and what it cost, as one line of JSON. */
import { statSync } from 'node:fs';
import { unpackArchives } from '../../installer/archive/index.ts';
import { InstallError } from '../../installer/core/errors.ts';
import type { AbsPath } from '../../installer/core/types.ts';
import { testContext } from './context.ts';

const [archive, into] = process.argv.slice(2) as [AbsPath, AbsPath];
const before = process.resourceUsage().maxRSS;
const fetched = {
  path: archive,
  bytes: statSync(archive).size,
  computed: {},
  claims: {},
  announced: undefined,
  from: 'test',
};
let reason = 'ok';
let details: unknown;
try {
  await unpackArchives(
    { archives: [fetched], layout: 'package', wanted: [undefined], into },
    testContext({ emit: () => undefined }),
  );
} catch (error) {
  if (!(error instanceof InstallError)) throw error;
  reason = error.reason;
  details = error.details;
}
const grownKiB = process.resourceUsage().maxRSS - before;
process.stdout.write(`${JSON.stringify({ reason, details, grownKiB })}\n`);
