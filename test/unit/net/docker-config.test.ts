import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OciCredential } from '../../../installer/core/context.ts';
import { createDockerCredentials, type DockerCredentials } from '../../../installer/net/docker-config.ts';
import { failureOf } from '../../support/http.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'docker-config-'));
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

interface Options {
  readonly helperDir?: string;
  readonly optional?: readonly string[];
}

/** Credentials from files with these contents, in this order: `0.json`, `1.json`, … */
async function reading(
  files: readonly unknown[],
  { helperDir, optional = [] }: Options = {},
): Promise<DockerCredentials> {
  const paths = files.map((_file, at) => join(directory, `${at}.json`));
  for (const [at, file] of files.entries()) {
    await writeFile(paths[at] ?? '', typeof file === 'string' ? file : JSON.stringify(file));
  }
  return createDockerCredentials({
    registryAuthFiles: [
      ...paths.map((path) => ({ path, isRequired: true })),
      ...optional.map((path) => ({ path, isRequired: false })),
    ],
    npmrc: undefined,
    npmrcVariables: {},
    credentialHelperDir: helperDir,
  });
}

const auth = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString('base64') });
const keyed = (...keys: string[]): unknown => ({
  auths: Object.fromEntries(keys.map((key) => [key, auth(`${key}:pw`)])),
});

/** Labels without the directory of this test. */
async function labels(
  credentials: DockerCredentials,
  registry: string,
  repository: string,
): Promise<readonly string[]> {
  const found = await credentials.oci(registry, repository);
  return found.map(({ label }) => label.replace(`${directory}/`, ''));
}

describe('a key', () => {
  test.each([
    ['ghcr.io/my-org', 'ghcr.io', 'my-org/x', true],
    ['ghcr.io/my-org', 'ghcr.io', 'my-org', true],
    ['ghcr.io/my-org', 'ghcr.io', 'my-org-evil/x', false],
    ['ghcr.io/my-org', 'ghcr.io', 'other/x', false],
    ['ghcr.io/my-org/', 'ghcr.io', 'my-org/x', true],
    ['ghcr.io', 'ghcr.io.evil.com', 'x', false],
    ['ghcr.io', 'evil-ghcr.io', 'x', false],
    ['GHCR.IO', 'ghcr.io', 'x', true],
    ['https://ghcr.io', 'ghcr.io', 'x', true],
    ['https://ghcr.io/v1/', 'ghcr.io', 'x', true],
    ['http://ghcr.io/v2', 'ghcr.io', 'x', true],
    ['ghcr.io/v3', 'ghcr.io', 'x', false],
    ['ghcr.io:443', 'ghcr.io', 'x', true],
    ['registry.corp:5000', 'registry.corp', 'x', false],
    ['registry.corp', 'registry.corp:5000', 'x', false],
    ['registry.corp:5000', 'registry.corp:5000', 'x', true],
    ['[::1]:5000', '[::1]:5000', 'x', true],
    ['*.jfrog.io', 'acme.jfrog.io', 'x', true],
    ['*.jfrog.io', 'jfrog.io', 'x', false],
    ['*.jfrog.io', 'a.b.jfrog.io', 'x', false],
    ['app*-eu.jfrog.io', 'app17-eu.jfrog.io', 'x', true],
    ['app*-eu.jfrog.io', 'app17-us.jfrog.io', 'x', false],
    ['a*a.io', 'a.io', 'x', false],
    ['*', 'localhost', 'x', true],
    ['https://index.docker.io/v1/', 'docker.io', 'library/busybox', true],
    ['docker.io', 'docker.io', 'acme/x', true],
    ['registry-1.docker.io', 'docker.io', 'acme/x', true],
    ['https://index.docker.io/v1/access-token', 'docker.io', 'acme/x', false],
    ['ghcr.io/My-Org', 'ghcr.io', 'my-org/x', false],
  ])('%s for %s/%s applies: %s', async (key, registry, repository, applies) => {
    const credentials = await reading([keyed(key)]);
    expect((await credentials.oci(registry, repository)).length).toBe(applies ? 1 : 0);
  });

  test('with more path segments comes first, an exact host before a wildcard, then file order', async () => {
    const credentials = await reading([keyed('*.io', 'quay.io', 'quay.io/team'), keyed('quay.io', 'quay.io/team/x')]);
    expect(await labels(credentials, 'quay.io', 'team/x/y')).toEqual([
      '1.json:quay.io/team/x',
      '0.json:quay.io/team',
      '0.json:quay.io',
      '1.json:quay.io',
      '0.json:*.io',
    ]);
  });

  test.each([
    '',
    'user:pw@ghcr.io',
    'ghcr.io/*/x',
    'ghcr.io//x',
    'gh cr.io',
    'ghcr.io?x',
    'ftp://ghcr.io',
    'ghcr.io:x',
    '[::1',
  ])('%j is refused, and nothing before an @ is repeated', async (key) => {
    const failure = await failureOf((await reading([keyed(key)])).validate());
    expect(failure).toMatchObject({ reason: 'CredentialsInvalid', details: { file: join(directory, '0.json') } });
    expect(failure.message).not.toContain('pw');
  });
});

const first = async (entry: unknown): Promise<OciCredential | undefined> =>
  (await (await reading([{ auths: { 'r.example': entry } }])).oci('r.example', 'x'))[0];

describe('an entry', () => {
  test.each([
    ['auth', auth('user:pass:word'), { kind: 'basic', username: 'user', password: 'pass:word' }],
    ['unpadded auth', { auth: 'dXNlcjpwYXNz' }, { kind: 'basic', username: 'user', password: 'pass' }],
    ['auth without its padding', { auth: 'dTpwdw' }, { kind: 'basic', username: 'u', password: 'pw' }],
    [
      'auth with a line break at its end',
      { auth: `${auth('u:p').auth}\n` },
      { kind: 'basic', username: 'u', password: 'p' },
    ],
    ['auth padded with NULs', auth('u:p\0\0'), { kind: 'basic', username: 'u', password: 'p' }],
    [
      'auth before username and password',
      { ...auth('a:b'), username: 'c', password: 'd' },
      { kind: 'basic', username: 'a', password: 'b' },
    ],
    ['username and password', { username: 'u', password: 'p:w' }, { kind: 'basic', username: 'u', password: 'p:w' }],
    ['a user <token>', auth('<token>:idt'), { kind: 'identity-token', token: 'idt' }],
    [
      'identitytoken',
      { ...auth('00000000-0000-0000-0000-000000000000:'), identitytoken: 'idt' },
      { kind: 'identity-token', token: 'idt' },
    ],
    ['registrytoken', { registrytoken: 'reg', ...auth('u:p') }, { kind: 'registry-token', token: 'reg' }],
    ['a password outside ASCII', auth('u:pä'), { kind: 'basic', username: 'u', password: 'pä' }],
  ])('with %s', async (_name, entry, expected) => {
    expect(await first(entry)).toMatchObject(expected);
  });

  test.each([
    ['empty', {}],
    ['with an empty auth', { auth: '' }],
    ['with an auth of nobody', auth(':')],
    ['with only an email', { email: 'a@b.c' }],
  ])('that is %s is skipped', async (_name, entry) => {
    expect(await first(entry)).toBeUndefined();
  });

  test.each([
    ['no base64', { auth: '!!!' }],
    ['base64 with a remainder', { auth: 'dXNlcjpwYXNzY' }],
    ['base64 without a colon', auth('s3cret')],
    ['an auth that is no text', { auth: 7 }],
    ['a colon in the user name', { username: 's3cret:x', password: 'p' }],
    ['a line break in a token', { registrytoken: 's3cret\r\nX: y' }],
    ['no object', 's3cret'],
    ['null', null],
  ])('with %s is CredentialsInvalid, naming file and key and no content', async (_name, entry) => {
    const failure = await failureOf(first(entry));
    expect(failure).toMatchObject({ reason: 'CredentialsInvalid', details: { file: join(directory, '0.json') } });
    expect(failure.message).toContain('r.example');
    expect(JSON.stringify([failure.message, failure.details, String(failure.cause)])).not.toContain('s3cret');
  });
});

describe('a file', () => {
  test('in the legacy form is the map itself', async () => {
    const credentials = await reading([{ 'https://index.docker.io/v1/': { ...auth('u:p'), email: 'a@b.c' } }]);
    expect(await credentials.oci('docker.io', 'acme/x')).toMatchObject([{ username: 'u', password: 'p' }]);
  });

  test('without credentials is fine, whatever else it configures', async () => {
    const credentials = await reading([
      {},
      { HttpHeaders: { 'User-Agent': 'x' }, psFormat: 'table' },
      { auths: {} },
      { auths: null },
    ]);
    expect(await credentials.oci('ghcr.io', 'x')).toEqual([]);
  });

  test('with a byte order mark is read', async () => {
    const credentials = await reading([`\uFEFF${JSON.stringify(keyed('ghcr.io'))}`]);
    expect(await credentials.oci('ghcr.io', 'x')).toHaveLength(1);
  });

  test.each([
    ['no JSON', '{"auths": {"r.example": {"auth": "s3cret'],
    ['an array', '[]'],
    ['empty', ''],
    ['a number', '7'],
    ['auths that are an array', '{"auths":[]}'],
    ['a credHelpers value that is a path', '{"credHelpers":{"r.example":"../../evil"}}'],
    ['a credsStore that is no name', '{"credsStore":"a b"}'],
    ['larger than a Secret', `{"x":"${'x'.repeat(1024 * 1024)}"}`],
  ])('that is %s is CredentialsInvalid, naming it and never its content', async (_name, text) => {
    const failure = await failureOf((await reading([text])).validate());
    expect(failure).toMatchObject({ reason: 'CredentialsInvalid', details: { file: join(directory, '0.json') } });
    expect(JSON.stringify([failure.message, failure.details, String(failure.cause)])).not.toContain('s3cret');
  });

  test('that is missing is CredentialsInvalid when it was named, and nothing when it is a default', async () => {
    const missing = join(directory, 'no', 'config.json');
    const named = createDockerCredentials({
      registryAuthFiles: [{ path: missing, isRequired: true }],
      npmrc: undefined,
      npmrcVariables: {},
      credentialHelperDir: undefined,
    });
    await expect(named.validate()).rejects.toMatchObject({ reason: 'CredentialsInvalid', details: { file: missing } });
    await expect((await reading([], { optional: [missing] })).validate()).resolves.toBeUndefined();
  });

  test('that is a directory is CredentialsInvalid, also as a default', async () => {
    await mkdir(join(directory, 'config.json'));
    const credentials = await reading([], { optional: [join(directory, 'config.json')] });
    await expect(credentials.validate()).rejects.toMatchObject({ reason: 'CredentialsInvalid' });
  });

  test('is read once, when it is first needed', async () => {
    const credentials = await reading([keyed('ghcr.io')]);
    expect(await credentials.oci('ghcr.io', 'x')).toHaveLength(1);
    await writeFile(join(directory, '0.json'), 'broken since');
    expect(await credentials.oci('ghcr.io', 'x')).toHaveLength(1);
    await credentials.validate();
  });

  test('named twice counts once', async () => {
    const credentials = await reading([keyed('ghcr.io')], { optional: [join(directory, '0.json')] });
    expect(await credentials.oci('ghcr.io', 'x')).toHaveLength(1);
  });
});

/** A helper that prints `output` for the server on its standard input. */
async function helper(name: string, script: string): Promise<string> {
  const path = join(directory, `docker-credential-${name}`);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return directory;
}

describe('a credential helper', () => {
  const config = {
    credHelpers: { 'r.example': 'fake' },
    credsStore: 'store',
    auths: { 'kept.example': {}, 'plain.example': auth('u:p') },
  };

  const credential = `read -r server; printf '{"ServerURL":"%s","Username":"%s","Secret":"p"}' "$server" "$server"`;
  // The helper's PATH is its own directory, so it can use nothing but what the shell has built in.

  test('is not run without a configured directory: the failure says what works in a pod', async () => {
    const credentials = await reading([config]);
    for (const registry of ['r.example', 'kept.example']) {
      const failure = await failureOf(credentials.oci(registry, 'x'));
      expect(failure.reason).toBe('CredentialsInvalid');
      expect(failure.fix).toContain('dockerconfigjson');
    }
    expect(await credentials.oci('plain.example', 'x')).toHaveLength(1);
    expect(await credentials.oci('other.example', 'x')).toEqual([]);
  });

  test('gives user and secret for the server of its key', async () => {
    const credentials = await reading([config], { helperDir: await helper('fake', credential) });
    expect(await credentials.oci('r.example', 'x')).toMatchObject([
      { kind: 'basic', username: 'r.example', password: 'p', label: `${directory}/0.json:docker-credential-fake` },
    ]);
  });

  test('answers as the store for keys whose secret is kept elsewhere', async () => {
    const credentials = await reading([config], { helperDir: await helper('store', credential) });
    expect(await credentials.oci('kept.example', 'x')).toMatchObject([{ username: 'kept.example' }]);
  });

  test('with the user <token> gives an identity token', async () => {
    const script = `printf '{"ServerURL":"","Username":"<token>","Secret":"idt"}'`;
    const credentials = await reading([config], { helperDir: await helper('fake', script) });
    expect(await credentials.oci('r.example', 'x')).toMatchObject([{ kind: 'identity-token', token: 'idt' }]);
  });

  test('that knows no credential leaves the registry anonymous', async () => {
    const script = `printf 'credentials not found in native keychain'; exit 1`;
    const credentials = await reading([config], { helperDir: await helper('fake', script) });
    expect(await credentials.oci('r.example', 'x')).toEqual([]);
  });

  test.each([
    ['fails', `printf s3cret; exit 3`],
    ['prints no JSON', `printf 's3cret'`],
    ['prints another shape', `printf '{"Secret":"s3cret"}'`],
    ['prints more than 64 KiB', `i=0; while [ $i -lt 2000 ]; do printf '%050d' 0; i=$((i+1)); done`],
    ['does not exist', undefined],
  ])('that %s is CredentialsInvalid, and its output is not repeated', async (_name, script) => {
    const helperDir = script === undefined ? directory : await helper('fake', script);
    const failure = await failureOf((await reading([config], { helperDir })).oci('r.example', 'x'));
    expect(failure).toMatchObject({ reason: 'CredentialsInvalid', details: { helper: 'fake' } });
    expect(JSON.stringify([failure.message, failure.details, String(failure.cause)])).not.toContain('s3cret');
  });

  test('sees nothing of the environment but its own directory as PATH', async () => {
    process.env['PORTAL_TEST_SECRET'] = 's3cret';
    const script = `printf '{"ServerURL":"","Username":"%s","Secret":"%s"}' "$PORTAL_TEST_SECRET" "$PATH"`;
    const credentials = await reading([config], { helperDir: await helper('fake', script) });
    expect(await credentials.oci('r.example', 'x')).toMatchObject([{ username: '', password: directory }]);
    delete process.env['PORTAL_TEST_SECRET'];
  });

  test('is run once for each server, however many repositories ask', async () => {
    const script = `printf x >> "$PATH/count"; ${credential}`;
    const credentials = await reading([config], { helperDir: await helper('fake', script) });
    await Promise.all([credentials.oci('r.example', 'x'), credentials.oci('r.example', 'y')]);
    expect(await readFile(join(directory, 'count'), 'utf8')).toBe('x');
  });
});
