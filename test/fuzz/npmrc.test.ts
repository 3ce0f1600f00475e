import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import { readNpmrc, type NpmrcConfig } from '../../installer/net/npmrc.ts';
import { fuzzParameters } from '../support/fuzz.ts';
import { visible } from '../support/thrown.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'npmrc-fuzz-'));
});
afterAll(() => rm(directory, { recursive: true }));

let files = 0;
async function read(
  text: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<NpmrcConfig | InstallError> {
  const path = join(directory, `npmrc-${(files += 1)}`);
  await writeFile(path, text);
  try {
    return await readNpmrc(path, variables, (host) => host === 'lab.example');
  } catch (error) {
    expect(error).toBeInstanceOf(InstallError);
    expect((error as InstallError).reason).toBe('CredentialsInvalid');
    return error as InstallError;
  } finally {
    await rm(path);
  }
}

const pieces = [
  'registry',
  '@acme:registry',
  '_auth',
  '_authToken',
  'username',
  '_password',
  'certfile',
  'keyfile',
  'cert',
  'key',
  'ca',
  'ca[]',
  'cafile',
  'strict-ssl',
  'proxy',
  'always-auth',
  '//r.example/',
  '//r.example:8443/npm',
  '//u:p@r.example',
  ':',
  '=',
  ' = ',
  '\n',
  '\r\n',
  '[x]',
  ';',
  '#',
  '"',
  "'",
  '\\',
  '${',
  '}',
  '${A}',
  '${B?}',
  '?',
  'https://r.example/',
  'http://lab.example',
  'true',
  'false',
  'null',
  'dG9rZW4=',
  '__proto__',
  'constructor',
  '\u0000',
  '\u202e',
  'é',
  '-----BEGIN X-----',
  '%',
  '/',
  '[]',
];
const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((all) => all.join(''));

test('every text is a configuration or CredentialsInvalid, never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 200 })), async (text) => {
      const result = await read(text, { A: 'value' });
      if (result instanceof InstallError) return;
      for (const name of ['todo', '@acme/todo', '@other/todo']) {
        try {
          expect(result.registryFor(name).pathname).toMatch(/\/$/);
        } catch (error) {
          expect((error as InstallError).reason).toBe('CredentialsInvalid');
        }
      }
      for (const warning of result.warnings) expect(warning).not.toMatch(/[\u0000-\u001f\u202e]/);
    }),
    fuzzParameters(),
  );
});

test('no value of any line reaches a message, a warning or a label', async () => {
  const secret = fc.stringMatching(/^[a-zA-Z0-9+/=:! -]{4,20}$/).map((text) => `Zq7${text}9qZ`);
  const key = fc.constantFrom(
    '_authToken',
    '_auth',
    '_password',
    'username',
    ':_authToken',
    '//r.example/:_authToken',
    '//r.example/:_auth',
    '//r.example/:_password',
    '//r.example/:username',
    '//r.example/:key',
    '//r.example/:_authtoken',
    '@acme:_authToken',
    'proxy',
    '//r.example/:cert',
  );
  const separator = fc.constantFrom('=', ' = ', ':', ' ', '="', "='");
  await fc.assert(
    fc.asyncProperty(key, separator, secret, soup, async (key, separator, secret, more) => {
      const result = await read(`${key}${separator}${secret}\n${more}`);
      const url = new URL('https://r.example/x');
      const shown =
        result instanceof InstallError
          ? visible(result)
          : `${result.warnings.join()} ${result.npm(url, url)?.label ?? ''} ${result.https(url)?.label ?? ''}`;
      expect(shown).not.toContain('Zq7');
    }),
    fuzzParameters(),
  );
});

const label = fc.constantFrom('r', 'r-evil', 'x');
const host = fc.tuple(label, fc.constantFrom('example', 'example.evil', 'sub.example')).map((parts) => parts.join('.'));
const port = fc.constantFrom('', ':443', ':8443', ':80');
const path = fc.array(fc.constantFrom('npm', 'npm-x', 'team', 'a'), { maxLength: 3 });

const effective = (port: string): string => (port === '' || port === ':443' ? '443' : port.slice(1));

test('a credential applies exactly where host and port are equal and its path is a prefix of whole segments', async () => {
  const key = fc.tuple(host, port, path, fc.constantFrom('', '/'));
  await fc.assert(
    fc.asyncProperty(key, fc.tuple(host, port, path), fc.constantFrom('https', 'http'), async (key, target, scheme) => {
      const [keyHost, keyPort, keyPath, slash] = key;
      const [urlHost, urlPort, urlPath] = target;
      const prefix = [keyHost + keyPort, ...keyPath].join('/');
      const result = await read(`//${prefix}${keyPath.length === 0 ? '/' : slash}:_authToken=secret\n`);
      if (result instanceof InstallError) throw result;
      const url = new URL(`${scheme}://${[urlHost + urlPort, ...urlPath, 'x.tgz'].join('/')}`);
      const isPrefix = keyPath.every((segment, index) => segment === urlPath[index]);
      const isCovered =
        scheme === 'https' && keyHost === urlHost && effective(keyPort) === effective(urlPort) && isPrefix;
      const expected = isCovered ? 'Bearer secret' : undefined;
      // The registry is somewhere else, so only the address itself counts.
      expect(result.npm(url, new URL('https://registry.example/'))?.authorization).toBe(expected);
      expect(result.https(url)?.authorization).toBe(expected);
    }),
    fuzzParameters(),
  );
});

test('only listed variables are expanded, whatever is written around them', async () => {
  const around = fc.stringMatching(/^[a-z]{0,5}$/);
  await fc.assert(
    fc.asyncProperty(
      around,
      around,
      fc.constantFrom('A', 'PATH', 'HOME', 'constructor', '__proto__', 'toString'),
      async (before, after, name) => {
        const result = await read(`//r.example/:_authToken=${before}\${${name}}${after}x\n`, { A: 'value' });
        const url = new URL('https://r.example/x');
        if (name === 'A') {
          expect(result instanceof InstallError ? result : result.npm(url, url)?.authorization).toBe(
            `Bearer ${before}value${after}x`,
          );
        } else {
          expect(result).toBeInstanceOf(InstallError);
        }
      },
    ),
    fuzzParameters(),
  );
});
