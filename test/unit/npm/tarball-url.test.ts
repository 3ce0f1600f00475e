import { describe, expect, test } from 'vitest';
import { hostMatcher } from '../../../installer/config/insecure-hosts.ts';
import { tarballUrl, type TarballQuestion } from '../../../installer/npm/tarball-url.ts';
import { thrownBy } from '../../support/thrown.ts';

const PATH = '@acme/todo/-/todo-1.0.0.tgz';

function ask(tarball: string | undefined, registry: string, more: Partial<TarballQuestion> = {}): string {
  return tarballUrl({
    tarball,
    registry: new URL(registry),
    packumentUrl: new URL(`${registry}@acme%2ftodo`),
    replaceHost: 'npmjs',
    isInsecureHost: hostMatcher(['lab.example', '127.0.0.1']),
    ...more,
  }).href;
}

describe('tarballUrl', () => {
  test.each([
    ['takes the address as it is', `https://r.example/${PATH}`, 'https://r.example/', `https://r.example/${PATH}`],
    ['keeps another host', `https://cdn.example/${PATH}?s=1`, 'https://r.example/', `https://cdn.example/${PATH}?s=1`],
    ['resolves a relative address', '../-/todo.tgz', 'https://r.example/npm/', 'https://r.example/-/todo.tgz'],
    ['resolves an absolute path', `/npm/${PATH}`, 'https://r.example/npm/', `https://r.example/npm/${PATH}`],
    [
      'brings the public registry home',
      `https://registry.npmjs.org/${PATH}`,
      'https://r.example/',
      `https://r.example/${PATH}`,
    ],
    [
      'keeps the base path when it does (npm/cli issue 8319)',
      `https://registry.npmjs.org/${PATH}`,
      'https://r.example/api/npm/virtual/',
      `https://r.example/api/npm/virtual/${PATH}`,
    ],
    [
      'leaves the public registry alone when it is the registry',
      `https://registry.npmjs.org/${PATH}`,
      'https://registry.npmjs.org/',
      `https://registry.npmjs.org/${PATH}`,
    ],
    [
      'lifts http to https on the same host',
      `http://r.example/${PATH}`,
      'https://r.example/',
      `https://r.example/${PATH}`,
    ],
    [
      'lifts http with port 443, as written behind TLS proxies',
      `http://r.example:443/${PATH}`,
      'https://r.example/',
      `https://r.example/${PATH}`,
    ],
    [
      'lifts http on the same port',
      `http://r.example:8443/${PATH}`,
      'https://r.example:8443/',
      `https://r.example:8443/${PATH}`,
    ],
    [
      'lets a listed host be plain',
      `http://lab.example:4873/${PATH}`,
      'http://lab.example:4873/',
      `http://lab.example:4873/${PATH}`,
    ],
    [
      "lets the registry's own address be one",
      `https://10.0.0.7/${PATH}`,
      'https://10.0.0.7/',
      `https://10.0.0.7/${PATH}`,
    ],
  ])('%s', (_what, tarball, registry, expected) => {
    expect(ask(tarball, registry)).toBe(expected);
  });

  test.each([
    ['never', `https://registry.npmjs.org/${PATH}`, `https://registry.npmjs.org/${PATH}`],
    ['always', `https://inner.example/${PATH}`, `https://r.example/npm/${PATH}`],
    ['always', `https://inner.example/npm/${PATH}`, `https://r.example/npm/${PATH}`],
    ['inner.example', `https://inner.example/${PATH}`, `https://r.example/npm/${PATH}`],
    ['inner.example', `https://registry.npmjs.org/${PATH}`, `https://registry.npmjs.org/${PATH}`],
  ])('obeys replace-registry-host=%s for %s', (replaceHost, tarball, expected) => {
    expect(ask(tarball, 'https://r.example/npm/', { replaceHost })).toBe(expected);
  });

  test.each([
    ['plain http to another host', `http://cdn.example/${PATH}`],
    ['plain http to another port of the host', `http://r.example:8080/${PATH}`],
    ['userinfo', `https://u:p@r.example/${PATH}`],
    ['a file', 'file:///etc/passwd'],
    ['a data URL', 'data:application/gzip;base64,H4sI'],
    ['the address of a cloud metadata service', 'https://169.254.169.254/latest/x.tgz'],
    ['an address inside the cluster', `https://10.96.0.1/${PATH}`],
    ['an IPv6 address', `https://[fd00::1]/${PATH}`],
  ])('refuses %s', (_what, tarball) => {
    expect(thrownBy(() => ask(tarball, 'https://r.example/')).reason).toBe('RedirectRefused');
  });

  test.each([undefined, '', 'https://'])('says that a record without an address is broken: %j', (tarball) => {
    expect(thrownBy(() => ask(tarball, 'https://r.example/')).reason).toBe('UnexpectedContent');
  });
});
