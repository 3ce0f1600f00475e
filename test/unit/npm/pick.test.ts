import { describe, expect, test } from 'vitest';
import { readPackument, type Packument } from '../../../installer/npm/packument.ts';
import { pickVersion } from '../../../installer/npm/pick.ts';
import type { Wanted } from '../../../installer/npm/spec.ts';
import { thrownBy } from '../../support/thrown.ts';

interface Published {
  readonly deprecated?: unknown;
  readonly node?: string;
}

function packument(
  versions: Readonly<Record<string, Published>>,
  tags: Readonly<Record<string, string>> = {},
  restricted: readonly string[] = [],
): Packument {
  const records = Object.entries(versions).map(([version, { deprecated, node }]) => [
    version,
    {
      name: 'todo',
      version,
      deprecated,
      engines: { node },
      dist: { tarball: `https://registry.example/${version}.tgz` },
    },
  ]);
  const made = readPackument({
    name: 'todo',
    'dist-tags': tags,
    versions: Object.fromEntries(records),
    policyRestrictions: { versions: Object.fromEntries(restricted.map((version) => [version, {}])) },
  });
  if (made === undefined) throw new Error('the packument of the test is not valid');
  return made;
}

const range = (value: string): Wanted => ({ type: 'range', value });
const exact = (value: string): Wanted => ({ type: 'version', value });
const tag = (value: string): Wanted => ({ type: 'tag', value });
const pick = (from: Packument, wanted: Wanted, node?: string): string => pickVersion(from, wanted, node).record.version;

describe('pickVersion', () => {
  const versions = { '1.0.0': {}, '1.2.0': {}, '1.10.0': {}, '2.0.0': {}, '3.0.0-beta.1': {} };

  test.each([
    ['a dist-tag', tag('next'), '2.0.0'],
    ['an exact version', exact('1.2.0'), '1.2.0'],
    ['a prerelease by its exact version', exact('3.0.0-beta.1'), '3.0.0-beta.1'],
    ['latest when the range admits it, though a higher one does, too', range('>=1.0.0'), '1.2.0'],
    ['latest for *', range('*'), '1.2.0'],
    ['the highest by semver, not by text, when latest is outside', range('>1.2.0 <2'), '1.10.0'],
    ['no prerelease for a plain range', range('>=2.0.0'), '2.0.0'],
    ['a prerelease when the range names one', range('>=3.0.0-alpha'), '3.0.0-beta.1'],
  ])('picks %s', (_what, wanted, expected) => {
    expect(pick(packument(versions, { latest: '1.2.0', next: '2.0.0' }), wanted)).toBe(expected);
  });

  test('picks latest for * although it is a prerelease and satisfies nothing', () => {
    expect(pick(packument({ '1.0.0-rc.1': {} }, { latest: '1.0.0-rc.1' }), range('*'))).toBe('1.0.0-rc.1');
  });

  test('finds a version that the registry lists with a leading v', () => {
    expect(pick(packument({ 'v1.0.0': {} }), exact('1.0.0'))).toBe('v1.0.0');
  });

  test('prefers what is not deprecated, then says when everything is', () => {
    const some = packument({ '1.0.0': {}, '1.1.0': { deprecated: 'broken' } }, { latest: '1.1.0' });
    expect(pick(some, range('^1'))).toBe('1.0.0');
    const all = packument({ '1.0.0': { deprecated: 'old' }, '1.1.0': { deprecated: 'broken' } });
    const picked = pickVersion(all, range('^1'), undefined);
    expect(picked.record.version).toBe('1.1.0');
    expect(picked.warnings).toEqual(['todo@1.1.0 is deprecated: broken']);
  });

  test.each([
    [false, []],
    ['', []],
    [true, ['todo@1.0.0 is deprecated: deprecated']],
  ])('reads deprecated: %j as old registries mean it', (deprecated, warnings) => {
    expect(pickVersion(packument({ '1.0.0': { deprecated } }), exact('1.0.0'), undefined).warnings).toEqual(warnings);
  });

  test('prefers engines over deprecation, and warns where nothing fits', () => {
    const both = packument({ '1.0.0': { deprecated: 'old', node: '>=20' }, '1.1.0': { node: '>=99' } });
    expect(pick(both, range('^1'), '24.1.0')).toBe('1.0.0');
    expect(pick(both, range('^1'))).toBe('1.1.0');
    const none = packument({ '1.1.0': { node: '>=99' } });
    const picked = pickVersion(none, range('^1'), '24.1.0');
    expect(picked.warnings).toEqual(['todo@1.1.0 asks for Node >=99, the portal runs 24.1.0']);
  });

  test('passes over versions that a policy of the registry withholds, and refuses when only these are left', () => {
    const some = packument({ '1.0.0': {}, '1.1.0': {} }, { latest: '1.1.0' }, ['1.1.0']);
    expect(pick(some, range('^1'))).toBe('1.0.0');
    for (const wanted of [exact('1.1.0'), tag('latest'), range('^1.1')]) {
      const error = thrownBy(() => pickVersion(some, wanted, undefined));
      expect(error.reason).toBe('AuthRefused');
      expect(error.details['version']).toBe('1.1.0');
    }
  });

  test('lists the neighbours of a version that is not there', () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, minor) => [`1.${minor}.0`, {}]));
    const error = thrownBy(() => pickVersion(packument(many, { latest: '1.19.0' }), exact('1.7.1'), undefined));
    expect(error.reason).toBe('VersionNotFound');
    expect(error.details).toMatchObject({
      name: 'todo',
      wanted: '1.7.1',
      versions: ['1.9.0', '1.8.0', '1.7.0', '1.6.0', '1.5.0'],
      distTags: ['latest: 1.19.0'],
    });
  });

  test.each([
    ['a tag that is not there', tag('beta')],
    ['a tag whose version was unpublished', tag('gone')],
    ['a range nothing satisfies', range('^9')],
    ['a tag called like a property of every object', tag('constructor')],
    ['a version called like a property of every object', exact('__proto__')],
  ])('does not find %s', (_what, wanted) => {
    const from = packument(versions, { latest: '1.2.0', gone: '0.9.0' });
    expect(thrownBy(() => pickVersion(from, wanted, undefined)).reason).toBe('VersionNotFound');
  });

  test('says so when every version was unpublished', () => {
    const error = thrownBy(() => pickVersion(packument({}), range('*'), undefined));
    expect(error.reason).toBe('VersionNotFound');
    expect(error.details['versions']).toEqual([]);
  });

  test('does not take a record that describes another version', () => {
    const lying = readPackument({ name: 'todo', versions: { '1.0.0': { version: '6.6.6', dist: {} } } });
    if (lying === undefined) throw new Error('the packument of the test is not valid');
    expect(thrownBy(() => pickVersion(lying, exact('1.0.0'), undefined)).reason).toBe('VersionNotFound');
  });

  test('escapes what a packument says before it reaches a message', () => {
    const evil = packument({ '1.0.0': { deprecated: 'x\nlevel=error' } }, { 'evil\u001b[31m': '1.0.0' });
    expect(pickVersion(evil, exact('1.0.0'), undefined).warnings.join()).not.toContain('\n');
    const error = thrownBy(() => pickVersion(evil, exact('2.0.0'), undefined));
    expect(String(error.details['distTags']) + error.message).not.toContain('\u001b');
  });
});
