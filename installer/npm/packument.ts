/** A packument as far as we read it: checked once at the outside, versions one by one when they are looked at. */
import { z } from 'zod';

/** What a registry says about one version; all of it claims. */
export interface VersionRecord {
  readonly version: string;
  /** Text of the deprecation, undefined when not deprecated. */
  readonly deprecated: string | undefined;
  /** Range of Node versions in `engines.node`. */
  readonly nodeRange: string | undefined;
  readonly dist: {
    readonly tarball: string | undefined;
    /** `dist.integrity` as the registry spells it. */
    readonly integrity: string | undefined;
    readonly hasShasum: boolean;
  };
}

/** The registry's record of a package. */
export interface Packument {
  readonly name: string;
  readonly distTags: ReadonlyMap<string, string>;
  /** Every published version, in the order of the registry. */
  readonly versions: readonly string[];
  /** Versions that a policy of the registry withholds. */
  readonly restricted: ReadonlySet<string>;
  /** Undefined when the version is absent or its record is not an object that names this version. */
  record(version: string): VersionRecord | undefined;
}

const text = z.string().optional().catch(undefined);

const outer = z.object({
  name: z.string(),
  'dist-tags': z.record(z.string(), z.string()).default({}),
  versions: z.record(z.string(), z.unknown()).default({}),
  // npm-pick-manifest calls the same field `policyRestrictions`; it exists in answers of restricting registries only.
  policyRestrictions: z
    .object({ versions: z.record(z.string(), z.unknown()).default({}) })
    .optional()
    .catch(undefined),
});

const inner = z.object({
  version: z.string(),
  // Old records hold `true`, or an empty string after an undeprecation.
  deprecated: z.union([z.string(), z.boolean()]).optional().catch(undefined),
  engines: z.object({ node: text }).optional().catch(undefined),
  dist: z
    .object({ tarball: text, integrity: text, shasum: text })
    .catch({ tarball: undefined, integrity: undefined, shasum: undefined }),
});

/** Checks the outside of a parsed packument, abbreviated or full; undefined when it is none. */
export function readPackument(value: unknown): Packument | undefined {
  const parsed = outer.safeParse(value);
  if (!parsed.success) return undefined;
  const { name, versions, 'dist-tags': tags, policyRestrictions } = parsed.data;
  return {
    name,
    distTags: new Map(Object.entries(tags)),
    versions: Object.keys(versions),
    restricted: new Set(Object.keys(policyRestrictions?.versions ?? {})),
    record: (version) => (Object.hasOwn(versions, version) ? readVersion(versions[version], version) : undefined),
  };
}

function readVersion(value: unknown, version: string): VersionRecord | undefined {
  const parsed = inner.safeParse(value);
  if (!parsed.success || parsed.data.version !== version) return undefined;
  const { deprecated, engines, dist } = parsed.data;
  return {
    version,
    deprecated: deprecated === true ? 'deprecated' : deprecated === false || deprecated === '' ? undefined : deprecated,
    nodeRange: engines?.node,
    dist: { tarball: dist.tarball, integrity: dist.integrity, hasShasum: dist.shasum !== undefined },
  };
}
