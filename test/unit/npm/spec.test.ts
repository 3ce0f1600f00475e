import { describe, expect, test } from 'vitest';
import { parseNpmSpec } from '../../../installer/npm/spec.ts';
import { thrownBy, visible } from '../../support/thrown.ts';

describe('parseNpmSpec', () => {
  test.each([
    ['todo', 'todo', 'range', '*'],
    ['todo@', 'todo', 'range', '*'],
    ['npm:todo', 'todo', 'range', '*'],
    ['@acme/todo', '@acme/todo', 'range', '*'],
    ['npm:@acme/todo@1.4.2', '@acme/todo', 'version', '1.4.2'],
    ['todo@v1.4.2', 'todo', 'version', '1.4.2'],
    ['todo@=1.4.2', 'todo', 'version', '1.4.2'],
    ['todo@1.4.2+build.7', 'todo', 'version', '1.4.2'],
    ['todo@1.0.0-rc.1', 'todo', 'version', '1.0.0-rc.1'],
    ['todo@1.4', 'todo', 'range', '1.4'],
    ['todo@^1 || ~2.1', 'todo', 'range', '^1 || ~2.1'],
    ['todo@>=1 <2', 'todo', 'range', '>=1 <2'],
    ['todo@latest', 'todo', 'tag', 'latest'],
    ['constructor@1.0.0', 'constructor', 'version', '1.0.0'],
  ])('reads %s', (text, name, type, value) => {
    expect(parseNpmSpec(text)).toEqual({ kind: 'registry', name, wanted: { type, value }, alias: undefined });
  });

  test('lets the target of an alias count', () => {
    expect(parseNpmSpec('npm:x@npm:@acme/y@1.0.0')).toEqual({
      kind: 'registry',
      name: '@acme/y',
      wanted: { type: 'version', value: '1.0.0' },
      alias: 'x',
    });
  });

  test.each([
    ['todo@https://host.example/x.tgz', 'https://host.example/x.tgz'],
    ['todo@file:./x.tgz', 'file:./x.tgz'],
    ['todo@./dir', './dir'],
    ['todo@../dir', '../dir'],
    ['todo@/opt/dir', '/opt/dir'],
  ])('hands %s to the source it belongs to', (text, reference) => {
    expect(parseNpmSpec(text)).toEqual({ kind: 'elsewhere', reference });
  });

  test.each([
    '',
    'npm:',
    'a/b',
    'a/b#semver:^1',
    'github:a/b',
    'todo@a/b',
    'todo@github:a/b',
    'todo@git+ssh://git@host.example/a.git',
    'git@github.com:a/b.git',
    'npm:npm:todo',
    'npm:./dir',
    'npm:https://host.example/x.tgz',
    'x@npm:y@npm:z',
    'x@npm:',
    'x@npm:a/b',
    'todo@~/dir',
    'todo@ftp://host.example/x',
    'todo@oci://host.example/x',
    'todo@no tag',
    'todo@1@2',
    '.hidden',
    '_private',
    'node_modules',
    '@acme',
    '@acme/',
    '@/todo',
    '@acme/a/b',
    '__proto__',
    'todo.tgz',
    `todo@${'>=1 '.repeat(1000)}`,
  ])('refuses %s', (text) => {
    expect(thrownBy(() => parseNpmSpec(text)).reason).toBe('ReferenceInvalid');
  });

  test.each([
    ['ghcr.io/acme/todo:1', 'oci://ghcr.io/acme/todo:1'],
    ['todo.tgz', './todo.tgz'],
    ['a/b', 'https://HOST/x.tgz'],
  ])('says what to write instead of %s', (text, fix) => {
    expect(thrownBy(() => parseNpmSpec(text)).fix).toContain(fix);
  });

  test.each(['todo@git+https://user:hunter2@host.example/a.git', 'todo@ftp://user:hunter2@host.example/x'])(
    'does not repeat the password of %s',
    (text) => {
      expect(visible(thrownBy(() => parseNpmSpec(text)))).not.toContain('hunter2');
    },
  );
});
