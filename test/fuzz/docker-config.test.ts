import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { InstallError } from '../../installer/core/errors.ts';
import { parseDockerConfig } from '../../installer/net/docker-auth.ts';
import { compareKeys, keyApplies, parseRegistryKey, registryAddress } from '../../installer/net/docker-key.ts';
import { parseOciReference } from '../../installer/oci/reference.ts';
import { fuzzParameters } from '../support/fuzz.ts';

const label = fc.string({ unit: fc.constantFrom(...'ab*'.split('')), minLength: 1, maxLength: 3 });
const segment = fc.string({ unit: fc.constantFrom(...'ab-'.split('')), minLength: 1, maxLength: 3 });
const key = fc
  .record({
    scheme: fc.constantFrom('', 'https://', 'http://'),
    labels: fc.array(label, { minLength: 1, maxLength: 3 }),
    port: fc.constantFrom('', ':443', ':5000'),
    segments: fc.array(segment, { maxLength: 3 }),
    slash: fc.constantFrom('', '/'),
  })
  .map(({ scheme, labels, port, segments, slash }) => ({
    text: `${scheme}${labels.join('.')}${port}${segments.map((part) => `/${part}`).join('')}${slash}`,
    labels,
    port: port === ':5000' ? 5000 : undefined,
    segments,
  }));
const plainLabel = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 });
const repository = fc.record({
  labels: fc.array(plainLabel, { minLength: 1, maxLength: 3 }),
  port: fc.constantFrom(undefined, 5000),
  segments: fc.array(plainLabel, { minLength: 1, maxLength: 4 }),
});

const isLabel = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.replaceAll(/\*+/g, '.*')}$`).test(text);

/** The same rule said another way: a regular expression per label, strings per segment. */
function applies(
  one: { labels: readonly string[]; port: number | undefined; segments: readonly string[] },
  to: typeof one,
): boolean {
  return (
    one.port === to.port &&
    one.labels.length === to.labels.length &&
    one.labels.every((pattern, at) => isLabel(pattern, to.labels[at] ?? '')) &&
    `${to.segments.join('/')}/`.startsWith(one.segments.map((part) => `${part}/`).join(''))
  );
}

test('a key applies exactly where whole labels, port and whole segments match', () => {
  fc.assert(
    fc.property(key, repository, (key, to) => {
      const parsed = parseRegistryKey(key.text);
      const port = to.port === undefined ? '' : `:${to.port}`;
      const address = registryAddress(to.labels.join('.') + port, to.segments.join('/'));
      expect(parsed !== undefined && address !== undefined && keyApplies(parsed, address)).toBe(applies(key, to));
    }),
    fuzzParameters(),
  );
});

test('every registry the reference grammar accepts has an address whose own key applies', () => {
  const host = fc.constantFrom(
    'ghcr.io',
    'GHCR.io:443',
    'docker.io',
    'index.docker.io',
    '[2001:DB8::1]:5000',
    '10.0.0.7',
    'a-b.c:5000',
  );
  fc.assert(
    fc.property(host, fc.array(plainLabel, { minLength: 1, maxLength: 3 }), (host, segments) => {
      const { registry, repository } = parseOciReference(`oci://${host}/${segments.join('/')}:1`);
      const address = registryAddress(registry, repository);
      for (const text of [host, registry, `https://${registry}/v1/`, `${registry}/${repository}`]) {
        const parsed = parseRegistryKey(text);
        expect(parsed !== undefined && address !== undefined && keyApplies(parsed, address)).toBe(true);
      }
    }),
    fuzzParameters(),
  );
});

test('the order of candidates is total: exact before wildcard, longer before shorter', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 6 }), (keys) => {
      const parsed = keys.flatMap(({ text }) => parseRegistryKey(text) ?? []).toSorted(compareKeys);
      const ranks = parsed.map(({ isWildcard, segments }) => (isWildcard ? 1000 : 0) - segments.length);
      expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
    }),
    fuzzParameters(),
  );
});

test('user and password survive base64, with and without padding', () => {
  const user = fc.string({ minLength: 1 }).filter((text) => !text.includes(':') && text !== '<token>');
  const password = fc.string({ minLength: 1 }).filter((text) => !text.endsWith('\0'));
  fc.assert(
    fc.property(user, password, fc.boolean(), (user, password, isPadded) => {
      const padded = Buffer.from(`${user}:${password}`).toString('base64');
      const auth = isPadded ? padded : padded.replace(/=+$/, '');
      const { entries } = parseDockerConfig('/f', JSON.stringify({ auths: { 'ghcr.io': { auth } } }));
      expect(entries[0]?.credential).toMatchObject({ kind: 'basic', username: user, password });
    }),
    fuzzParameters(),
  );
});

test('any text is a config or CredentialsInvalid, which never repeats what is in the file', () => {
  const secret = 'S3CR3T';
  const value = fc.oneof(
    fc.constantFrom(secret, null, 7, {}, [], { auth: secret }, { auth: { x: secret } }, { username: `${secret}:x` }),
    fc.jsonValue(),
  );
  const file = fc.oneof(
    fc.record(
      { auths: fc.dictionary(fc.constantFrom('ghcr.io', 'a b', '*'), value), credHelpers: value, credsStore: value },
      { requiredKeys: [] },
    ),
    fc.dictionary(fc.constantFrom('ghcr.io', 'auths', 'x'), value),
    value,
  );
  const text = fc.oneof(
    file.map((content) => JSON.stringify(content)),
    fc.string().map((noise) => `{"auths":"${secret}${noise}`),
  );
  fc.assert(
    fc.property(text, (text) => {
      try {
        parseDockerConfig('/run/config.json', text);
      } catch (error) {
        expect(error).toBeInstanceOf(InstallError);
        expect(error).toMatchObject({ reason: 'CredentialsInvalid', details: { file: '/run/config.json' } });
        expect(`${(error as InstallError).message} ${JSON.stringify((error as InstallError).details)}`).not.toContain(
          secret,
        );
      }
    }),
    fuzzParameters(),
  );
});
