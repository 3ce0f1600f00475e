import { chmod, link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Parser } from 'tar';
import { integrityCheck } from '../../../installer/verify/integrity.ts';
import type { ParseContext, Pinned, Reference } from '../../../installer/core/types.ts';
import { fileSource } from '../../../installer/sources/file.ts';
import { testContext } from '../../support/context.ts';
import { testEntry } from '../../support/entries.ts';
import { failureOf } from '../../support/http.ts';
import { npmTarball, sriOf } from '../../support/tarball.ts';
import { thrownBy } from '../../support/thrown.ts';
import { asUnprivileged } from '../../support/unprivileged.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'file-source-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const context = (): ParseContext => ({
  npmRegistry: () => new URL('https://registry.example/'),
  isInsecureHost: () => false,
  cwd,
});
const parse = (text: string): Reference => {
  const reference = fileSource.parse(text, context());
  if (reference === undefined) throw new Error(`${text} is not a local reference`);
  return reference;
};
const pin = (text: string): Promise<Pinned> => parse(text).resolve(testEntry(0), testContext());

async function read(pinned: Pinned): Promise<Buffer> {
  const body = await pinned.parts[0]?.open(testContext(), { offset: 0, validator: undefined });
  const chunks: Uint8Array[] = [];
  for await (const chunk of body?.stream ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Type and path of every tar entry. */
async function entriesOf(tar: Buffer): Promise<readonly string[]> {
  const seen: string[] = [];
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      seen.push(`${entry.type} ${entry.path}${entry.linkpath === undefined ? '' : ` -> ${entry.linkpath}`}`);
      entry.resume();
    },
  });
  await new Promise((resolve, reject) => {
    parser.on('end', resolve);
    parser.on('error', reject);
    parser.end(tar);
  });
  return seen.sort();
}

describe('a local reference', () => {
  test.each([
    ['./plugins/todo', 'plugins/todo'],
    ['.', ''],
    ['./a/../b', 'b'],
    ['file:plugins/todo', 'plugins/todo'],
    ['file:./plugins/todo', 'plugins/todo'],
    ['file:./with%20blank', 'with blank'],
    ['./with blank', 'with blank'],
  ])('%s is relative to the working directory', (text, path) => {
    const reference = parse(text);
    expect(reference.origin).toEqual({ scheme: 'file', path: join(cwd, path).replace(/\/$/, '') });
    expect(reference.isLocal).toBe(true);
  });

  test.each([
    ['/opt/plugins/todo', '/opt/plugins/todo'],
    ['file:/opt/plugins/todo', '/opt/plugins/todo'],
    ['file:///opt/plugins/todo', '/opt/plugins/todo'],
  ])('%s is absolute', (text, path) => {
    expect(parse(text).origin).toEqual({ scheme: 'file', path });
  });

  test.each([
    'file:',
    'FILE:./x',
    'file://host/x',
    'file://./x',
    'file:~/x',
    'file:./x?y',
    'file:./x#y',
    'file:./a%2fb',
    'file:./a%00b',
    'file:./%zz',
    './a\u0000b',
    './a\nb',
  ])('is refused when written as %j', (text) => {
    expect(thrownBy(() => parse(text)).reason).toBe('ReferenceInvalid');
  });

  test.each(['x', '@a/b', '.hidden', '..x', 'oci://ghcr.io/a:1', 'https://x.example/y'])(
    'leaves %s to others',
    (text) => {
      expect(fileSource.parse(text, context())).toBeUndefined();
    },
  );
});

describe('a local archive', () => {
  test('is read as it is, and announces its size', async () => {
    const bytes = npmTarball({ 'package.json': '{}' });
    await writeFile(join(cwd, 'x.tgz'), bytes);
    const pinned = await pin('./x.tgz');
    expect(pinned.parts[0]?.claims).toEqual({ bytes: bytes.length });
    expect(await read(pinned)).toEqual(bytes);
  });

  test('is one download under two names', async () => {
    await writeFile(join(cwd, 'x.tgz'), 'x');
    await symlink('x.tgz', join(cwd, 'y.tgz'));
    expect((await pin('./x.tgz')).key).toBe((await pin('./y.tgz')).key);
  });

  test('that disappears between look-up and reading is a failure with a reason', async () => {
    await writeFile(join(cwd, 'x.tgz'), 'x');
    const pinned = await pin('./x.tgz');
    await rm(join(cwd, 'x.tgz'));
    expect((await failureOf(read(pinned))).reason).toBe('PackageNotFound');
  });
});

describe('a local directory', () => {
  test('is a tar stream below package/, links unfollowed, node_modules inside', async () => {
    await mkdir(join(cwd, 'todo/node_modules/dep'), { recursive: true });
    await mkdir(join(cwd, 'todo/dist'));
    await writeFile(join(cwd, 'todo/package.json'), '{}');
    await writeFile(join(cwd, 'todo/dist/a.js'), 'a');
    await link(join(cwd, 'todo/dist/a.js'), join(cwd, 'todo/dist/b.js'));
    await writeFile(join(cwd, 'todo/node_modules/dep/index.js'), 'dep');
    await symlink('../../etc', join(cwd, 'todo/out'));
    await writeFile(join(cwd, 'todo', `${'n'.repeat(200)}.js`), 'long');
    const found = await entriesOf(await read(await pin('./todo')));
    expect(found.filter((line) => !/dist\/[ab]\.js/.test(line))).toEqual([
      'Directory package/',
      'Directory package/dist/',
      'Directory package/node_modules/',
      'Directory package/node_modules/dep/',
      `File package/${'n'.repeat(200)}.js`,
      'File package/node_modules/dep/index.js',
      'File package/package.json',
      'SymbolicLink package/out -> ../../etc',
    ]);
    const twins = found.filter((line) => /dist\/[ab]\.js/.test(line));
    expect(twins).toHaveLength(2);
    expect(twins.filter((line) => line.startsWith('Link package/dist/'))).toHaveLength(1);
  });

  test('has no integrity to check', async () => {
    const check = integrityCheck(sriOf(Buffer.from('x')));
    const error = await failureOf(parse('.').resolve(testEntry(3, { checks: [check] }), testContext()));
    expect(error.reason).toBe('ListInvalid');
    expect(error.details['key']).toBe('plugins[3].integrity');
  });

  test('that holds a socket is refused while it is read', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(join(cwd, 's'), resolve);
    });
    try {
      expect((await failureOf(read(await pin('.')))).reason).toBe('EntryTypeForbidden');
    } finally {
      server.close();
    }
  });

  test('that holds an unreadable file fails while it is read', async () => {
    await writeFile(join(cwd, 'secret'), 'x');
    await chmod(join(cwd, 'secret'), 0);
    await chmod(cwd, 0o755);
    const error = await asUnprivileged(async () => failureOf(read(await pin('.'))));
    expect(error.reason).toBe('FileUnreadable');
  });
});

test.each([
  ['a path that is not there', './none', 'PackageNotFound'],
  ['a path below a file', './file/x', 'PackageNotFound'],
  ['a link to nowhere', './dangling', 'PackageNotFound'],
  ['a link to itself', './loop', 'FileUnreadable'],
  ['a device', '/dev/zero', 'FileUnreadable'],
  ['the kernel', '/proc/self', 'FileUnreadable'],
  ['a link into the kernel', './kernel', 'FileUnreadable'],
  ['a socket', './socket', 'FileUnreadable'],
])('%s has a reason', async (_what, text, reason) => {
  await writeFile(join(cwd, 'file'), 'x');
  await truncate(join(cwd, 'file'), 0);
  await symlink('none', join(cwd, 'dangling'));
  await symlink('loop', join(cwd, 'loop'));
  await symlink('/proc/self', join(cwd, 'kernel'));
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(join(cwd, 'socket'), resolve);
  });
  try {
    const error = await failureOf(pin(text));
    expect(error.reason).toBe(reason);
    expect(error.details['path']).toBeDefined();
  } finally {
    server.close();
  }
});
