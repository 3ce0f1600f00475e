import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import type { ParseContext, Reference } from '../../installer/core/types.ts';
import { parseNpmSpec } from '../../installer/npm/spec.ts';
import { tarballUrl } from '../../installer/npm/tarball-url.ts';
import { parseReference } from '../../installer/sources/index.ts';
import { fuzzParameters } from '../support/fuzz.ts';
import { visible } from '../support/thrown.ts';

const context: ParseContext = {
  npmRegistry: () => new URL('https://registry.example/'),
  isInsecureHost: (host) => host === 'lab.example',
  cwd: '/app',
};

function parsed(text: string): Reference | InstallError {
  try {
    return parseReference(text, context);
  } catch (error) {
    expect(error).toBeInstanceOf(InstallError);
    expect((error as InstallError).reason).toBe('ReferenceInvalid');
    return error as InstallError;
  }
}

const part = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,12}[a-z0-9]$/);
const name = fc
  .oneof(
    part,
    fc.tuple(part, part).map(([scope, bare]) => `@${scope}/${bare}`),
  )
  .filter((text) => !/^(?:node_modules|favicon\.ico)$/.test(text) && !/\.(?:tgz|tar|tar\.gz)$/.test(text));
const number = fc.nat({ max: 99 });
const version = fc.tuple(number, number, number).map((numbers) => numbers.join('.'));
/** Pieces that references are made of, in any order: nearer to the borders of the grammar than random text. */
const soup = fc
  .array(
    fc.constantFrom(
      'npm:',
      'oci://',
      'https://',
      'http://',
      'file:',
      'git+ssh://',
      'github:',
      '@',
      '/',
      ':',
      '..',
      '.',
      '~',
      '#',
      '?',
      '%2f',
      '%',
      '\\',
      ' ',
      '\u0000',
      '\n',
      '\u202e',
      'a',
      'acme',
      'ghcr.io',
      '1.2.3',
      '^1',
      'latest',
      '.tgz',
      'sha256:',
      '!',
      '=',
      '*',
      '||',
      '>',
      '__proto__',
      'constructor',
      '[::1]',
      '127.0.0.1',
      'é',
      '\ud800',
    ),
    { maxLength: 14 },
  )
  .map((pieces) => pieces.join(''));

test('every text is a reference or ReferenceInvalid, never anything else', () => {
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 60 })), (text) => {
      const result = parsed(text);
      if (result instanceof InstallError) {
        expect(result.fix).not.toBe('');
        expect(result.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
      } else {
        expect(result.text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
        expect(result.identity).not.toBe('');
      }
    }),
    fuzzParameters(),
  );
});

test('every reference reads back from its text as itself', () => {
  fc.assert(
    fc.property(soup, (text) => {
      const one = parsed(text);
      // A query is hidden in the text, on purpose.
      if (one instanceof InstallError || one.text.includes('?')) return;
      const two = parsed(one.text);
      if (two instanceof InstallError) throw two;
      expect([two.kind, two.identity, two.origin]).toEqual([one.kind, one.identity, one.origin]);
    }),
    fuzzParameters(),
  );
});

test('a name with a version is that name and that version, with and without npm: and alias', () => {
  fc.assert(
    fc.property(name, version, part, (name, version, alias) => {
      for (const text of [
        `${name}@${version}`,
        `npm:${name}@${version}`,
        `${name}@v${version}`,
        `${alias}@npm:${name}@${version}`,
      ]) {
        expect(parseNpmSpec(text)).toMatchObject({
          kind: 'registry',
          name,
          wanted: { type: 'version', value: version },
        });
      }
    }),
    fuzzParameters(),
  );
});

test('no password of any reference reaches a message', () => {
  const secret = fc.stringMatching(/^[a-zA-Z0-9]{8,16}$/).map((text) => `Zq7${text}`);
  const before = fc.constantFrom('', 'npm:', 'x@', 'x@npm:', ' ', 'OCI:', 'x@file:', '//');
  const scheme = fc.constantFrom('https', 'http', 'HTTPS', 'oci', 'docker', 'git+https', 'ftp', 's3', 'ssh');
  fc.assert(
    fc.property(before, scheme, secret, soup, (before, scheme, secret, after) => {
      const host = after.replaceAll(/[?#@]/g, '');
      const result = parsed(`${before}${scheme}://user:${secret}@host.example/${host}`);
      const shown = result instanceof InstallError ? visible(result) : `${result.text} ${result.identity}`;
      expect(shown).not.toContain(secret);
    }),
    fuzzParameters(),
  );
});

test('whatever a registry names as its tarball, the address is https, or http to a listed host', () => {
  const tarball = fc.oneof(
    fc.webUrl(),
    soup,
    fc.tuple(fc.constantFrom('http', 'https', 'file', 'data'), soup).map(([a, b]) => `${a}://${b}`),
  );
  const replaceHost = fc.constantFrom('npmjs', 'never', 'always', 'a.example');
  fc.assert(
    fc.property(
      tarball,
      replaceHost,
      fc.constantFrom('https://r.example/', 'https://r.example:8443/npm/'),
      (tarball, replaceHost, base) => {
        const registry = new URL(base);
        const ask = (): URL =>
          tarballUrl({ tarball, packumentUrl: new URL(`${base}x`), registry, replaceHost, ...context });
        let url: URL;
        try {
          url = ask();
        } catch (error) {
          expect(['RedirectRefused', 'UnexpectedContent']).toContain((error as InstallError).reason);
          return;
        }
        expect(url.username + url.password).toBe('');
        expect(url.protocol === 'https:' || url.host === 'lab.example').toBe(true);
      },
    ),
    fuzzParameters(),
  );
});
