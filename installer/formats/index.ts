/** The registry of portal families: one line for each. */
import { InstallError } from '../core/errors.ts';
import type { Context } from '../core/context.ts';
import type { AbsPath, Format, SealedSet, SetOutput, Tree, Unpacked, Validated } from '../core/types.ts';
import { createHash } from 'node:crypto';
import { backstage } from './backstage.ts';
import { checkIdentity, readPackageJson } from './package-json.ts';

export const FORMATS: readonly Format[] = [backstage];

/**
 * Finds the family of an unpacked plugin and checks the plugin by its rules (docs/plugins.md). Reads, never writes, never runs code.
 * Throws PackageJsonMissing, PackageJsonInvalid, NameInvalid, PackageMismatch, FormatUnknown, FormatAmbiguous, FormatMismatch and the
 * family's reasons.
 */
export async function validatePlugin(unpacked: Unpacked, ctx: Context): Promise<Validated> {
  const json = await readPackageJson(unpacked.tree);
  checkIdentity(json, unpacked.pinned);
  const format = await chooseFormat(unpacked);
  const manifest = await format.validate(unpacked.tree, ctx);
  return { ...unpacked, manifest };
}

/**
 * Checks a plugin that is on the volume by the rules of now; the same reasons as validatePlugin. Bytes and package are those that were
 * proved when it was staged.
 */
export async function validateStaged(tree: Tree, family: string, ctx: Context): Promise<void> {
  const format = FORMATS.find((one) => one.family === family);
  if (format === undefined) throw new InstallError('FormatUnknown', `no portal family is called ${family}`);
  await format.validate(tree, ctx);
}

/** A stated format is believed, unless the content shows another one. */
async function chooseFormat({ entry, tree }: Unpacked): Promise<Format> {
  const detected: Format[] = [];
  for (const format of FORMATS) if (await format.detect(tree)) detected.push(format);
  const families = detected.map(({ family }) => family);
  if (entry.format !== undefined) return statedFormat(entry.format, families);
  const [only] = detected;
  if (only === undefined) {
    throw new InstallError(
      'FormatUnknown',
      'package.json has no backstage.role, so no portal would load this package',
      {
        details: { file: 'package.json', jsonPath: 'backstage.role', supported: FORMATS.map(({ family }) => family) },
      },
    );
  }
  if (detected.length === 1) return only;
  throw new InstallError('FormatAmbiguous', `the plugin looks like ${families.join(' and like ')}`, {
    details: { families, fix: `set format: ${families.join(' or ')} on the entry` },
  });
}

function statedFormat(stated: string, detected: readonly string[]): Format {
  const format = FORMATS.find(({ family }) => family === stated);
  const isOther = detected.length > 0 && !detected.includes(stated);
  if (format !== undefined && !isOther) return format;
  const found = detected.length === 0 ? 'no known format' : detected.join(', ');
  throw new InstallError('FormatMismatch', `the entry states format ${stated}, the plugin is of ${found}`, {
    details: { wanted: stated, found },
  });
}

/** The set-level files of all families in the set; of every family when the set is empty, as a portal may name a file at start. */
export async function assembleOutputs(set: SealedSet, root: AbsPath): Promise<readonly SetOutput[]> {
  const outputs = await Promise.all(formatsOf(set).map(async (format) => (await format.assemble?.(set, root)) ?? []));
  return outputs.flat();
}

/** sha256 hex. While it equals that of the ledger's outputs and these are intact, `assembleOutputs` would give the same files again. */
export function outputFingerprint(set: SealedSet, root: AbsPath): string {
  const hash = createHash('sha256');
  for (const format of formatsOf(set)) hash.update(`${format.family} ${format.fingerprint?.(set, root) ?? ''}\n`);
  return hash.digest('hex');
}

function formatsOf(set: SealedSet): readonly Format[] {
  const families = new Set(
    set.ready.map((ready) => (ready.state === 'kept' ? ready.record.family : ready.manifest.family)),
  );
  return FORMATS.filter(({ family }) => families.size === 0 || families.has(family));
}
