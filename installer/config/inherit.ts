/** Which included entry an entry overrides, and RHDH's `{{inherit}}` tag (docs/configuration.md, "Includes"). Pure. */
import { InstallError } from '../core/errors.ts';
import type { Origin } from '../core/origin.ts';
import type { ParseContext, Reference } from '../core/types.ts';
import { parseReference } from '../sources/index.ts';

/** What makes two entries the same plugin, whatever their versions. */
export interface PluginKey {
  /** The package as written. */
  readonly text: string;
  /** Identity of the reference; the text itself where it does not parse (that is reported elsewhere). */
  readonly identity: string;
  /** Canonical spelling with version, without `!PATH`: equal for entries that mean the same bytes. */
  readonly version: string;
  /** Set for OCI references. */
  readonly oci: OciKey | undefined;
  /** The version is to be taken from the overridden entry. */
  readonly inherits: boolean;
}

interface OciKey {
  readonly repository: string;
  /** Last segment of the repository: the plugin's name to newer RHDH installers. */
  readonly name: string;
  /** `!PATH`, without the mark. */
  readonly path: string | undefined;
}

const INHERIT = /:\{\{\s*inherit\s*\}\}(?=!|$)/;

export function pluginKey(text: string, ctx: ParseContext): PluginKey {
  const inherits = text.startsWith('oci://') && INHERIT.test(text);
  // Without tag the reference parses: `{{inherit}}` is no tag of the grammar.
  const reference = tryParse(inherits ? text.replace(INHERIT, '') : text, ctx);
  if (reference === undefined) return { text, identity: text, version: text, oci: undefined, inherits };
  const version = reference.text.replace(/!.*$/s, '');
  return { text, identity: reference.identity, version, oci: ociKey(reference.origin, text), inherits };
}

/**
 * The one of `bases` that `over` overrides, or undefined when it is a plugin of its own. The same identity first; then, for OCI, the same
 * repository where one of the two names no `!PATH`; for `{{inherit}}` at last the same plugin name in another repository. Throws
 * ReferenceInvalid when `{{inherit}}` finds nothing, or more than one.
 */
export function overridden<T extends PluginKey>(over: PluginKey, bases: readonly T[]): T | undefined {
  const same = bases.find((base) => base.identity === over.identity);
  if (same !== undefined) return same;
  const { oci } = over;
  if (oci === undefined) return over.inherits ? noBase([]) : undefined;
  const near = bases.filter((base) => base.oci?.repository === oci.repository && isPathCompatible(oci, base.oci));
  if (near.length === 1) return near[0];
  if (!over.inherits) return undefined;
  const named =
    near.length > 1 ? near : bases.filter((base) => base.oci?.name === oci.name && isPathCompatible(oci, base.oci));
  return named.length === 1 ? named[0] : noBase(named);
}

/** The package of an override: its own version or the inherited one, with the base's `!PATH` where it names none itself. */
export function overriddenPackage(over: PluginKey, base: PluginKey): string {
  const path = over.oci?.path ?? base.oci?.path;
  if (over.oci === undefined) return over.text;
  const text = over.inherits ? base.text : over.text;
  const bang = text.indexOf('!');
  return path === undefined ? text : `${bang === -1 ? text : text.slice(0, bang)}!${path}`;
}

function tryParse(text: string, ctx: ParseContext): Reference | undefined {
  try {
    return parseReference(text, ctx);
  } catch (thrown) {
    if (thrown instanceof InstallError) return undefined;
    throw thrown;
  }
}

function ociKey(origin: Origin, text: string): OciKey | undefined {
  if (origin.scheme !== 'oci') return undefined;
  const bang = text.indexOf('!');
  return {
    repository: `${origin.host}:${origin.port}/${origin.segments.join('/')}`,
    name: origin.segments.at(-1) ?? '',
    path: bang === -1 ? undefined : text.slice(bang + 1),
  };
}

function isPathCompatible(a: OciKey, b: OciKey): boolean {
  return a.path === b.path || a.path === undefined || b.path === undefined;
}

function noBase(candidates: readonly PluginKey[]): never {
  if (candidates.length === 0) {
    throw new InstallError(
      'ReferenceInvalid',
      '{{inherit}} has nothing to inherit from: no included list has this plugin',
      {
        details: { fix: 'write the tag or digest, or include the list that has it' },
      },
    );
  }
  const texts = candidates.map(({ text }) => text).join(', ');
  throw new InstallError('ReferenceInvalid', `{{inherit}} could mean ${candidates.length} included plugins: ${texts}`, {
    details: { fix: 'append !PATH of the one that is meant' },
  });
}
