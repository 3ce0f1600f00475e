/** The texts of `portal-plugins explain`, read from the reasons table. Pure. */
import { EXIT, isTolerable } from '../core/exit.ts';
import { REASONS, snakeCase, type Reason } from '../core/reasons.ts';

const EXIT_NAMES = new Map<number, string>(Object.entries(EXIT).map(([name, code]) => [code, name]));
/** Exit codes of failures that another start may cure (docs/exit-codes.md). */
const RETRY_HELPS: ReadonlySet<number> = new Set([EXIT.unavailable, EXIT.tempfail]);
const MAX_SUGGESTIONS = 5;
/** What logs call every failed pull from an OCI registry, as Butler Portal does; the precise reason is in `code=`. */
const OCI_PULL_FAILED = 'oci_pull_failed';
/** Further values of `reason=` that are no reasons of a failure (docs/contracts.md, "Logs"). */
const MARKS: readonly (readonly [string, string])[] = [
  [
    'continueOnError_false',
    'a plugin failed and continueOnError is false, so nothing was changed; the plugin_rejected lines before it say why',
  ],
  [
    'allowedSources_unset_permissive',
    'allowedSources is empty, so every source is allowed; list the sources you trust (docs/sources.md)',
  ],
];

/**
 * What is known about one reason (`IntegrityMismatch`, `integrity_mismatch`, any case), or the reasons of one exit code (`65`).
 * Undefined when nothing has that name; `suggestReasons` has similar names.
 */
export function explain(name: string): string | undefined {
  if (/^\d+$/.test(name)) return explainExit(Number(name));
  const wanted = normalise(name);
  if (wanted === normalise(OCI_PULL_FAILED)) return explainOciPullFailed();
  const mark = MARKS.find(([value]) => normalise(value) === wanted);
  if (mark !== undefined) return `${mark.join(': ')}\n`;
  const reason = allReasons().find((candidate) => normalise(candidate) === wanted);
  return reason === undefined ? undefined : explainReason(reason);
}

/** Every reason by stage, one line each. */
export function explainAll(): string {
  const width = Math.max(...allReasons().map((reason) => reason.length));
  const stages = [...new Set(allReasons().map((reason) => REASONS[reason].stage))];
  const blocks = stages.map((stage) => {
    const lines = allReasons()
      .filter((reason) => REASONS[reason].stage === stage)
      .map(
        (reason) => `  ${reason.padEnd(width)}  ${String(REASONS[reason].exit).padStart(3)}  ${REASONS[reason].what}`,
      );
    return [stage, ...lines].join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}

/** Names of reasons that share a word with `name`, at most five. */
export function suggestReasons(name: string): readonly string[] {
  const words = snakeCase(name)
    .split(/[^a-z0-9]+/)
    .filter((word) => word.length >= 3);
  return allReasons()
    .map((reason) => ({ reason, hits: words.filter((word) => snakeCase(reason).includes(word)).length }))
    .filter(({ hits }) => hits > 0)
    .sort((a, b) => b.hits - a.hits)
    .slice(0, MAX_SUGGESTIONS)
    .map(({ reason }) => reason);
}

function explainReason(reason: Reason): string {
  const { stage, exit, what, fix } = REASONS[reason];
  return [
    reason,
    `  what:   ${what}`,
    `  fix:    ${fix}`,
    `  stage:  ${stage}`,
    `  exit:   ${exitText(exit)}`,
    `  policy: ${policyText(exit)}`,
    `  log:    reason=${snakeCase(reason)}${ociText(stage, reason)}`,
    '',
  ].join('\n');
}

function ociText(stage: string, reason: string): string {
  return stage === 'resolve' || stage === 'fetch'
    ? `; for OCI sources reason=${OCI_PULL_FAILED} code=${snakeCase(reason)}`
    : '';
}

function exitText(exit: number): string {
  if (exit === EXIT.ok) return 'none, this is a warning';
  const retry = RETRY_HELPS.has(exit) ? 'starting the pod again may help' : 'starting the pod again does not help';
  return `${exit} (${EXIT_NAMES.get(exit) ?? 'unknown'}), ${retry}`;
}

function policyText(exit: number): string {
  if (exit === EXIT.ok) return 'never fails a run';
  return isTolerable(exit)
    ? 'continueOnError may let the portal start without the plugin'
    : 'fails the run whatever continueOnError says';
}

function explainOciPullFailed(): string {
  const reasons = allReasons().filter((reason) => ['resolve', 'fetch'].includes(REASONS[reason].stage));
  return [
    `${OCI_PULL_FAILED}: a plugin could not be pulled from an OCI registry; the line's code= is one of`,
    ...reasons.map((reason) => `  ${snakeCase(reason)}: ${REASONS[reason].what}`),
    '',
  ].join('\n');
}

function explainExit(code: number): string | undefined {
  const name = EXIT_NAMES.get(code);
  if (name === undefined) return undefined;
  const reasons = allReasons().filter((reason) => REASONS[reason].exit === code);
  const title = code === EXIT.ok ? `exit 0 (${name}); warnings that never fail a run:` : `exit ${exitText(code)}`;
  return [title, ...reasons.map((reason) => `  ${reason}: ${REASONS[reason].what}`), ''].join('\n');
}

function allReasons(): readonly Reason[] {
  return Object.keys(REASONS) as Reason[]; // keys of a constant object literal
}

function normalise(name: string): string {
  return name.replaceAll(/[^a-z0-9]/gi, '').toLowerCase();
}
