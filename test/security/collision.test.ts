/** Two entries for one place: the last writer must not win, whatever the file system takes for one name. */
import { describe, expect, test } from 'vitest';
import { directory, file, pax, symlink, tgz } from '../support/tar-builder.ts';
import { refusal, unpack } from '../support/unpacking.ts';

const named = (path: string, content = ''): Buffer =>
  Buffer.concat([pax({ path: `package/${path}` }), file('x', content)]);

describe('PathCollision', () => {
  test.each([
    ['a name twice', ['a', 'a']],
    ['a name twice, once behind ./', ['a', './a']],
    ['names that differ in case', ['README', 'readme']],
    ['directories that differ in case', ['Dist/a', 'dist/b']],
    ['a file and a directory of one name', ['a', 'a/b']],
    ['a directory and a file of one name', ['a/b', 'a']],
    ['a file and a directory that differ in case', ['A', 'a/b']],
    ['composed and decomposed letters', ['\u00e9', 'e\u0301']],
    ['a ligature and its letters', ['\ufb01le', 'file']],
    ['sharp s and ss', ['stra\u00dfe', 'STRASSE']],
    ['long s and s', ['\u017f', 's']],
    ['the Kelvin sign and k', ['\u212a', 'k']],
    ['full-width letters', ['\uff41', 'a']],
    ['final and medial sigma', ['\u03c2', '\u03c3']],
    ['dotted capital I and its lower case', ['\u0130', 'i\u0307']],
  ])('for %s', async (_what, paths) => {
    const blocks = paths.map((path) => (path.startsWith('./') ? file(`./package/${path.slice(2)}`) : named(path)));
    expect((await refusal(tgz(...blocks))).reason).toBe('PathCollision');
  });

  test('names both paths', async () => {
    const error = await refusal(tgz(named('README'), named('readme')));
    expect(error.details).toMatchObject({ path: '"package/readme"', other: '"package/README"' });
  });

  test('for two links of one name', async () => {
    expect((await refusal(tgz(file('package/a'), symlink('package/l', 'a'), symlink('package/l', 'a')))).reason).toBe(
      'PathCollision',
    );
  });
});

test('a directory may be named again, before and after its files', async () => {
  const { tree } = await unpack(
    tgz(file('package/d/a'), directory('package/d/'), directory('package/d'), file('package/d/b')),
  );
  expect(tree.files).toBe(2);
});

test('names that merely resemble one another are kept apart', async () => {
  const { tree } = await unpack(
    tgz(named('a-b'), named('a_b'), named('ab'), named('a/b'), named('\u0131'), named('a.b')),
  );
  expect(tree.files).toBe(6);
});
