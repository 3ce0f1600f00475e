/** Summaries, failures and events for tests of what a run says about itself. */
import { InstallError, type ErrorDetails } from '../../installer/core/errors.ts';
import type { Failure, ResultRow, RunEvent, RunSummary } from '../../installer/core/events.ts';
import { exitCodeOf } from '../../installer/core/exit.ts';
import type { Reason } from '../../installer/core/reasons.ts';

export const SET = 'sha256:3f9a0c1d22ab';
export const EXPECTED = `sha512-${'E'.repeat(86)}==`;
export const COMPUTED = `sha512-${'C'.repeat(86)}==`;

/** The failure of docs/contracts.md, "Termination message". */
export function integrityMismatch(details: ErrorDetails = {}): InstallError {
  const from = 'https://npm.acme.internal/@acme/backstage-plugin-todo/-/backstage-plugin-todo-1.4.2.tgz';
  const cause = "the registry's own record matches the download, so the pinned value is stale or wrong";
  return new InstallError('IntegrityMismatch', `${from} does not have the demanded hash: ${cause}`, {
    details: {
      expected: EXPECTED,
      computed: COMPUTED,
      bytes: 1900,
      from,
      cause,
      fix: 'check the release, then set dynamicPlugins.plugins[3].integrity to the computed value',
      ...details,
    },
  });
}

export function failureOf(error: InstallError, index = 3, overrides: Partial<Failure> = {}): Failure {
  const path = `dynamicPlugins.plugins[${index}]`;
  const entry = { package: '@acme/backstage-plugin-todo@1.4.2', index, path, kind: 'npm' };
  return { error, entry, tolerated: false, ...overrides };
}

/** A failure of the run itself. */
export function runFailure(reason: Reason, message: string, details: ErrorDetails = {}): Failure {
  return { error: new InstallError(reason, message, { details }), tolerated: false };
}

/** The exit code follows from the failures that are not tolerated. */
export function summaryOf(failures: readonly Failure[] = [], overrides: Partial<RunSummary> = {}): RunSummary {
  const rejected = failures.filter((failure) => failure.entry !== undefined).length;
  return {
    command: 'install',
    exitCode: exitCodeOf(failures.filter((failure) => !failure.tolerated).map((failure) => failure.error.exit)),
    set: SET,
    installed: failures.length === 0 ? 2 : 0,
    cached: failures.length === 0 ? 5 : 0,
    rejected,
    skipped: 0,
    removed: 0,
    total: 7,
    bytes: 1_900_000,
    durationMs: 3400,
    continueOnError: false,
    failures,
    rows: [],
    ...overrides,
  };
}

export function rowOf(index: number, overrides: Partial<ResultRow> = {}): ResultRow {
  return {
    index,
    package: `npm:@acme/plugin-${index}@1.0.0`,
    name: `@acme/plugin-${index}`,
    version: '1.0.0',
    status: 'installed',
    bytes: 12_345,
    files: 3,
    ms: 120,
    reason: undefined,
    ...overrides,
  };
}

/** One event of every name, with `text` wherever a stranger's text can get into one. */
export function everyEvent(text: string): readonly RunEvent[] {
  const subject = { package: text, index: 0 };
  const error = new InstallError('RegistryUnavailable', text, {
    details: { from: text, expected: text, computed: text, cause: text, fix: text, names: [text, text] },
  });
  const failures = [failureOf(error), runFailure('ListInvalid', text, { problems: [text, text] })];
  return [
    {
      event: 'startup',
      configFile: text,
      root: text,
      continueOnError: true,
      pluginCount: 1,
      allowedSources: 0,
      version: text,
    },
    { event: 'startup_permissive_mode' },
    { event: 'plugin_started', ...subject },
    { event: 'plugin_retry', attempt: 1, attempts: 5, code: text, waitMs: 10, message: text, ...subject },
    { event: 'plugin_cached', name: text, version: text, dest: text, ...subject },
    {
      event: 'plugin_installed',
      name: text,
      version: text,
      dest: text,
      integrity: text,
      bytes: 1,
      files: 1,
      durationMs: 1,
      verifyOnly: false,
      ...subject,
    },
    { event: 'plugin_skipped', ...subject },
    { event: 'plugin_rejected', error, durationMs: 1, tolerated: false, kind: 'oci', path: text, ...subject },
    { event: 'plugin_removed', dest: text },
    { event: 'note', level: 'warn', text, subject },
    { event: 'progress', step: 'fetch', bytes: 1, total: 2, ...subject },
    {
      event: 'completed',
      summary: summaryOf(failures, {
        rows: [rowOf(0, { package: text, name: text, version: text, reason: text, status: 'rejected' })],
      }),
    },
  ];
}
