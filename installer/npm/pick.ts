/** Which version a spec means: the rules of npm's own resolver, without its options. Pure. */
import semver from 'semver';
import { InstallError } from '../core/errors.ts';
import { escapeText } from '../core/redact.ts';
import type { Packument, VersionRecord } from './packument.ts';
import type { Wanted } from './spec.ts';

export interface Picked {
  readonly record: VersionRecord;
  /** Deprecation and engines, for the operator. */
  readonly warnings: readonly string[];
}

const LISTED = 5;

/**
 * Picks the version: a tag by dist-tags; a version exactly; a range as `latest` if that satisfies it, is not deprecated and fits
 * `portalNodeVersion`, else the best by engines, then deprecation, then semver. Throws VersionNotFound with nearby versions and dist-tags,
 * AuthRefused for a version that a policy of the registry withholds. npm-pick-manifest 11, "Algorithm".
 */
export function pickVersion(packument: Packument, wanted: Wanted, portalNodeVersion: string | undefined): Picked {
  const version = chosen(packument, wanted, portalNodeVersion);
  if (version === undefined) throw notFound(packument, wanted);
  if (packument.restricted.has(version)) throw withheld(packument, version);
  const record = packument.record(version);
  if (record === undefined) throw notFound(packument, wanted);
  return { record, warnings: warningsOf(packument.name, record, portalNodeVersion) };
}

function chosen(packument: Packument, wanted: Wanted, portalNodeVersion: string | undefined): string | undefined {
  if (wanted.type === 'tag') return packument.distTags.get(wanted.value);
  if (wanted.type === 'range') return bestInRange(packument, wanted.value, portalNodeVersion);
  return packument.versions.find((version) => sameVersion(version, wanted.value));
}

function sameVersion(listed: string, wanted: string): boolean {
  return listed === wanted || semver.clean(listed, { loose: true }) === wanted;
}

function bestInRange(packument: Packument, range: string, portalNodeVersion: string | undefined): string | undefined {
  const isSound = (record: VersionRecord): boolean =>
    record.deprecated === undefined && fitsEngines(record, portalNodeVersion);
  const latest = packument.distTags.get('latest');
  const latestRecord = latest === undefined ? undefined : packument.record(latest);
  if (latestRecord !== undefined && !packument.restricted.has(latestRecord.version)) {
    // A package with nothing but prereleases satisfies no `*`, yet `latest` is what its author wants installed.
    const isWanted = range === '*' || satisfies(latestRecord.version, range);
    if (isWanted && isSound(latestRecord)) return latestRecord.version;
  }
  const matching = packument.versions
    .filter((version) => satisfies(version, range))
    .sort((a, b) => semver.rcompare(a, b, true));
  const open = matching.filter((version) => !packument.restricted.has(version));
  const rated = open.map((version) => ({ version, record: packument.record(version) }));
  const best =
    rated.find(({ record }) => record !== undefined && isSound(record)) ??
    rated.find(({ record }) => record !== undefined && fitsEngines(record, portalNodeVersion)) ??
    rated.find(({ record }) => record?.deprecated === undefined && record !== undefined);
  // Where only withheld versions match, the first of them leads to the refusal that says so.
  return (best ?? rated[0])?.version ?? matching[0];
}

function satisfies(version: string, range: string): boolean {
  return semver.satisfies(version, range, { loose: true });
}

function fitsEngines(record: VersionRecord, portalNodeVersion: string | undefined): boolean {
  if (portalNodeVersion === undefined || record.nodeRange === undefined) return true;
  // As npm judges engines: a prerelease of Node counts as the release it precedes.
  return semver.satisfies(portalNodeVersion, record.nodeRange, { loose: true, includePrerelease: true });
}

function warningsOf(name: string, record: VersionRecord, portalNodeVersion: string | undefined): readonly string[] {
  const subject = `${name}@${record.version}`;
  const warnings: string[] = [];
  if (record.deprecated !== undefined) {
    warnings.push(`${subject} is deprecated: ${escapeText(record.deprecated.slice(0, 200))}`);
  }
  if (!fitsEngines(record, portalNodeVersion)) {
    const range = escapeText((record.nodeRange ?? '').slice(0, 100));
    warnings.push(`${subject} asks for Node ${range}, the portal runs ${portalNodeVersion ?? ''}`);
  }
  return warnings;
}

function notFound(packument: Packument, wanted: Wanted): InstallError {
  const versions = nearby(packument.versions, wanted);
  const distTags = [...packument.distTags]
    .slice(0, 2 * LISTED)
    .map(([tag, version]) => printable(`${tag}: ${version}`));
  const what = { tag: 'dist-tag', version: 'version', range: 'version in the range' }[wanted.type];
  const has = versions.length === 0 ? 'it has no versions' : `it has ${versions.join(', ')}`;
  const tags = distTags.length === 0 ? '' : `; dist-tags ${distTags.join(', ')}`;
  const asked = printable(wanted.value);
  return new InstallError('VersionNotFound', `${packument.name} has no ${what} ${asked}: ${has}${tags}`, {
    details: { name: packument.name, wanted: asked, versions, distTags },
  });
}

/** The neighbours of an exact version, newest first; for tags and ranges the newest. */
function nearby(versions: readonly string[], wanted: Wanted): readonly string[] {
  const sorted = versions.filter((version) => semver.valid(version, true) !== null);
  sorted.sort((a, b) => semver.rcompare(a, b, true));
  const isExact = wanted.type === 'version' && semver.valid(wanted.value, true) !== null;
  const at = isExact ? sorted.findIndex((one) => semver.lt(one, wanted.value, true)) : 0;
  const middle = at === -1 ? sorted.length : at;
  const start = Math.max(0, Math.min(middle - Math.floor(LISTED / 2), sorted.length - LISTED));
  return sorted.slice(start, start + LISTED).map(printable);
}

function withheld(packument: Packument, version: string): InstallError {
  const subject = `${packument.name}@${printable(version)}`;
  return new InstallError('AuthRefused', `the registry withholds ${subject} by its own policy`, {
    details: {
      name: packument.name,
      version,
      fix: `ask the owner of the registry to release ${subject}, or choose another version`,
    },
  });
}

/** Keys of a packument are foreign text. */
function printable(text: string): string {
  return escapeText(text.slice(0, 64));
}
