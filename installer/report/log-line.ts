/** Events as data: the fields of docs/contracts.md, "Logs", in the order they are written. Pure; both log formats print these. */
import type { InstallError } from '../core/errors.ts';
import type { Level, RunEvent, RunSummary } from '../core/events.ts';
import { REASONS, snakeCase } from '../core/reasons.ts';
import { escapeText } from '../core/redact.ts';
import { causeOf, explainFailure, headline, listProblems } from './summary.ts';

export type FieldValue = string | number | boolean;
type Field = readonly [name: string, value: FieldValue];

export interface LogLine {
  readonly level: Level;
  /** Complete without the fields. One line: control characters are escaped. */
  readonly msg: string;
  /** `event`, `package`, `index`, `set`, then what the event adds. */
  readonly fields: readonly Field[];
}

const SEVERITY: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Whether a line of `level` is written when `threshold` is configured. */
export function isLogged(level: Level, threshold: Level): boolean {
  return SEVERITY[level] >= SEVERITY[threshold];
}

/**
 * The lines of one event, none for `progress`. `set` is the short hash of the list, empty when not known yet. Every text in the result
 * is free of control characters, so that neither format can be made to start a second line.
 */
export function toLogLines(event: RunEvent, set: string): readonly LogLine[] {
  return draftsOf(event).map((draft) => ({
    level: draft.level,
    msg: escapeText(draft.msg),
    fields: [
      ...present('event', draft.event),
      ...present('package', draft.subject?.package),
      ...present('index', draft.subject?.index),
      ...present('set', set === '' ? undefined : set),
      ...draft.fields,
    ].map(([name, value]) => [name, typeof value === 'string' ? escapeText(value) : value] as const),
  }));
}

interface Draft {
  readonly level: Level;
  readonly event?: RunEvent['event'];
  readonly subject?: { readonly package: string; readonly index: number } | undefined;
  readonly msg: string;
  readonly fields: readonly Field[];
}

type Event<Name extends RunEvent['event']> = Extract<RunEvent, { readonly event: Name }>;
type Drafts = { readonly [Name in RunEvent['event']]: (event: Event<Name>) => readonly Draft[] };
const MAX_LIST_ITEMS = 20;

function draftsOf(event: RunEvent): readonly Draft[] {
  const draft = DRAFTS[event.event] as (event: RunEvent) => readonly Draft[]; // the row of this very name
  return draft(event);
}

const DRAFTS: Drafts = {
  startup: (event) => [startupDraft(event)],
  startup_permissive_mode: ({ event }) => [
    {
      level: 'warn',
      event,
      msg: 'allowedSources is not set, so every source is allowed',
      fields: [['reason', 'allowedSources_unset_permissive']],
    },
  ],
  plugin_started: (event) => [
    { level: 'info', event: event.event, subject: event, msg: `plugin started: ${event.package}`, fields: [] },
  ],
  plugin_retry: (event) => [retryDraft(event)],
  plugin_cached: (event) => [cachedDraft(event)],
  plugin_installed: (event) => [{ level: 'info', event: event.event, subject: event, ...installedTexts(event) }],
  plugin_skipped: (event) => [
    {
      level: 'info',
      event: event.event,
      subject: event,
      msg: `plugin skipped: ${event.package} is not enabled`,
      fields: [],
    },
  ],
  plugin_rejected: (event) => [rejectedDraft(event)],
  plugin_removed: ({ event, dest }) => [
    { level: 'info', event, msg: `plugin removed: ${dest} is not part of the new set`, fields: [['dest', dest]] },
  ],
  completed: (event) => completedDrafts(event.summary),
  note: (event) => [noteDraft(event)],
  progress: () => [],
};

/** Butler Portal's field names, for the scripts of its users. */
function startupDraft(event: Event<'startup'>): Draft {
  return {
    level: 'info',
    event: event.event,
    msg: `portal-plugins ${event.version} starts: ${plural(event.pluginCount, 'plugin')} from ${event.configFile} to ${event.root}`,
    fields: [
      ['config_file', event.configFile],
      ['root', event.root],
      ['continue_on_error', event.continueOnError],
      ['plugin_count', event.pluginCount],
      ['allowed_sources', event.allowedSources],
      ['version', event.version],
    ],
  };
}

function cachedDraft(event: Event<'plugin_cached'>): Draft {
  return {
    level: 'info',
    event: event.event,
    subject: event,
    msg: `plugin cached: ${event.name}@${event.version} is intact in ${event.dest}, nothing was fetched`,
    fields: [
      ['name', event.name],
      ['version', event.version],
      ['dest', event.dest],
    ],
  };
}

function retryDraft(event: Event<'plugin_retry'>): Draft {
  return {
    level: 'warn',
    event: event.event,
    subject: event,
    msg: `attempt ${event.attempt} of ${event.attempts} failed for ${event.package}: ${event.message}; trying again in ${event.waitMs} ms`,
    fields: [
      ['attempt', event.attempt],
      ['attempts', event.attempts],
      ['code', event.code],
      ['waitMs', event.waitMs],
    ],
  };
}

function installedTexts(event: Event<'plugin_installed'>): Pick<Draft, 'msg' | 'fields'> {
  const did = event.verifyOnly ? 'plugin verified' : 'plugin installed';
  const where = event.verifyOnly ? '' : ` in ${event.dest}`;
  return {
    msg: `${did}: ${event.name}@${event.version}${where}, ${plural(event.files, 'file')}, integrity ${event.integrity}`,
    fields: [
      ['name', event.name],
      ['version', event.version],
      ['dest', event.dest],
      ['integrity', event.integrity],
      ['digest_verified', 'ok'],
      ['bytes', event.bytes],
      ['files', event.files],
      ['durationMs', event.durationMs],
    ],
  };
}

function rejectedDraft(event: Event<'plugin_rejected'>): Draft {
  const tolerated = event.tolerated ? ' (tolerated by continueOnError)' : '';
  return {
    level: 'error',
    event: 'plugin_rejected',
    subject: event,
    msg: `plugin rejected${tolerated}: ${event.package}: ${explainFailure(event.error)}`,
    fields: [
      ...reasonFields(event.error, event.kind),
      ['tolerated', event.tolerated],
      ['path', event.path],
      ['durationMs', event.durationMs],
      ...errorFields(event.error),
    ],
  };
}

/** `reason=`; Butler Portal calls every failed pull `oci_pull_failed`, so the precise reason moves to `code=` there. */
function reasonFields(error: InstallError, kind: string): readonly Field[] {
  const precise = snakeCase(error.reason);
  const { stage } = REASONS[error.reason];
  if (kind === 'oci' && (stage === 'resolve' || stage === 'fetch'))
    return [
      ['reason', 'oci_pull_failed'],
      ['code', precise],
    ];
  // `code` is a reason on every line that has it; the system's own code has a name of its own.
  return [['reason', precise], ...present('errno', flat(error.details['code']))];
}

/** Names that mean something else on a line, or that are written from elsewhere. */
const TAKEN: ReadonlySet<string> = new Set(
  'ts time level event package index set msg reason code errno tolerated path durationMs expected computed cause fix'.split(
    ' ',
  ),
);

function errorFields(error: InstallError): readonly Field[] {
  const { expected, computed } = error.details;
  const further = Object.entries(error.details).filter(([name]) => !TAKEN.has(name) && /^[a-z]\w*$/i.test(name));
  return [
    ...present('expected', flat(expected)),
    ...present('computed', flat(computed)),
    ...present('cause', causeOf(error)),
    ['fix', error.fix],
    ...further.flatMap(([name, value]) => present(name, flat(value))),
  ];
}

function flat(value: string | number | boolean | readonly string[] | undefined): FieldValue | undefined {
  if (typeof value !== 'object') return value;
  const more = value.length > MAX_LIST_ITEMS ? `, … ${value.length - MAX_LIST_ITEMS} more` : '';
  return value.slice(0, MAX_LIST_ITEMS).join(', ') + more;
}

/** Failures of the run itself have no event name, as the list of names is closed; they stand right before `completed`. */
function completedDrafts(summary: RunSummary): readonly Draft[] {
  const ofTheRun = summary.failures.filter((failure) => failure.entry === undefined);
  return [
    ...ofTheRun.flatMap((failure) => runFailureDrafts(failure.error)),
    ...policyDraft(summary),
    {
      level: 'info',
      event: 'completed',
      msg: headline(summary),
      fields: [
        ['installed', summary.installed],
        ['cached', summary.cached],
        ['rejected', summary.rejected],
        ['skipped', summary.skipped],
        ['removed', summary.removed],
        ['bytes', summary.bytes],
        ['exitCode', summary.exitCode],
        ['durationMs', summary.durationMs],
      ],
    },
  ];
}

/** One line for each problem of a list, else one line. */
function runFailureDrafts(error: InstallError): readonly Draft[] {
  const reason: Field = ['reason', snakeCase(error.reason)];
  const problems = listProblems(error);
  if (problems.length === 0)
    return [{ level: 'error', msg: explainFailure(error), fields: [reason, ...errorFields(error)] }];
  return problems.map((problem) => ({ level: 'error', msg: problem, fields: [reason] }));
}

/** The word that Butler Portal's scripts look for when a run fails because a failed plugin is not tolerated. */
function policyDraft(summary: RunSummary): readonly Draft[] {
  const isPolicy = summary.failures.some((failure) => failure.entry !== undefined && !failure.tolerated);
  if (summary.exitCode === 0 || summary.continueOnError || !isPolicy) return [];
  return [
    {
      level: 'error',
      msg: 'continueOnError_false: a plugin failed and continueOnError is false, so nothing was changed',
      fields: [['reason', 'continueOnError_false']],
    },
  ];
}

function noteDraft(event: Event<'note'>): Draft {
  return {
    level: event.level,
    subject: event.subject,
    msg: event.text,
    fields: [
      ...present('reason', event.reason === undefined ? undefined : snakeCase(event.reason)),
      ...present('bytes', event.bytes),
      ...present('total', event.total),
    ],
  };
}

function present(name: string, value: FieldValue | undefined): readonly Field[] {
  return value === undefined ? [] : [[name, value]];
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
