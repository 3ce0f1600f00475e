import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../core/errors.ts';
import type { AbsPath, Ledger, SealedSet, SetOutput } from '../core/types.ts';
import { assembleOutputs, outputFingerprint } from '../formats/index.ts';

/**
 * Set-level files of the set. When their input has not changed since the ledger was written and the files on the volume are intact, their
 * present content is the answer: a warm start then loads no YAML writer.
 */
export async function outputsOf(
  set: SealedSet,
  before: Ledger | undefined,
  root: AbsPath,
): Promise<readonly SetOutput[]> {
  const fingerprint = outputFingerprint(set, root);
  const present = before === undefined ? undefined : presentOutputs(before, fingerprint, root);
  if (present !== undefined) return present;
  return (await assembleOutputs(set, root)).map((output) => ({ ...output, fingerprint }));
}

function presentOutputs(before: Ledger, fingerprint: string, root: AbsPath): readonly SetOutput[] | undefined {
  const outputs: SetOutput[] = [];
  for (const { name, sha256, fingerprint: written } of before.outputs) {
    if (written !== fingerprint) return undefined;
    const content = readText(join(root, name));
    if (content === undefined || createHash('sha256').update(content).digest('hex') !== sha256) return undefined;
    outputs.push({ name, content, fingerprint });
  }
  return outputs.length === 0 ? undefined : outputs;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    // Gone, replaced by a directory or unreadable: it is written again.
    if (errorCode(thrown) === undefined) throw thrown;
    return undefined;
  }
}
