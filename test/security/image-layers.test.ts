/** Layers and whiteouts (OCI image-spec v1.1, layer.md): what replaces, what hides, and what must not be able to. */
import { describe, expect, test } from 'vitest';
import { directory, file, hardlink, symlink, tgz } from '../support/tar-builder.ts';
import { refusal, unpack, type UnpackOptions } from '../support/unpacking.ts';

const P = file('p/package.json', '{}');
const paths = async (
  layers: readonly Buffer[],
  options: UnpackOptions = { layout: 'image', wanted: ['p'] },
): Promise<string[]> => Object.keys((await unpack(layers, options)).state);
const size = (text: string | undefined): string | undefined => text?.split(' ')[2];

describe('a later layer', () => {
  test('adds to an earlier one and replaces its files', async () => {
    const { state, tree } = await unpack([tgz(P, file('p/a', 'old')), tgz(file('p/a', 'newer'), file('p/d/b', 'x'))], {
      layout: 'image',
      wanted: ['p'],
    });
    expect(Object.keys(state)).toEqual(['a', 'd', 'd/b', 'package.json']);
    expect(size(state['a'])).toBe('5');
    expect(tree).toMatchObject({ files: 3, bytes: 8 });
  });

  test.each([
    ['a file by a directory', [file('p/x', '1')], [directory('p/x/'), file('p/x/y', '')], ['package.json', 'x', 'x/y']],
    ['a directory by a file', [file('p/x/y/z', '1')], [file('p/x', '2')], ['package.json', 'x']],
    ['a link by a file', [symlink('p/x', 'package.json')], [file('p/x', '2')], ['package.json', 'x']],
    ['a link by a directory', [symlink('p/x', '.')], [directory('p/x/'), file('p/x/y')], ['package.json', 'x', 'x/y']],
    ['a file by a link', [file('p/x', '1')], [symlink('p/x', 'package.json')], ['package.json', 'x']],
    ['a directory by a link', [file('p/x/y', '1')], [symlink('p/x', 'package.json')], ['package.json', 'x']],
    ['the plugin itself', [file('p/x', '1')], [file('p', ''), directory('p2/')], undefined],
  ])('replaces %s', async (_what, below, above, expected) => {
    const layers = [tgz(P, ...below), tgz(...above)];
    if (expected === undefined)
      expect((await refusal(layers, { layout: 'image', wanted: ['p'] })).reason).toBe('PluginPathMissing');
    else expect(await paths(layers)).toEqual(expected);
  });

  test('claims each of its own paths once', async () => {
    const layers = [tgz(P, file('p/a', '1')), tgz(file('p/a', '2'), file('p/a', '3'))];
    expect((await refusal(layers, { layout: 'image', wanted: ['p'] })).reason).toBe('PathCollision');
  });

  test.each([
    ['writes below a link of an earlier one', [symlink('p/x', '.')], [file('p/x/evil')]],
    ['writes below a file of an earlier one without a directory', [file('p/x', '')], [file('p/x/y')]],
    ['brings another spelling of a name', [file('p/README')], [file('p/readme')]],
    ['puts a file where it has put a directory', [file('p/x/y')], [file('p/x/z'), file('p/x')]],
  ])('is refused as PathCollision when it %s', async (_what, below, above) => {
    expect((await refusal([tgz(P, ...below), tgz(...above)], { layout: 'image', wanted: ['p'] })).reason).toBe(
      'PathCollision',
    );
  });

  test('may hard-link a file of an earlier one, and the copy survives when that is hidden', async () => {
    const layers = [tgz(P, file('p/a', 'abc')), tgz(hardlink('p/b', 'p/a')), tgz(file('p/.wh.a'))];
    const { state } = await unpack(layers, { layout: 'image', wanted: ['p'] });
    expect(Object.keys(state)).toEqual(['b', 'package.json']);
    expect(size(state['b'])).toBe('3');
  });

  test('may be empty', async () => {
    expect(await paths([tgz(P), tgz(), tgz(file('p/a'))])).toEqual(['a', 'package.json']);
  });
});

describe('a whiteout', () => {
  test.each([
    ['hides a file', [file('p/a'), file('p/b')], [file('p/.wh.a')], ['b', 'package.json']],
    ['hides a directory with all below it', [file('p/d/e/f'), file('p/g')], [file('p/.wh.d')], ['g', 'package.json']],
    ['hides a link', [symlink('p/l', 'package.json')], [file('p/.wh.l')], ['package.json']],
    ['hides nothing when there is nothing', [file('p/a')], [file('p/.wh.b'), file('q/.wh.b')], ['a', 'package.json']],
    [
      'leaves what its own layer brings',
      [file('p/d/old')],
      [file('p/d/new'), file('p/.wh.d')],
      ['d', 'd/new', 'package.json'],
    ],
    [
      'leaves it in the other order too',
      [file('p/d/old')],
      [file('p/.wh.d'), file('p/d/new')],
      ['d', 'd/new', 'package.json'],
    ],
    [
      'of everything hides a directory of the layers below',
      [file('p/d/a'), file('p/d/e/b')],
      [file('p/d/.wh..wh..opq'), file('p/d/c')],
      ['d', 'd/c', 'package.json'],
    ],
    [
      'of everything leaves what its own layer brings',
      [file('p/d/e/a')],
      [file('p/d/e/b'), file('p/d/.wh..wh..opq')],
      ['d', 'd/e', 'd/e/b', 'package.json'],
    ],
    ['names exactly one file', [file('p/a')], [file('p/.wh.A')], ['a', 'package.json']],
  ])('%s', async (_what, below, above, expected) => {
    expect(await paths([tgz(P, ...below), tgz(...above)])).toEqual(expected);
  });

  test('hides what another layer brings back', async () => {
    expect(await paths([tgz(P, file('p/a')), tgz(file('p/.wh.a')), tgz(file('p/a', '2'))])).toEqual([
      'a',
      'package.json',
    ]);
  });

  test('makes a link dangle, which is refused', async () => {
    const layers = [tgz(P, file('p/a'), symlink('p/l', 'a')), tgz(file('p/.wh.a'))];
    expect((await refusal(layers, { layout: 'image', wanted: ['p'] })).reason).toBe('LinkEscape');
  });

  test('of the whole plugin makes it missing', async () => {
    const layers = [tgz(P), tgz(file('.wh.p'))];
    expect((await refusal(layers, { layout: 'image', wanted: ['p'] })).reason).toBe('PluginPathMissing');
  });

  test('of everything at the top leaves only what comes after', async () => {
    expect(await paths([tgz(P, file('x')), tgz(file('.wh..wh..opq'), file('p/new'))])).toEqual(['new']);
  });

  test('of the only layer hides nothing and is not written', async () => {
    expect(await paths([tgz(P, file('p/a'), file('p/.wh.a'))])).toEqual(['a', 'package.json']);
  });

  test.each([
    ['PathInvalid', 'no name', [file('p/.wh.')]],
    ['PathInvalid', 'the directory itself', [file('p/.wh..')]],
    ['PathInvalid', 'the directory above', [file('p/.wh...')]],
    ['PathInvalid', 'a private record of aufs', [file('p/.wh..wh.plnk')]],
    ['PathInvalid', 'a directory on its path', [file('p/.wh.d/x')]],
    ['EntryTypeForbidden', 'a directory as entry', [directory('p/.wh.d/')]],
    ['EntryTypeForbidden', 'a link as entry', [symlink('p/.wh.a', 'package.json')]],
    ['EntryTypeForbidden', 'a hard link as entry', [hardlink('p/.wh.a', 'p/package.json')]],
    ['PathCollision', 'the same file twice', [file('p/.wh.a'), file('p/.wh.a')]],
  ])('is refused as %s with %s', async (reason, _what, above) => {
    expect((await refusal([tgz(P), tgz(...above)], { layout: 'image', wanted: ['p'] })).reason).toBe(reason);
  });

  test('is an ordinary name in an archive of npm shape', async () => {
    expect(Object.keys((await unpack(tgz(file('package/.wh.a')))).state)).toEqual(['.wh.a']);
  });
});

describe('the budgets', () => {
  test('are common to all layers, replaced and hidden files included', async () => {
    const layers = ['a', 'b', 'c'].map((letter) => tgz(file('p/a', letter.repeat(400))));
    const context = { limits: { unpackedBytes: 1000 } };
    expect((await refusal(layers, { layout: 'image', wanted: ['p'], context })).reason).toBe('SizeBudgetExceeded');
    const many = ['a', 'b', 'c'].map(() => tgz(...Array.from({ length: 40 }, (_, index) => file(`p/${index}`))));
    expect((await refusal(many, { layout: 'image', wanted: ['p'], context: { limits: { files: 100 } } })).reason).toBe(
      'TooManyEntries',
    );
  });
});

test('links below .bin are left out of images too, in every layer', async () => {
  const layers = [
    tgz(P, symlink('p/node_modules/.bin/a', '/home/x')),
    tgz(symlink('p/node_modules/.bin/a', '/home/y')),
  ];
  const { tree } = await unpack(layers, { layout: 'image', wanted: ['p'] });
  expect(tree.notices).toEqual([{ text: '1 link below node_modules/.bin left out' }]);
});
