import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { fileLine, linkLine, treeDigest } from '../../../installer/core/tree-digest.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import { directory, file, gnuLong, hardlink, pax, symlink, tar, tarZstd, tgz } from '../../support/tar-builder.ts';
import { instantClock } from '../../support/clock.ts';
import { npmTarball } from '../../support/tarball.ts';
import { attempt, refusal, unpack } from '../../support/unpacking.ts';
import type { RunEvent } from '../../../installer/core/events.ts';

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');
const shown = (content: string | Uint8Array, mode = '0644'): string =>
  `file ${mode} ${Buffer.byteLength(content)} ${sha256(content)}`;

describe('an archive of npm shape', () => {
  const blocks = [
    directory('package/'),
    file('package/package.json', '{}'),
    file('package/dist/index.js', 'x'.repeat(3000)),
    file('package/bin/run', '#!', { mode: 0o755 }),
    file('package/empty', ''),
  ];
  const expected = {
    bin: 'dir 0755',
    'bin/run': shown('#!', '0755'),
    dist: 'dir 0755',
    'dist/index.js': shown('x'.repeat(3000)),
    empty: shown(''),
    'package.json': shown('{}'),
  };

  test.each([
    ['gzip', tgz(...blocks)],
    [
      'several gzip members',
      Buffer.concat([gzipSync(tar(...blocks).subarray(0, 1000)), gzipSync(tar(...blocks).subarray(1000))]),
    ],
    ['zstd', tarZstd(...blocks)],
    ['plain tar', tar(...blocks)],
  ])('is unpacked without its top directory from %s', async (_format, archive) => {
    const { state, tree } = await unpack(archive);
    expect(state).toEqual(expected);
    expect(tree).toMatchObject({ files: 4, bytes: 3004, notices: [] });
  });

  test('may call its top directory anything and write ./ before every path', async () => {
    const { state } = await unpack(tgz(directory('./'), directory('./plugin-1.0/'), file('./plugin-1.0/a', '1')));
    expect(state).toEqual({ a: shown('1') });
  });

  test('keeps directories that hold nothing', async () => {
    const { state } = await unpack(tgz(file('package/a'), directory('package/cache/'), directory('package/cache/')));
    expect(state).toMatchObject({ cache: 'dir 0755' });
  });

  test('takes names from PAX records and GNU long names, and ignores global PAX headers', async () => {
    const long = `package/${'d'.repeat(100)}/${'f'.repeat(100)}`;
    const { state } = await unpack(
      tgz(
        pax({ comment: '4f2c' }, 'g'),
        pax({ path: `${long}-pax`, mtime: '1.5', 'SCHILY.xattr.user.x': Buffer.from([0, 255]) }),
        file('short', 'a'),
        gnuLong(`${long}-gnu`),
        file('short', 'b', { format: 'gnu' }),
        pax({ path: 'package/ünïcode' }),
        file('short', 'c'),
        file('suffix', 'd', { prefix: 'package/in-prefix' }),
      ),
    );
    const stripped = long.slice('package/'.length);
    expect(state).toMatchObject({
      [`${stripped}-pax`]: shown('a'),
      [`${stripped}-gnu`]: shown('b'),
      ünïcode: shown('c'),
      'in-prefix/suffix': shown('d'),
    });
  });

  test('gives one digest for one content, whatever its order and compression', async () => {
    const a = await unpack(
      tgz(file('package/a', '1'), symlink('package/l', 'a'), file('package/b/c', '2', { mode: 0o755 })),
    );
    const b = await unpack(
      tar(directory('x'), file('x/b/c', '2', { mode: 0o711 }), file('x/a', '1'), symlink('x/l', 'a')),
    );
    expect(a.tree.treeDigest).toBe(b.tree.treeDigest);
    expect(a.tree.treeDigest).toBe(
      treeDigest([
        fileLine({ path: 'a', mode: 0o644, size: 1, sha256: sha256('1') }),
        fileLine({ path: 'b/c', mode: 0o755, size: 1, sha256: sha256('2') }),
        linkLine('a', 'l'),
      ]),
    );
  });

  test('hashes files that come in many pieces as it hashes small ones', async () => {
    const content = Buffer.alloc(900_001, 'large enough for several chunks ');
    const { tree, state } = await unpack(npmTarball({ big: content, small: 'x' }));
    expect(state['big']).toBe(shown(content));
    expect(tree.treeDigest).toBe(
      treeDigest([
        fileLine({ path: 'big', mode: 0o644, size: content.length, sha256: sha256(content) }),
        fileLine({ path: 'small', mode: 0o644, size: 1, sha256: sha256('x') }),
      ]),
    );
  });

  test.each([
    ['a second directory at the top', [file('package/a'), file('other/b')]],
    ['a file beside the directory', [file('package/a'), file('README', 'x')]],
    ['a link beside the directory', [file('package/a'), symlink('l', 'package')]],
    ['nothing at all', []],
  ])('is refused with %s', async (_what, contents) => {
    expect((await refusal(tgz(...contents))).reason).toBe('ArchiveLayoutInvalid');
  });

  test('names both directories when there are two at its top', async () => {
    const error = await refusal(tgz(file('package/a'), file('other/b')));
    expect(error.details['directories']).toEqual(['"package"', '"other"']);
  });

  test('can be entered by a wanted path', async () => {
    const { state } = await unpack(tgz(file('package/a'), file('package/plugins/x/b', '1')), { wanted: ['plugins/x'] });
    expect(state).toEqual({ b: shown('1') });
  });
});

describe('links', () => {
  test('inside the plugin are kept as they are written', async () => {
    const { state, tree } = await unpack(
      tgz(
        symlink('package/early', './dist/index.js'),
        file('package/dist/index.js', 'x'),
        symlink('package/lib/dist', '../dist/'),
        symlink('package/node_modules/@acme/self', '../..'),
      ),
    );
    expect(state).toMatchObject({
      early: 'link ./dist/index.js',
      'lib/dist': 'link ../dist/',
      'node_modules/@acme/self': 'link ../..',
    });
    expect(tree.files).toBe(1);
  });

  test('below node_modules/.bin are left out and counted, wherever they lead', async () => {
    const { state, tree } = await unpack(
      tgz(
        file('package/a'),
        symlink('package/node_modules/.bin/tsc', '/home/author/tsc'),
        symlink('package/embedded/node_modules/.bin/semver', '../semver/bin.js'),
      ),
    );
    expect(state).toEqual({ a: shown('') });
    expect(tree.notices).toEqual([{ text: '2 links below node_modules/.bin left out' }]);
  });

  test('hard links to earlier files are stored as copies with the mode of the file, and counted', async () => {
    const { state, tree } = await unpack(
      tgz(
        file('package/a', 'abc', { mode: 0o755 }),
        hardlink('package/b', 'package/a', { mode: 0o644 }),
        hardlink('package/c/d', './package/b'),
      ),
    );
    expect(state).toMatchObject({ a: shown('abc', '0755'), b: shown('abc', '0755'), 'c/d': shown('abc', '0755') });
    expect(tree).toMatchObject({ files: 3, bytes: 9, notices: [{ text: '2 hard links stored as copies' }] });
  });
});

describe('an image', () => {
  const layer = tgz(
    file('index.json', '[]'),
    file('plugin-a/package.json', '{"a":1}'),
    file('plugin-a/dist/x', 'xa'),
    file('plugin-b/package.json', '{"b":1}'),
    directory('empty/'),
  );

  test('gives only the directory that is wanted', async () => {
    const { state, tree } = await unpack(layer, { layout: 'image', wanted: ['plugin-a'] });
    expect(state).toEqual({ dist: 'dir 0755', 'dist/x': shown('xa'), 'package.json': shown('{"a":1}') });
    const { left } = await attempt(layer, { layout: 'image', wanted: ['plugin-a'] });
    expect(Object.keys(left)).toEqual(['0', '0/dist', '0/dist/x', '0/package.json']);
    expect(tree).toMatchObject({ files: 2, bytes: 9 });
  });

  test('gives several plugins in one pass, equal paths as one directory', async () => {
    const { result } = await unpack(layer, { layout: 'image', wanted: ['plugin-b', 'plugin-a', 'plugin-b'] });
    const [b, a, again] = result.trees;
    expect(result.trees.map((tree) => tree.status)).toEqual(['ok', 'ok', 'ok']);
    expect(b).toEqual(again);
    expect(b).not.toEqual(a);
  });

  test('fails one missing path with the list and gives the others', async () => {
    const { result } = await unpack(layer, {
      layout: 'image',
      wanted: ['plugin-a', 'plugin-c', 'index.json', 'Plugin-a'],
    });
    expect(result.trees.map((tree) => (tree.status === 'failed' ? tree.error.reason : tree.status))).toEqual([
      'ok',
      'PluginPathMissing',
      'PluginPathMissing',
      'PluginPathMissing',
    ]);
    const missing = result.trees[1];
    expect(missing?.status === 'failed' ? missing.error.details['paths'] : []).toEqual(['plugin-a', 'plugin-b']);
  });

  test('without a path gives its only plugin', async () => {
    const only = tgz(file('index.json', '[]'), file('docs/README', ''), file('plugin-a/package.json', '{}'));
    expect((await unpack(only, { layout: 'image' })).state).toEqual({ 'package.json': shown('{}') });
  });

  test('without a path gives everything when package.json lies at the top', async () => {
    const flat = tgz(file('package.json', '{}'), file('dist/a', ''), file('dist/package.json', '{}'));
    expect(Object.keys((await unpack(flat, { layout: 'image' })).state)).toEqual([
      'dist',
      'dist/a',
      'dist/package.json',
      'package.json',
    ]);
  });

  test('without a path is refused with the list when it holds several plugins', async () => {
    const error = await refusal(layer, { layout: 'image' });
    expect(error).toMatchObject({ reason: 'PluginPathRequired', details: { paths: ['plugin-a', 'plugin-b'] } });
  });

  test('without a path is refused when it holds no plugin', async () => {
    const error = await refusal(tgz(file('a/b/package.json', '{}')), { layout: 'image' });
    expect(error.reason).toBe('ArchiveLayoutInvalid');
  });

  test('refuses a plugin directory inside that of another entry, for that entry only', async () => {
    const nested = tgz(file('a/package.json', '{}'), file('a/b/package.json', '{}'));
    const { result } = await unpack(nested, { layout: 'image', wanted: ['a', 'a/b'] });
    const inner = result.trees[1];
    expect(inner?.status === 'failed' ? inner.error.reason : 'ok').toBe('ArchiveLayoutInvalid');
  });

  test('finds a wanted path in another Unicode form', async () => {
    const decomposed = 'plügin'.normalize('NFD');
    const { state } = await unpack(tgz(pax({ path: `${decomposed}/package.json` }), file('x', '{}')), {
      layout: 'image',
      wanted: ['plügin'.normalize('NFC')],
    });
    expect(state).toEqual({ 'package.json': shown('{}') });
  });
});

describe('the run around it', () => {
  const archive = npmTarball({ a: Buffer.alloc(3_000_000, 'abc') });

  test('hears progress in compressed bytes', async () => {
    const events: RunEvent[] = [];
    await unpack(archive, { context: { emit: (event) => events.push(event) } });
    expect(events.length).toBeGreaterThan(1);
    expect(events[0]).toMatchObject({
      event: 'progress',
      step: 'unpack',
      total: archive.length,
      package: 'test:subject',
    });
  });

  test('ends it with the reason of its signal', async () => {
    const reason = new InstallError('Terminated', 'stop');
    expect(await refusal(archive, { context: { signal: AbortSignal.abort(reason) } })).toBe(reason);
  });

  test('ends it between two chunks when the signal comes while it works', async () => {
    const controller = new AbortController();
    const reason = new InstallError('Interrupted', 'stop');
    const emit = (): void => controller.abort(reason);
    expect(await refusal(archive, { context: { signal: controller.signal, emit } })).toBe(reason);
  });

  test('ends it at the deadline of the plugin and names the setting', async () => {
    const clock = instantClock();
    const emit = (): void => clock.advance(1000);
    const error = await refusal(archive, { context: { clock, deadline: 500, emit } });
    expect(error).toMatchObject({ reason: 'DeadlineExceeded', details: { setting: 'PORTAL_PLUGINS_PLUGIN_DEADLINE' } });
  });

  test('is warned of files that authors keep private, at the top only', async () => {
    const { tree, state } = await unpack(
      npmTarball({ '.npmrc': 'x', '.env.local': 'x', '.git/config': 'x', 'deep/.npmrc': 'x', env: 'x' }),
    );
    expect(tree.notices.map((notice) => notice.reason)).toEqual(['SensitiveFile', 'SensitiveFile', 'SensitiveFile']);
    expect(state).toHaveProperty(['.npmrc']);
  });
});
