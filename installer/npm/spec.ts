/** What an npm spec asks for; the grammar is npm-package-arg's, narrowed to what an installer can pin (docs/sources.md, "npm"). */
import npa from 'npm-package-arg';
import semver from 'semver';
import { errorCode, InstallError } from '../core/errors.ts';
import { redactReference } from '../core/redact.ts';

/** How the version is chosen: `version` is exact and clean (`1.4.2`), `range` is semver, `tag` a dist-tag. */
export interface Wanted {
  readonly type: 'version' | 'range' | 'tag';
  readonly value: string;
}

export type NpmSpec =
  /** A package of a registry; `name` is the target's where the spec is an alias. */
  | {
      readonly kind: 'registry';
      readonly name: string;
      readonly wanted: Wanted;
      /** The name in front of `@npm:`, which has no effect here. */
      readonly alias: string | undefined;
    }
  /** `name@https://…`, `name@file:…`: another source's reference, in that source's spelling. */
  | { readonly kind: 'elsewhere'; readonly reference: string };

/** npm-package-arg's codes in words. Its messages repeat the spec, userinfo included, so neither they nor the error are passed on. */
const FAULTS: Readonly<Record<string, string>> = {
  EINVALIDPACKAGENAME: 'the package name is not valid',
  EINVALIDTAGNAME: 'what follows @ is neither a version, nor a range, nor a valid dist-tag',
  EUNSUPPORTEDPROTOCOL: 'what follows @ is a URL of an unsupported kind',
};

const LONGEST = 1024; // a name has at most 214 characters; ranges of thousands are attacks on the range parser

/**
 * Parses `[npm:]NAME[@VERSION|TAG|RANGE]`, `ALIAS@npm:NAME[@…]` and `NAME@https://…|file:…`. Throws ReferenceInvalid for git and
 * hosted shortcuts, `~`, invalid names and tags. npm-package-arg 14, "Result Objects".
 */
export function parseNpmSpec(text: string): NpmSpec {
  const bare = text.startsWith('npm:') ? text.slice(4) : text;
  if (bare === '' || bare.length > LONGEST) throw invalid(text, `an npm spec has 1 to ${LONGEST} characters`);
  // A path or URL after `npm:` is no package name; npm-package-arg would read it as one of several other things.
  if (/^(?:[.~/\\]|[a-z][a-z0-9+.-]*:)/i.test(bare)) throw invalid(text, 'it does not start with a package name');
  const result = parse(bare, text);
  if (result.type === 'alias') return aliasOf(result, text);
  if (result.registry) return { ...packageOf(result, text), alias: undefined };
  if (result.type === 'remote') return { kind: 'elsewhere', reference: result.rawSpec };
  if (result.type === 'git') throw gitUnsupported(text);
  return { kind: 'elsewhere', reference: localReference(result, text) };
}

function aliasOf(result: npa.Result, text: string): NpmSpec {
  const target = 'subSpec' in result ? (result.subSpec as npa.Result) : undefined; // typed on AliasResult only
  if (target === undefined) throw invalid(text, 'the alias has no target');
  return { ...packageOf(target, text), alias: nameOf(result, text) };
}

function packageOf(result: npa.Result, text: string): Omit<Extract<NpmSpec, { kind: 'registry' }>, 'alias'> {
  return { kind: 'registry', name: nameOf(result, text), wanted: wantedOf(result) };
}

function parse(bare: string, text: string): npa.Result {
  try {
    return npa(bare, '/'); // the second argument would decide where relative paths go; they are handed over as written
  } catch (error) {
    throw invalid(text, FAULTS[errorCode(error) ?? ''] ?? 'it does not parse');
  }
}

function nameOf(result: npa.Result, text: string): string {
  if (typeof result.name === 'string' && result.name !== '') return result.name;
  throw invalid(text, 'it names no package');
}

function wantedOf(result: npa.Result): Wanted {
  const spec = result.fetchSpec ?? '*';
  if (result.type === 'tag') return { type: 'tag', value: spec };
  if (result.type === 'range') return { type: 'range', value: spec === '' ? '*' : spec };
  // `v1.2.3` and `=1.2.3` are exact versions to npm; packuments list them clean.
  return { type: 'version', value: semver.clean(spec, { loose: true }) ?? spec };
}

function localReference(result: npa.Result, text: string): string {
  const spec = result.rawSpec;
  if (spec.startsWith('~')) throw invalid(text, '~ is not expanded: there is no home directory in a pod');
  if (/^(?:file:|\.{1,2}\/|\/)/.test(spec)) return spec;
  const looksLikeOci = /^[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?\//i.test(spec);
  const shown = redactReference(spec);
  const fix = looksLikeOci ? `write it as oci://${shown}` : `write it as ./${shown} if it is a local path`;
  throw invalid(text, 'it is neither a package name nor a path that starts with ./', { fix });
}

function gitUnsupported(text: string): InstallError {
  return invalid(text, 'git repositories and hosted shortcuts (user/repo) cannot be pinned by an archive hash', {
    fix: 'publish the plugin to an npm or OCI registry, or link a release archive as https://HOST/x.tgz',
  });
}

function invalid(text: string, why: string, extra: { readonly fix?: string } = {}): InstallError {
  const shown = redactReference(text);
  return new InstallError('ReferenceInvalid', `${shown} is not an npm spec: ${why}`, {
    details: { reference: shown, ...extra },
  });
}
