import { describe, expect, test } from 'vitest';
import type { ParseContext } from '../../../installer/core/types.ts';
import { parseReference, SOURCES } from '../../../installer/sources/index.ts';
import { thrownBy, visible } from '../../support/thrown.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const context: ParseContext = {
  npmRegistry: () => new URL('https://registry.example/'),
  isInsecureHost: () => false,
  cwd: '/app',
};

describe('parseReference', () => {
  test.each([
    ['oci://ghcr.io/acme/todo:1.4.2', 'oci', false],
    [`oci://ghcr.io/acme/todo:1.4.2@${DIGEST}!plugins/todo`, 'oci', false],
    ['npm:@acme/todo@1.4.2', 'npm', false],
    ['@acme/todo', 'npm', false],
    ['todo@^1 <2', 'npm', false],
    ['todo@npm:@acme/todo@1', 'npm', false],
    ['https://files.example/x.tgz', 'https', false],
    ['todo@https://files.example/x.tgz', 'https', false],
    ['./dynamic-plugins/dist/todo', 'file', true],
    ['../todo.tgz', 'file', true],
    ['/opt/todo', 'file', true],
    ['file:./todo', 'file', true],
    ['todo@file:../todo', 'file', true],
  ])('reads %s as %s', (text, kind, isLocal) => {
    const reference = parseReference(text, context);
    expect(reference.kind).toBe(kind);
    expect(reference.isLocal).toBe(isLocal);
  });

  test.each([
    ['', 'dynamicPlugins'],
    ['   ', ''],
    [' npm:todo', 'npm:todo'],
    ['npm:todo\n', ''],
    ['OCI://ghcr.io/acme/todo:1', 'oci://ghcr.io/acme/todo:1'],
    ['Npm:todo', 'npm:todo'],
    ['HTTPS://files.example/x.tgz', 'https://files.example/x.tgz'],
    ['docker://ghcr.io/acme/todo:1', 'oci://ghcr.io/acme/todo:1'],
    ['git+ssh://git@github.com/acme/todo.git', 'OCI registry'],
    ['git://github.com/acme/todo.git', 'OCI registry'],
    ['github:acme/todo', 'OCI registry'],
    ['acme/todo', 'OCI registry'],
    ['git@github.com:acme/todo.git', 'OCI registry'],
    ['ghcr.io/acme/todo:1', 'oci://ghcr.io/acme/todo:1'],
    ['localhost:5000/todo:1', 'oci://localhost:5000/todo:1'],
    ['s3://bucket/todo.tgz', 'docs/sources.md'],
    ['javascript:alert(1)', 'docs/sources.md'],
    ['todo.tgz', './todo.tgz'],
    ['x'.repeat(5000), ''],
  ])('refuses %j and says what to write', (text, fix) => {
    const error = thrownBy(() => parseReference(text, context));
    expect(error.reason).toBe('ReferenceInvalid');
    if (fix !== 'dynamicPlugins') expect(error.fix).toContain(fix);
    expect(error.fix).not.toBe('');
  });

  test.each([
    'https://user:hunter2@files.example/x.tgz',
    'HTTPS://user:hunter2@files.example/x.tgz',
    'oci://user:hunter2@ghcr.io/acme/todo:1',
    'docker://user:hunter2@ghcr.io/acme/todo:1',
    'todo@https://user:hunter2@files.example/x.tgz',
    'git+https://user:hunter2@github.com/acme/todo.git',
    's3://user:hunter2@bucket/todo.tgz',
    ' https://user:hunter2@files.example/x.tgz',
  ])('does not repeat the password of %s', (text) => {
    expect(visible(thrownBy(() => parseReference(text, context)))).not.toContain('hunter2');
  });
});

test('asks npm last, since bare specs have no mark', () => {
  expect(SOURCES.at(-1)?.kind).toBe('npm');
});

test.each([
  ['npm:@acme/todo@1.4.2', 0],
  ['npm:@acme/todo@^1', 1],
  ['npm:@acme/todo', 1],
  ['npm:x@npm:@acme/todo@1.4.2', 1],
  ['npm:x@npm:@acme/todo@next', 2],
])('%s comes with %i warnings', (text, count) => {
  expect(parseReference(text, context).warnings).toHaveLength(count);
});

test('an alias is its target to policy, identity and text', () => {
  const reference = parseReference('npm:x@npm:@acme/todo@1.4.2', context);
  expect(reference).toMatchObject({
    text: 'npm:@acme/todo@1.4.2',
    identity: 'npm:@acme/todo',
    origin: { scheme: 'npm', name: '@acme/todo', registry: 'https://registry.example/' },
  });
});
