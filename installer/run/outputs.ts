import { join } from 'node:path';
import { errorCode } from '../core/errors.ts';
import type { Ledger, SealedSet, SetOutput } from '../core/types.ts';
import { assembleOutputs, outputFingerprint } from '../formats/index.ts';
import { MAX_SAVED_BYTES, outputHash } from '../stage/plan.ts';
import type { Volume } from '../stage/volume.ts';

type Place = Pick<Volume, 'root' | 'files'>;

/**
 * Set-level files of the set. When their input has not changed since the ledger was written and the files on the volume are intact, their
 * present content is the answer: a warm start then loads no YAML writer.
 */
export async function outputsOf(
  set: SealedSet,
  before: Ledger | undefined,
  volume: Place,
): Promise<readonly SetOutput[]> {
  const fingerprint = outputFingerprint(set, volume.root);
  const present = before === undefined ? undefined : presentOutputs(before, fingerprint, volume);
  if (present !== undefined) return present;
  return (await assembleOutputs(set, volume.root)).map((output) => ({ ...output, fingerprint }));
}

function presentOutputs(before: Ledger, fingerprint: string, volume: Place): readonly SetOutput[] | undefined {
  const outputs: SetOutput[] = [];
  for (const { name, sha256, fingerprint: written } of before.outputs) {
    if (written !== fingerprint) return undefined;
    const content = readText(volume, name);
    if (content === undefined || outputHash(content) !== sha256) return undefined;
    outputs.push({ name, content, fingerprint });
  }
  return outputs.length === 0 ? undefined : outputs;
}

function readText({ root, files }: Place, name: string): string | undefined {
  try {
    return files.read(join(root, name), MAX_SAVED_BYTES).toString('utf8');
  } catch (thrown) {
    // Gone, replaced by something else, too large for a file of ours or unreadable: it is written again.
    if (errorCode(thrown) === undefined) throw thrown;
    return undefined;
  }
}
