import { describe, expect, test } from 'vitest';
import type { ParseContext } from '../../../installer/core/types.ts';
import { httpsSource } from '../../../installer/sources/https.ts';
import { testEntry } from '../../support/entries.ts';
import { testContext } from '../../support/context.ts';
import { thrownBy, visible } from '../../support/thrown.ts';

const context: ParseContext = {
  npmRegistry: () => new URL('https://registry.example/'),
  isInsecureHost: (host) => host === 'lab.example:8080',
  cwd: '/',
};
const parse = (text: string): NonNullable<ReturnType<typeof httpsSource.parse>> => {
  const reference = httpsSource.parse(text, context);
  if (reference === undefined) throw new Error(`${text} is not an https reference`);
  return reference;
};

describe('an https reference', () => {
  test('has host, port and decoded segments as its origin', () => {
    expect(parse('https://Files.Example/a%2Db/%7Eacme/x%20y.tgz').origin).toEqual({
      scheme: 'https',
      host: 'files.example',
      port: 443,
      segments: ['a-b', '~acme', 'x%20y.tgz'],
    });
    expect(parse('http://lab.example:8080/x.tgz').origin).toMatchObject({ scheme: 'http', port: 8080 });
  });

  test('shows no query, yet two queries are two plugins and two downloads', async () => {
    const [one, two] = [parse('https://files.example/x.tgz?sig=hunter2'), parse('https://files.example/x.tgz?sig=3')];
    expect(one.text).toBe('https://files.example/x.tgz?…');
    expect(one.identity).not.toBe(two.identity);
    const pins = await Promise.all([one, two].map((reference) => reference.resolve(testEntry(0), testContext())));
    expect(pins[0]?.key).not.toBe(pins[1]?.key);
    expect(JSON.stringify([pins[0], one.text, one.identity])).not.toContain('hunter2');
  });

  test.each([
    'HTTPS://files.example/x.tgz',
    'https:/files.example/x.tgz',
    'https:files.example/x.tgz',
    'https:///x.tgz',
    'https://',
    'https://u:hunter2@files.example/x.tgz',
    'https://hunter2@files.example/x.tgz',
    'https://@files.example/x.tgz',
    'https://files.example@evil.example/x.tgz',
    'https://files.example/x.tgz#part',
    'https://files.example/a b.tgz',
    'https://files.example\\evil/x.tgz',
    'https://files.example/plugins/../x.tgz',
    'https://files.example/plugins/%2e%2e/x.tgz',
    'https://files.example/plugins/.%2E/x.tgz',
    'https://files.example/./x.tgz',
    'https://files.example/plugins%2f..%2fx.tgz',
    'https://files.example/plugins%5c..%5cx.tgz',
    'https://files.example/x.tgz%00.png',
    'https://files.example//x.tgz',
    'https://files.example/dir/',
    'https://files.example:99999/x.tgz',
    'http://files.example/x.tgz',
    'http://lab.example/x.tgz',
  ])('is refused when written as %s', (text) => {
    const error = thrownBy(() => parse(text));
    expect(error.reason).toBe('ReferenceInvalid');
    expect(visible(error)).not.toContain('hunter2');
  });

  test('says where credentials belong', () => {
    expect(thrownBy(() => parse('https://u:p@files.example/team/x.tgz')).fix).toContain(
      '//files.example/team/:_authToken',
    );
  });

  test.each(['oci://ghcr.io/a:1', 'npm:x', './x', 'x'])('leaves %s to others', (text) => {
    expect(httpsSource.parse(text, context)).toBeUndefined();
  });
});
