/** Every reason is told by the program somewhere, and some test demands that it is told. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REASONS, type Reason, snakeCase } from '../installer/core/reasons.ts';
import { filesBelow, PROJECT } from './support/documents.ts';
import { installerFiles } from './support/imports.ts';

/**
 * Reserved: the code that throws it is there, but nothing can reach it while one portal family is registered (formats/index.ts). A second
 * family makes the last test of this file fail until a test asserts it.
 */
const RESERVED: ReadonlySet<Reason> = new Set<Reason>(['FormatAmbiguous']);

const REASON_NAMES = Object.keys(REASONS) as Reason[]; // keys of a constant object literal
/** Where reasons are declared, not told. */
const DECLARED = new Set(['core/reasons.ts', 'core/types.ts', 'core/exit.ts']);
const SOURCES = installerFiles().filter(({ path, folder }) => folder !== 'tools' && !DECLARED.has(path));
/** Tests of the texts about reasons name all of them and demand nothing. */
const ABOUT_TEXTS =
  /^test\/(?:[^/]+\.test\.ts|unit\/report\/(?:explain|log-line|pretty|logfmt|redactor)\.test\.ts|fuzz\/)/;
const TESTS = filesBelow('test', ['.test.ts'])
  .filter((path) => !ABOUT_TEXTS.test(path))
  .map((path) => readFileSync(join(PROJECT, path), 'utf8'));

/** Quoted and not merely compared with: `reason === 'X'` reacts to a reason that somebody else throws. */
function tells(code: string, reason: Reason): boolean {
  return new RegExp(`(?<![!=]==\\s*)'${reason}'`).test(code);
}

/**
 * `reason: 'X'`, `toBe('X')`, `rejects…('X')`, a row of a table of cases (`[…, 'X'`), or the snake_case form in an assertion about a line
 * of the log.
 */
function demands(text: string, reason: Reason): boolean {
  const quoted = `['"\`]${reason}['"\`]`;
  const forms = [
    `reason: ${quoted}`,
    `(?:toBe|toEqual|toContain|toHaveProperty|toMatchObject)\\([^)]*${quoted}`,
    `[\\[,{]\\s*${quoted}`,
    `: ${quoted}`,
    `expect\\([^\\n]*${quoted}`,
    `(?:reason|code)\\w*['"]?\\]?[^\\n]*['"=]${snakeCase(reason)}\\b`,
  ];
  return forms.some((form) => new RegExp(form).test(text));
}

test.each(REASON_NAMES)('%s is told somewhere in the program', (reason) => {
  expect(SOURCES.filter(({ code }) => tells(code, reason)).map(({ path }) => path)).not.toEqual([]);
});

test.each(REASON_NAMES.filter((reason) => !RESERVED.has(reason)))('%s is demanded by a test', (reason) => {
  expect(TESTS.some((text) => demands(text, reason))).toBe(true);
});

test('the program throws no reason that the table does not have', () => {
  const thrown = SOURCES.flatMap(({ path, code }) =>
    [...code.matchAll(/new InstallError\(\s*'(\w+)'/g)].map(([, reason = '']) => ({ path, reason })),
  );
  expect(thrown.length).toBeGreaterThan(50);
  expect(thrown.filter(({ reason }) => !Object.hasOwn(REASONS, reason))).toEqual([]);
});

test('a reserved reason is one that no test can reach yet', async () => {
  const { FORMATS } = await import('../installer/formats/index.ts');
  expect(FORMATS.map(({ family }) => family)).toEqual(['backstage']);
  for (const reason of RESERVED)
    expect(
      TESTS.some((text) => demands(text, reason)),
      reason,
    ).toBe(false);
});
