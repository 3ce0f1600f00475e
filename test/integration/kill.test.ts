/**
 * SIGKILL at many moments of a whole run, spread over its length. After each the volume holds the old set or the new one, or a journal that
 * says how to go back; a rerun ends, without waiting, in the tree of an undisturbed run. (stage-kill.test.ts kills at every single file
 * operation of the commit.)
 */
import { globSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { pushArtifact } from '../support/oci-push.ts';
import { type OciRegistry, startOciRegistry } from '../support/oci-registry.ts';
import { backendPlugin } from '../support/plugins.ts';
import { type ProgramOptions, runProgram } from '../support/program.ts';
import { topLevel, volumeState, type VolumeState } from '../support/volume-state.ts';

const LEDGER = 'portal-plugins.json';
const WORKING_DIRECTORY = '.portal-plugins';
/** Moments of one run; they fall anywhere between the start of the process and its end. */
const MOMENTS = 16;

let registry: OciRegistry;
let base: string;
let root: string;
/** The volume as it is before each test. */
let template: string;
let before: readonly object[];
let after: readonly object[];
let old: VolumeState;
let whole: VolumeState;
/** Length of an undisturbed run, from the first log line, in milliseconds. */
let length: number;

beforeAll(async () => {
  registry = await startOciRegistry();
  base = await mkdtemp(join(tmpdir(), 'kill-'));
  root = join(base, 'root');
  template = join(base, 'template');
  await mkdir(root);
  before = [await published('a', '1.0.0'), await published('b', '1.0.0'), await published('c', '1.0.0')];
  after = [await published('a', '2.0.0'), await published('b', '1.0.0'), await published('d', '1.0.0')];
  await run(before);
  await cp(root, template, { recursive: true });
  old = state();
  let started = 0;
  await run(after, { onLine: () => (started ||= performance.now()) });
  length = performance.now() - started;
  whole = state();
});
// The generated app-config names the root, so every run uses the same one.
beforeEach(async () => {
  await rm(root, { recursive: true });
  await cp(template, root, { recursive: true });
});
afterAll(async () => {
  await registry.close();
  await rm(base, { recursive: true });
});

async function published(name: string, version: string): Promise<object> {
  // Enough files that unpacking and committing take their time.
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`dist/chunk-${i}.js`, `// ${name} ${version} ${i}\n`.repeat(50)]),
  );
  const plugin = backendPlugin({ name: `@acme/${name}`, version, files });
  const pushed = await pushArtifact(
    { origin: registry.origin, repository: `acme/${name}`, tag: version },
    plugin.tarball,
  );
  return { package: pushed.reference, integrity: plugin.integrity };
}

async function run(plugins: readonly object[], more: Partial<ProgramOptions> = {}): Promise<number | null> {
  const { exitCode } = await runProgram({ root, list: { plugins }, env: environment(), ...more });
  return exitCode;
}

function environment(): Record<string, string> {
  return { PORTAL_PLUGINS_INSECURE_HOSTS: registry.host };
}

/** Everything but the ledger, whose run id and time differ, and what a killed run may leave. */
function state(): VolumeState {
  return volumeState(root, [LEDGER, WORKING_DIRECTORY]);
}

test.each(Array.from({ length: MOMENTS }, (_, moment) => moment))(
  'a run killed at moment %i is repaired by the next one',
  async (moment) => {
    let isArmed = false;
    const exitCode = await run(after, {
      onLine: (_, child) => {
        if (isArmed) return;
        isArmed = true;
        setTimeout(() => child.kill('SIGKILL'), (length * moment) / MOMENTS);
      },
    });
    // A run that was quicker than this moment has ended well, which is fine; the others were killed.
    expect([null, 0]).toContain(exitCode);
    // Between the first rename and the last the journal says how to go back; at any other moment the set is whole.
    if (!hasJournal()) expect([old, whole]).toContainEqual(state());
    const again = await runProgram({ root, list: { plugins: after }, env: environment() });
    expect(again.exitCode).toBe(0);
    // A dead owner on this machine is known at once: nobody waits for its heartbeat to grow stale.
    expect(again.lines.filter(({ msg }) => msg.includes('waiting'))).toEqual([]);
    expect(state()).toEqual(whole);
    expect(topLevel(root)).not.toContain(WORKING_DIRECTORY);
  },
);

function hasJournal(): boolean {
  const left = globSync(`${root}/${WORKING_DIRECTORY}/**/journal.json`);
  return left.length > 0;
}

test('two installers at once end in one complete set', async () => {
  const codes = await Promise.all([run(after), run(after), run(after)]);
  expect(codes).toEqual([0, 0, 0]);
  expect(state()).toEqual(whole);
  expect(topLevel(root)).not.toContain(WORKING_DIRECTORY);
});
