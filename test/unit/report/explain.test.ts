import { expect, test } from 'vitest';
import { REASONS, snakeCase } from '../../../installer/core/reasons.ts';
import { explain, explainAll, suggestReasons } from '../../../installer/report/explain.ts';

test.each(Object.entries(REASONS))('%s is explained by both of its names', (reason, row) => {
  const text = explain(reason);
  expect(text).toContain(row.what);
  expect(text).toContain(row.fix);
  expect(explain(snakeCase(reason))).toBe(text);
});

test('the whole list names every reason once', () => {
  const words = explainAll().split(/\s+/);
  for (const reason of Object.keys(REASONS)) expect(words.filter((word) => word === reason)).toHaveLength(1);
});

test('an exit code is explained by exactly its reasons', () => {
  const [title, ...lines] = (explain('66') ?? '').trimEnd().split('\n');
  expect(title).toBe('exit 66 (notFound), starting the pod again does not help');
  const expected = Object.entries(REASONS).filter(([, { exit }]) => exit === 66);
  expect(lines).toEqual(expected.map(([reason, { what }]) => `  ${reason}: ${what}`));
});

test('oci_pull_failed is explained by the codes that come with it', () => {
  expect(explain('oci_pull_failed')).toContain('auth_refused');
});

test.each(['continueOnError_false', 'allowedSources_unset_permissive'])(
  'a reason= of the log that is no failure is explained: %s',
  (mark) => {
    expect(explain(mark)).toMatch(new RegExp(`^${mark}: .+\n$`));
  },
);

test('one reason reads well', () => {
  expect(explain('integrity_mismatch')).toMatchInlineSnapshot(`
    "IntegrityMismatch
      what:   the bytes received do not have the pinned hash
      fix:    follow the cause in the message; accept the computed value only if the release is known to be good
      stage:  verify
      exit:   65 (trust), starting the pod again does not help
      policy: continueOnError may let the portal start without the plugin
      log:    reason=integrity_mismatch
    "
  `);
});

test.each(['Nonsense', '12', ''])('%j is nothing', (name) => {
  expect(explain(name)).toBeUndefined();
});

test('a name that is nearly right gets suggestions', () => {
  expect(suggestReasons('IntegrityWrong')[0]).toMatch(/^Integrity/);
  expect(suggestReasons('xyz')).toEqual([]);
});
