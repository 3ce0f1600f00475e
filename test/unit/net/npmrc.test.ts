import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostMatcher } from '../../../installer/config/insecure-hosts.ts';
import type { InstallError } from '../../../installer/core/errors.ts';
import { readNpmrc, type NpmrcConfig } from '../../../installer/net/npmrc.ts';
import { failureOf } from '../../support/http.ts';
import { thrownBy, visible } from '../../support/thrown.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const KEY = '-----BEGIN PRIVATE KEY-----\nMIIC\n-----END PRIVATE KEY-----\n';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'npmrc-'));
  await writeFile(join(directory, 'ca.pem'), PEM);
  await writeFile(join(directory, 'client.key'), KEY);
});
afterAll(() => rm(directory, { recursive: true }));

let files = 0;
async function read(
  text: string,
  variables: Readonly<Record<string, string>> = {},
  insecure: readonly string[] = [],
): Promise<NpmrcConfig> {
  const path = join(directory, `npmrc-${(files += 1)}`);
  await writeFile(path, text);
  return readNpmrc(path, variables, hostMatcher(insecure));
}

const refusal = (text: string, variables?: Readonly<Record<string, string>>): Promise<InstallError> =>
  failureOf(read(text, variables));

const url = (text: string): URL => new URL(text);
const authorization = (npmrc: NpmrcConfig, target: string, registry: string): string | undefined =>
  npmrc.npm(url(target), url(registry))?.authorization;

test.each(['//h.example/:_authToken', '//h.example/:_auth', 'registry', '@acme:registry'])(
  'the line %s without a value is refused and never read as "true"',
  async (key) => {
    const error = await refusal(`${key}\n`);
    expect(error).toMatchObject({ reason: 'CredentialsInvalid', details: { line: 1, key } });
    expect(error.message).toContain('has no value');
  },
);

test.each([
  'registry: https://hunter2.example/',
  'registry https://hunter2.example/',
  'proxy: http://u:hunter2@h/?a=b',
])('the line %s, which npm would skip without a word, is refused by its first word alone', async (line) => {
  const error = await refusal(`# first\n${line}\n`);
  const key = line.split(/\W/, 1)[0];
  expect(error).toMatchObject({ reason: 'CredentialsInvalid', details: { line: 2, key } });
  expect(JSON.stringify([error.message, error.details])).not.toContain('hunter2');
});

test.each(['@acme:regsitry', '@acme/:registry', '@acme/x:registry', '//h.example/:token', '//h.example/:registry'])(
  'the key %s, which has no effect, is warned about by its line alone',
  async (key) => {
    const { warnings } = await read(`registry=https://r.example/\n${key}=https://hunter2.example/\n`);
    expect(warnings).toEqual([expect.stringContaining('line 2: this key')]);
    expect(warnings.join()).not.toContain('hunter2');
  },
);

test('keys of npm that matter elsewhere are not worth a remark', async () => {
  const text = 'fund=false\n@acme:registry=https://r.example/\n//r.example/:email=a@b.example\n';
  expect((await read(text)).warnings).toEqual([]);
});

test('false is no proxy', async () => {
  const npmrc = await read('proxy=false\nhttps-proxy = false\n');
  expect([npmrc.proxy, npmrc.httpsProxy]).toEqual([undefined, undefined]);
});

describe('registries', () => {
  test('are the public one without a file', async () => {
    const npmrc = await readNpmrc(undefined, {}, () => false);
    expect(npmrc.registryFor('@acme/todo').href).toBe('https://registry.npmjs.org/');
    expect(npmrc.npm(url('https://registry.npmjs.org/x'), url('https://registry.npmjs.org/'))).toBeUndefined();
    expect(npmrc.secrets).toEqual([]);
  });

  test('are chosen by scope and get a trailing slash', async () => {
    const npmrc = await read('registry = https://r.example/npm\n@acme:registry=https://a.example/x/\n');
    expect(npmrc.registryFor('todo').href).toBe('https://r.example/npm/');
    expect(npmrc.registryFor('@acme/todo').href).toBe('https://a.example/x/');
    expect(npmrc.registryFor('@acme-evil/todo').href).toBe('https://r.example/npm/');
  });

  test('count as the last line says', async () => {
    const npmrc = await read('registry=https://one.example\nregistry=https://two.example\n');
    expect(npmrc.registryFor('todo').host).toBe('two.example');
  });

  test('may be plain http only where the host is listed, and are refused only when they are needed', async () => {
    const text = '@lab:registry=http://lab.example:4873\n';
    const strict = await read(text);
    expect(strict.registryFor('todo').protocol).toBe('https:');
    const error = thrownBy(() => strict.registryFor('@lab/todo'));
    expect(error.reason).toBe('CredentialsInvalid');
    expect(error.details).toMatchObject({ line: 1, key: '@lab:registry' });
    expect(error.fix).toContain('PORTAL_PLUGINS_INSECURE_HOSTS');
    const lab = await read(text, {}, ['lab.example:4873']);
    expect(lab.registryFor('@lab/todo').href).toBe('http://lab.example:4873/');
  });

  test.each([
    'registry=r.example',
    'registry=ftp://r.example',
    'registry=https://u:hunter2@r.example',
    'registry=https://r.example?x=hunter2',
  ])('are refused when written as %s', async (line) => {
    const error = await refusal(`\n${line}\n`);
    expect(error.reason).toBe('CredentialsInvalid');
    expect(error.details).toMatchObject({ line: 2, key: 'registry' });
    expect(visible(error)).not.toContain('hunter2');
  });
});

describe('credentials', () => {
  test('are found from the longest path down to the host', async () => {
    const npmrc = await read(
      ['//r.example/:_authToken=whole', '//r.example/npm/team/:_authToken=team', '//r.example/npm:_authToken=npm'].join(
        '\n',
      ),
    );
    const registry = 'https://r.example/npm/team/';
    expect(authorization(npmrc, 'https://r.example/npm/team/todo/-/todo-1.tgz', registry)).toBe('Bearer team');
    expect(authorization(npmrc, 'https://r.example/npm/team-evil/todo', registry)).toBe('Bearer npm');
    expect(authorization(npmrc, 'https://r.example/npmx/todo', registry)).toBe('Bearer whole');
  });

  test.each([
    ['another host', 'https://r.example.evil/npm/todo'],
    ['a subdomain', 'https://x.r.example/npm/todo'],
    ['another port', 'https://r.example:8443/npm/todo'],
    ['plain http', 'http://r.example/npm/todo'],
  ])('do not go to %s', async (_what, target) => {
    const npmrc = await read('//r.example/:_authToken=secret\n');
    expect(npmrc.npm(url(target), url('https://r.example/npm/'))).toBeUndefined();
    expect(npmrc.https(url(target))).toBeUndefined();
  });

  test('of the registry cover its own origin, and only that', async () => {
    const npmrc = await read('//r.example/npm/:_authToken=secret\n');
    const registry = 'https://r.example/npm/';
    expect(authorization(npmrc, 'https://r.example/other/todo-1.tgz', registry)).toBe('Bearer secret');
    expect(authorization(npmrc, 'https://cdn.example/npm/todo-1.tgz', registry)).toBeUndefined();
    expect(npmrc.https(url('https://r.example/other/todo-1.tgz'))).toBeUndefined();
    expect(npmrc.https(url('https://r.example/npm/todo-1.tgz'))?.authorization).toBe('Bearer secret');
  });

  test('go over plain http to listed hosts of npm, never of https entries', async () => {
    const npmrc = await read('//lab.example:4873/:_authToken=secret\n', {}, ['lab.example']);
    expect(authorization(npmrc, 'http://lab.example:4873/x', 'http://lab.example:4873/')).toBe('Bearer secret');
    expect(npmrc.https(url('http://lab.example:4873/x'))).toBeUndefined();
  });

  test('take :443 for the default port', async () => {
    const npmrc = await read('//r.example:443/:_authToken=secret\n');
    expect(authorization(npmrc, 'https://r.example/x', 'https://r.example/')).toBe('Bearer secret');
    expect(authorization(npmrc, 'https://r.example:444/x', 'https://r.example:444/')).toBeUndefined();
  });

  test.each([
    ['_auth', `//r.example/:_auth=${base64('alice:pass:word')}`],
    ['_auth without padding', `//r.example/:_auth=${base64('alice:pass:word').replaceAll('=', '')}`],
    ['username and _password', `//r.example/:username=alice\n//r.example/:_password=${base64('pass:word')}`],
  ])('become Basic from %s', async (_what, text) => {
    const npmrc = await read(text);
    expect(authorization(npmrc, 'https://r.example/x', 'https://r.example/')).toBe(
      `Basic ${base64('alice:pass:word')}`,
    );
    expect(npmrc.secrets).toContain('pass:word');
  });

  test('prefer the token, as npm does', async () => {
    const npmrc = await read(
      '//r.example/:username=alice\n//r.example/:_authToken=tok\n//r.example/:email=a@r.example\n',
    );
    expect(authorization(npmrc, 'https://r.example/x', 'https://r.example/')).toBe('Bearer tok');
  });

  test('are labelled with file and key', async () => {
    const npmrc = await read('//r.example/npm/:_authToken=tok\n');
    const label = npmrc.npm(url('https://r.example/npm/x'), url('https://r.example/npm/'))?.label ?? '';
    expect(label).toMatch(/npmrc-\d+: \/\/r\.example\/npm\/:_authToken$/);
  });

  test.each([
    ['a credential without a host', '_authToken=hunter2', '//r.example/npm/:_authToken=…'],
    ['_auth without a host', '_auth=aHVudGVyMg==', '//r.example/npm/:_auth=…'],
    ['a user name without a host', 'username=hunter2', '//r.example/npm/:username=…'],
    ['a misspelt key', '//r.example/:_authtoken=hunter2', '//HOST/:_authToken=…'],
    ['a colon in place of =', '//r.example/:_authToken:hunter2', '//HOST/:_authToken=…'],
    ['no = at all', '_authToken hunter2', '//HOST/:_authToken=…'],
    ['a scope as the host', '@acme:_authToken=hunter2', '//HOST/:_authToken=…'],
    ['a key with userinfo', '//u:hunter2@r.example/:_authToken=x', 'with the host and path of the registry'],
    ['half a credential', '//r.example/:username=hunter2', 'username and _password together'],
    ['a password alone', '//r.example/:_password=aHVudGVyMg==', 'username and _password together'],
    ['a token with white space', '//r.example/:_authToken=Bearer hunter2', 'the token alone'],
    ['an _auth that is no base64', '//r.example/:_auth=hunter2!', 'base64 of user:password'],
    ['an _auth without a colon', `//r.example/:_auth=${base64('hunter2')}`, 'base64 of user:password'],
    [
      'a password that is no base64',
      '//r.example/:username=a\n//r.example/:_password=hunter-2',
      'base64 of the password',
    ],
    ['a variable that is not set', '//r.example/:_authToken=${NPM_TOKEN}', 'PORTAL_PLUGINS_NPMRC_VARIABLES'],
    ['half a client certificate', '//r.example/:certfile=ca.pem', 'certfile and keyfile together'],
    [
      'a certificate that is not there',
      '//r.example/:certfile=none.pem\n//r.example/:keyfile=client.key',
      'mount the file there',
    ],
    ['a certificate that is no PEM', '//r.example/:ca=hunter2', '-----BEGIN'],
  ])('are refused with %s, and the line to write', async (_what, lines, fix) => {
    const error = await refusal(`registry=https://r.example/npm/\n${lines}\n`);
    expect(error.reason).toBe('CredentialsInvalid');
    expect(error.details['line']).toBeGreaterThanOrEqual(2);
    expect(error.details['file']).toContain('npmrc-');
    expect(error.fix).toContain(fix);
    expect(visible(error)).not.toMatch(/hunter|aHVudGVy/);
  });
});

describe('variables', () => {
  test.each([
    ['${TOKEN}', 'Bearer secret'],
    ['a${TOKEN}b', 'Bearer asecretb'],
    ['${TOKEN?}', 'Bearer secret'],
    ['\\${TOKEN}', 'Bearer ${TOKEN}'],
    ['\\\\\\${TOKEN}', 'Bearer \\secret'], // ini has made two of the three backslashes one before
  ])('expand %s to %s', async (value, expected) => {
    const npmrc = await read(`//r.example/:_authToken=${value}\n`, { TOKEN: 'secret' });
    expect(authorization(npmrc, 'https://r.example/x', 'https://r.example/')).toBe(expected);
  });

  test('that may be absent leave no credential, and a warning', async () => {
    const npmrc = await read('//r.example/:_authToken=${TOKEN?}\n');
    expect(authorization(npmrc, 'https://r.example/x', 'https://r.example/')).toBeUndefined();
    expect(npmrc.warnings).toHaveLength(1);
  });

  test('are not looked for on the prototype of anything', async () => {
    expect((await refusal('//r.example/:_authToken=${constructor}\n')).reason).toBe('CredentialsInvalid');
  });

  test('of lines that are not read may be unset', async () => {
    const npmrc = await read('init-author-name=${USER}\n');
    expect(npmrc.registryFor('x').host).toBe('registry.npmjs.org');
  });

  test('expand in keys, too', async () => {
    const npmrc = await read('//${HOST}/:_authToken=tok\n', { HOST: 'r.example' });
    expect(authorization(npmrc, 'https://r.example/x', 'https://r.example/')).toBe('Bearer tok');
  });
});

describe('TLS', () => {
  test('takes CAs of the file for npm, of a host for this host, and client certificates whole', async () => {
    const text = [
      'cafile=ca.pem',
      'ca[]="-----BEGIN X-----\\nA"',
      '//r.example/:cafile=ca.pem',
      '//r.example/:certfile=ca.pem',
      '//r.example/:keyfile=client.key',
    ];
    const npmrc = await read(text.join('\n'));
    const tls = npmrc.npm(url('https://r.example/x'), url('https://r.example/'))?.tls;
    expect(tls).toEqual({ ca: [PEM, '-----BEGIN X-----\nA', PEM], cert: PEM, key: KEY });
    expect(npmrc.secrets).toEqual([KEY]);
    expect(npmrc.npm(url('https://other.example/x'), url('https://other.example/'))?.tls).toEqual({
      ca: [PEM, '-----BEGIN X-----\nA'],
    });
    expect(npmrc.https(url('https://other.example/x'))).toBeUndefined();
  });

  test('stays on with strict-ssl=false but for hosts listed as insecure', async () => {
    const npmrc = await read('strict-ssl=false\n', {}, ['lab.example']);
    expect(npmrc.npm(url('https://r.example/x'), url('https://r.example/'))).toBeUndefined();
    expect(npmrc.npm(url('https://lab.example/x'), url('https://lab.example/'))?.tls).toEqual({
      allowUnverified: true,
    });
    expect(npmrc.warnings.join()).toContain('PORTAL_PLUGINS_INSECURE_HOSTS');
  });
});

test('proxies are handed on, and their passwords are secrets', async () => {
  const npmrc = await read(
    'proxy=http://u:p%40ss@proxy.example:3128\nhttps-proxy=http://proxy.example\nnoproxy=a.example,b.example\n',
  );
  expect(npmrc).toMatchObject({
    proxy: 'http://u:p%40ss@proxy.example:3128',
    httpsProxy: 'http://proxy.example',
    noProxy: 'a.example,b.example',
    replaceRegistryHost: 'npmjs',
  });
  expect(npmrc.secrets).toEqual(['p%40ss', 'p@ss']);
});

test('reads ini as npm does: comments, quotes, blanks, BOM, CRLF, and nothing after a section', async () => {
  const text =
    '\ufeff; comment\r\n# comment\r\n  registry = "https://r.example/"  \r\n[section]\r\nregistry=https://other.example\r\n';
  const npmrc = await read(text);
  expect(npmrc.registryFor('x').href).toBe('https://r.example/');
  expect(npmrc.warnings.join()).toContain('line 4');
});

test('warns of always-auth, which never did what its name says', async () => {
  expect((await read('always-auth=true\n//r.example/:always-auth=true\n')).warnings).toHaveLength(1);
});

test.each([
  ['is not there', 'no-such-file'],
  ['is a directory', '.'],
])('a named file that %s is an error', async (_what, name) => {
  const error = await failureOf(readNpmrc(join(directory, name), {}, () => false));
  expect(error.reason).toBe('CredentialsInvalid');
  expect(error.details['file']).toBe(join(directory, name));
});

test('a file of more than a Secret can hold is refused', async () => {
  expect((await refusal(`# ${'x'.repeat(1024 * 1024)}`)).reason).toBe('CredentialsInvalid');
});
