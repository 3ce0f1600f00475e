import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NODE_FILES } from '../../../installer/stage/file-operations.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'files-'));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});
const at = (name: string): string => join(base, name);
const withCode = (code: string): unknown => expect.objectContaining({ code });

test('modes are exact whatever the umask', () => {
  const before = process.umask(0o077);
  try {
    NODE_FILES.write(at('file'), 'x', 0o644);
    NODE_FILES.makeDirectory(at('directory'), 0o755);
  } finally {
    process.umask(before);
  }
  expect([statSync(at('file')).mode & 0o7777, statSync(at('directory')).mode & 0o7777]).toEqual([0o644, 0o755]);
});

test('a new file never replaces anything, nor goes through a link', () => {
  writeFileSync(at('there'), 'theirs');
  symlinkSync('elsewhere', at('link'));
  expect(() => NODE_FILES.write(at('there'), 'x', 0o644)).toThrow(withCode('EEXIST'));
  expect(() => NODE_FILES.write(at('link'), 'x', 0o644)).toThrow(withCode('EEXIST'));
  expect(NODE_FILES.stat(at('elsewhere'))).toBeUndefined();
});

test('overwriting neither makes a file nor goes through a link', () => {
  writeFileSync(at('target'), 'before');
  symlinkSync('target', at('link'));
  expect(() => NODE_FILES.overwrite(at('missing'), 'x')).toThrow(withCode('ENOENT'));
  expect(() => NODE_FILES.overwrite(at('link'), 'x')).toThrow(withCode('ELOOP'));
  expect(readFileSync(at('target'), 'utf8')).toBe('before');
  NODE_FILES.overwrite(at('target'), 'after!');
  expect(readFileSync(at('target'), 'utf8')).toBe('after!');
});

describe('reading', () => {
  test('returns a whole regular file', () => {
    writeFileSync(at('file'), 'content');
    expect(NODE_FILES.read(at('file'), 7).toString()).toBe('content');
  });

  test('refuses what is larger than allowed, a link, a directory and a FIFO, and waits for none', () => {
    writeFileSync(at('file'), 'content');
    symlinkSync('file', at('link'));
    mkdirSync(at('directory'));
    execFileSync('mkfifo', [at('fifo')]);
    expect(() => NODE_FILES.read(at('file'), 6)).toThrow(withCode('EFBIG'));
    expect(() => NODE_FILES.read(at('link'), 100)).toThrow(withCode('ELOOP'));
    expect(() => NODE_FILES.read(at('directory'), 100)).toThrow(withCode('EINVAL'));
    expect(() => NODE_FILES.read(at('fifo'), 100)).toThrow(withCode('EINVAL'));
  });
});

test('stat sees a link and not its target, and nothing where nothing is', () => {
  symlinkSync('nowhere', at('link'));
  expect(NODE_FILES.stat(at('link'))?.isSymbolicLink()).toBe(true);
  expect(NODE_FILES.stat(at('nowhere'))).toBeUndefined();
});

test('fsync works on files and directories', async () => {
  writeFileSync(at('file'), '');
  await expect(NODE_FILES.sync(at('file'))).resolves.toBeUndefined();
  await expect(NODE_FILES.sync(base)).resolves.toBeUndefined();
  await expect(NODE_FILES.sync(at('missing'))).rejects.toThrow(withCode('ENOENT'));
});
