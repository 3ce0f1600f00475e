/** Every registered format keeps these promises; each brings one plugin that it accepts. */
import { describe, expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import type { AbsPath, SealedSet } from '../../installer/core/types.ts';
import { FORMATS } from '../../installer/formats/index.ts';
import { testContext } from '../support/context.ts';
import { testEntry, testKept } from '../support/entries.ts';
import { backendFiles, frontendFiles, pluginTree, scalprumFiles, type TreeFiles } from '../support/plugin-tree.ts';

const ACCEPTED: Readonly<Record<string, readonly TreeFiles[]>> = {
  backstage: [backendFiles(), frontendFiles(), scalprumFiles()],
};

test('families are unique', () => {
  expect(new Set(FORMATS.map(({ family }) => family)).size).toBe(FORMATS.length);
});

describe.each(FORMATS.map((format) => [format.family, format] as const))('%s', (family, format) => {
  const plugins = ACCEPTED[family] ?? [];

  test('recognises its plugins, and no other family does', async () => {
    expect(plugins.length).toBeGreaterThan(0);
    for (const files of plugins) {
      const tree = await pluginTree(files);
      const detected = await Promise.all(
        FORMATS.map(async (other) => ((await other.detect(tree)) ? other.family : '')),
      );
      expect(detected.filter((name) => name !== '')).toEqual([family]);
    }
  });

  test('accepts its plugins, with one directory name and the name and version of package.json', async () => {
    for (const files of plugins) {
      const manifest = await format.validate(await pluginTree(files), testContext());
      const { name, version } = files['package.json'] as { name: string; version: string };
      expect(manifest).toMatchObject({ family, name, version });
      expect(manifest.dir).toMatch(/^[^./][^/]*$/);
    }
  });

  test('refuses what it does not recognise with a reason, never with another error', async () => {
    for (const files of [{ 'package.json': { name: 'x', version: '1.0.0' } }, { 'package.json': '{' }, {}]) {
      const error: unknown = await format.validate(await pluginTree(files), testContext()).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(InstallError);
      expect(error).not.toMatchObject({ reason: 'Internal' });
    }
  });

  test('every file that is taken away is either missed or not needed, never an unexpected error', async () => {
    for (const files of plugins)
      for (const path of Object.keys(files)) {
        const { [path]: _, ...rest } = files;
        const result: unknown = await format.validate(await pluginTree(rest), testContext()).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(result).toBeInstanceOf(InstallError);
        expect(result).toMatchObject({ exit: 65 });
      }
  });

  test('writes the same files for the same set, at the top level, and tells by the fingerprint', async () => {
    const ready = [testKept(testEntry(0), { family })];
    const set = { ready, appConfig: { mergeOf: () => ({ b: 1, a: 2 }) } } as unknown as SealedSet;
    const root = '/dynamic-plugins-root' as AbsPath;
    const [once, again] = [await format.assemble?.(set, root), await format.assemble?.(set, root)];
    expect(once).toEqual(again);
    expect(format.fingerprint?.(set, root)).toBe(format.fingerprint?.(set, root));
    expect(format.fingerprint === undefined).toBe(format.assemble === undefined);
    for (const { name } of once ?? []) expect(name).toMatch(/^[^./][^/]*$/);
  });
});
