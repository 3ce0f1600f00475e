/** What the program says, for the documents: each text here stands in some document below `<!-- code: NAME -->`. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../installer/core/context.ts';
import { InstallError } from '../../installer/core/errors.ts';
import type { Failure, RunEvent, RunSummary } from '../../installer/core/events.ts';
import { explain } from '../../installer/report/explain.ts';
import { createReporter } from '../../installer/report/index.ts';
import { terminationMessage } from '../../installer/report/termination.ts';
import { CAUSES } from '../../installer/verify/diagnose.ts';
import { failureOf as failureOfList } from './list.ts';
import { failureOf, SET, summaryOf } from './run-summary.ts';

/** The texts by name, without the last line feed. */
export async function docSnippets(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['termination-integrity', message(summaryOf([mismatch()]))],
    ['termination-list', message(summaryOf([await listProblems()], { set: '' }))],
    ['termination-success', message(summaryOf())],
    ['termination-tolerated', message(tolerated())],
    ['explain-integrity', (explain('IntegrityMismatch') ?? '').trimEnd()],
    ['log-logfmt', await logOf('logfmt')],
    ['log-json', await logOf('json')],
  ]);
}

function message(summary: RunSummary): string {
  return terminationMessage(summary, (text) => text);
}

const REFERENCE = 'npm:@acme/todo@1.4.2';
const TARBALL = 'https://npm.acme.example/@acme/todo/-/todo-1.4.2.tgz';

/** An honest hash, so that nobody has to guess what one looks like. */
function integrityOf(text: string): string {
  return `sha512-${createHash('sha512').update(text).digest('base64')}`;
}

function mismatch(): Failure {
  const cause = CAUSES['record-is-computed'];
  const error = new InstallError('IntegrityMismatch', `${TARBALL} does not have the demanded hash: ${cause}`, {
    details: {
      expected: integrityOf('todo-1.4.1.tgz'),
      computed: integrityOf('todo-1.4.2.tgz'),
      bytes: 18_211,
      from: TARBALL,
      cause,
      fix: 'check the release, then set dynamicPlugins.plugins[3].integrity to the computed value',
      evidence: 'record-is-computed',
    },
  });
  return failureOf(error, 3, {
    entry: { package: REFERENCE, index: 3, path: 'dynamicPlugins.plugins[3]', kind: 'npm' },
  });
}

/** Three faults of a list, as the loader itself reports them. */
const FAULTY_LIST = `requireIntegrity: true
plugins:
  - package: oci://ghcr.io/acme/todo:1.4.2
  - packages: npm:@acme/chat@2.0.0
  - package: npm:@acme/wiki@1.0.0
    integrity: sha512-truncated
`;

async function listProblems(): Promise<Failure> {
  return { error: await failureOfList(FAULTY_LIST), tolerated: false };
}

function tolerated(): RunSummary {
  return summaryOf([{ ...mismatch(), tolerated: true }], { installed: 1, cached: 5, continueOnError: true });
}

/** A run in which one plugin fails and nothing is changed. */
function events(): readonly RunEvent[] {
  const failure = mismatch();
  const subject = { package: REFERENCE, index: 3 };
  return [
    {
      event: 'startup',
      configFile: '/etc/portal-plugins/dynamic-plugins.yaml',
      root: '/dynamic-plugins-root',
      continueOnError: false,
      pluginCount: 7,
      allowedSources: 2,
      version: '0.1.0',
    },
    { event: 'plugin_started', ...subject },
    {
      event: 'plugin_rejected',
      ...subject,
      error: failure.error,
      durationMs: 812,
      tolerated: false,
      kind: 'npm',
      path: 'dynamicPlugins.plugins[3]',
    },
    { event: 'completed', summary: summaryOf([failure], { bytes: 0 }) },
  ];
}

/** All lines in logfmt; in JSON the last one, as the fields are the same. */
async function logOf(format: 'logfmt' | 'json'): Promise<string> {
  let text = '';
  const clock: Clock = {
    now: () => new Date('2026-03-02T08:15:04.120Z'),
    monotonic: () => 0,
    random: () => 0,
    sleep: () => Promise.reject(new Error('a reporter does not wait')),
  };
  const write = (piece: string, written?: () => void): void => {
    text += piece;
    written?.();
  };
  const io = { stdout: { write }, clock, set: () => SET, secrets: () => [] };
  const reporter = await createReporter({ format, level: 'info', color: false }, io);
  for (const event of events()) reporter.emit(event);
  await reporter.finish(summaryOf([mismatch()]));
  const lines = text.trimEnd().split('\n');
  return format === 'json' ? (lines.at(-1) ?? '') : lines.join('\n');
}
