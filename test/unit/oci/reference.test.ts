import { describe, expect, test } from 'vitest';
import { InstallError } from '../../../installer/core/errors.ts';
import { apiHost, formatOciReference, parseOciReference, parsePluginPath } from '../../../installer/oci/reference.ts';

const SHA256 = `sha256:${'a1'.repeat(32)}`;
const SHA512 = `sha512:${'0f'.repeat(64)}`;
const nothing = { tag: undefined, digest: undefined, path: undefined };

describe('accepted', () => {
  test.each([
    [
      'oci://GHCR.io:443/acme/todo:1.4.2',
      { registry: 'ghcr.io', host: 'ghcr.io', port: undefined, repository: 'acme/todo', ...nothing, tag: '1.4.2' },
    ],
    [
      `oci://localhost:5000/a:1@${SHA256}!plugins/todo`,
      {
        registry: 'localhost:5000',
        host: 'localhost',
        port: 5000,
        repository: 'a',
        tag: '1',
        digest: SHA256,
        path: 'plugins/todo',
      },
    ],
    [
      'oci://[::1]:5000/a:1',
      { registry: '[::1]:5000', host: '[::1]', port: 5000, repository: 'a', ...nothing, tag: '1' },
    ],
    [
      'oci://[2001:DB8:0::1]/a',
      { registry: '[2001:db8::1]', host: '[2001:db8::1]', port: undefined, repository: 'a', ...nothing },
    ],
    [
      'oci://docker.io/busybox:1',
      {
        registry: 'docker.io',
        host: 'docker.io',
        port: undefined,
        repository: 'library/busybox',
        ...nothing,
        tag: '1',
      },
    ],
    [
      'oci://index.docker.io/acme/todo',
      { registry: 'docker.io', host: 'docker.io', port: undefined, repository: 'acme/todo', ...nothing },
    ],
    [
      'oci://registry-1.docker.io:443/busybox',
      { registry: 'docker.io', host: 'docker.io', port: undefined, repository: 'library/busybox', ...nothing },
    ],
    [
      `oci://ghcr.io/acme/todo@${SHA512}`,
      { registry: 'ghcr.io', host: 'ghcr.io', port: undefined, repository: 'acme/todo', ...nothing, digest: SHA512 },
    ],
    [
      'oci://10.0.0.7:5000/a_b/c__d/e.f/g---h:_tag',
      {
        registry: '10.0.0.7:5000',
        host: '10.0.0.7',
        port: 5000,
        repository: 'a_b/c__d/e.f/g---h',
        ...nothing,
        tag: '_tag',
      },
    ],
    [
      'oci://ghcr.io/a:1!a@b/c!d',
      { registry: 'ghcr.io', host: 'ghcr.io', port: undefined, repository: 'a', ...nothing, tag: '1', path: 'a@b/c!d' },
    ],
  ])('%s', (text, expected) => {
    expect(parseOciReference(text)).toEqual(expected);
  });

  test('an alias of Docker Hub with another port is another registry', () => {
    expect(parseOciReference('oci://index.docker.io:5000/busybox')).toMatchObject({
      registry: 'index.docker.io:5000',
      repository: 'busybox',
    });
  });

  test('host and repository may be 255 characters together', () => {
    const repository = 'a'.repeat(255 - 'ghcr.io/'.length);
    expect(parseOciReference(`oci://ghcr.io/${repository}`).repository).toBe(repository);
    expect(() => parseOciReference(`oci://ghcr.io/${repository}a`)).toThrow(InstallError);
  });

  test('the canonical spelling parses back to the same reference', () => {
    const reference = parseOciReference(`oci://[::1]:5000/a/b:1@${SHA256}!x/y`);
    expect(parseOciReference(formatOciReference(reference))).toEqual(reference);
  });
});

describe('refused', () => {
  test.each([
    'OCI://ghcr.io/a:1',
    'oci:ghcr.io/a:1',
    'oci://',
    'oci://ghcr.io',
    'oci://ghcr.io/',
    'oci:///a',
    'oci://busybox:1',
    'oci://ghcr.io/Acme/todo:1',
    'oci://ghcr.io/a//b:1',
    'oci://ghcr.io/a/:1',
    'oci://ghcr.io/a:1/b',
    'oci://ghcr.io/a:',
    'oci://ghcr.io/a:-x',
    'oci://ghcr.io/a:x+y',
    `oci://ghcr.io/a:${'x'.repeat(129)}`,
    'oci://ghcr.io/a___b',
    'oci://ghcr.io/a.-b',
    'oci://ghcr.io/-a',
    'oci://ghcr.io/a-',
    'oci://ghcr.io/ä',
    'oci://ghcr.io/a b',
    'oci://ghcr.io/a?x',
    'oci://ghcr.io/a#x',
    'oci://ghcr.io/a%2fb',
    'oci://ghcr.io\\evil/a',
    'oci://ghcr.io/a\u0000',
    'oci://ghcr.io./a',
    'oci://ghcr..io/a',
    'oci://-ghcr.io/a',
    'oci://exämple.com/a',
    'oci://ghcr.io:/a',
    'oci://ghcr.io:0/a',
    'oci://ghcr.io:65536/a',
    'oci://ghcr.io:5e3/a',
    'oci://[::1/a',
    'oci://[::1]x/a',
    'oci://[1.2.3.4]/a',
    'oci://1.2.3/a',
    'oci://0x7f.1/a',
    'oci://127.0.0.01/a',
    'oci://256.1.1.1/a',
    'oci://u:p@ghcr.io/a:1',
    'oci://ghcr.io/a@sha256:abc',
    `oci://ghcr.io/a@${SHA256.toUpperCase()}`,
    `oci://ghcr.io/a@md5:${'a'.repeat(32)}`,
    `oci://ghcr.io/a@${SHA256}@${SHA256}`,
    `oci://u:p@ghcr.io/a@${SHA256}`,
    'oci://ghcr.io/a:1!',
    'oci://ghcr.io/a:1!/x',
    'oci://ghcr.io/a:1!x/',
    'oci://ghcr.io/a:1!./x',
    'oci://ghcr.io/a:1!../x',
    'oci://ghcr.io/a:1!x/../y',
    'oci://ghcr.io/a:1!x//y',
    'oci://ghcr.io/a:1!x\\y',
    'oci://ghcr.io/a:1!x\ny',
    `oci://ghcr.io/a:1!${'x'.repeat(513)}`,
    'oci://ghcr.io/a:{{inherit}}',
  ])('%j', (text) => {
    expect(() => parseOciReference(text)).toThrow(expect.objectContaining({ reason: 'ReferenceInvalid' }));
  });

  test('a password in the place of a user is never repeated', () => {
    for (const text of [
      'oci://robot:s3cret@ghcr.io/a:1',
      `oci://robot:s3cret@ghcr.io/a@${SHA256}`,
      'oci://robot:s3cret@x@y/z',
    ]) {
      const failure = failureOf(text);
      expect(JSON.stringify([failure.message, failure.details])).not.toContain('s3cret');
    }
  });

  test('an upper-case repository is answered with the lower-case form', () => {
    expect(failureOf('oci://ghcr.io/Acme/Todo:1').fix).toContain('acme/todo');
  });
});

test('only Docker Hub answers on another host than its name', () => {
  expect([apiHost('docker.io'), apiHost('ghcr.io'), apiHost('docker.io:5000')]).toEqual([
    'registry-1.docker.io',
    'ghcr.io',
    'docker.io:5000',
  ]);
});

test('a plugin path of exactly 512 bytes is accepted, and its bytes count rather than its characters', () => {
  expect(parsePluginPath('é'.repeat(256))).toHaveProperty('value');
  expect(parsePluginPath('é'.repeat(257))).toHaveProperty('fault');
});

function failureOf(text: string): InstallError {
  try {
    parseOciReference(text);
  } catch (error) {
    if (error instanceof InstallError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}
