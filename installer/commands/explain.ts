import { EXIT } from '../core/exit.ts';
import { REASONS, type Reason, snakeCase } from '../core/reasons.ts';
import { InstallError } from '../core/errors.ts';
import type { Output } from './machine.ts';

/**
 * Prints what a reason means and what to do, in either spelling (`IntegrityMismatch`, `integrity_mismatch`); all reasons without one.
 * Throws UsageInvalid with the nearest names for an unknown reason. No network, no volume.
 */
export function explain(name: string | undefined, stdout: Output): number {
  if (name === undefined) {
    const width = Math.max(...Object.keys(REASONS).map((reason) => reason.length));
    for (const [reason, { exit, what }] of Object.entries(REASONS)) {
      stdout.write(`${reason.padEnd(width)}  ${exitText(exit).padStart(4)}  ${what}\n`);
    }
    return EXIT.ok;
  }
  const reason = findReason(name);
  const { stage, exit, what, fix } = REASONS[reason];
  const alias = ALIASES[name.toLowerCase()];
  const note = alias === undefined ? '' : `\n${name} is logged with code=, which holds the precise reason; this is the commonest.\n`;
  stdout.write(`${reason} (${snakeCase(reason)})${note}\n\nWhat:  ${what}\nFix:   ${fix}\nStage: ${stage}\nExit:  ${exitText(exit)}\n`);
  return EXIT.ok;
}

/** Log reasons that stand for several precise ones (docs/exit-codes.md). */
const ALIASES: Readonly<Record<string, Reason>> = { oci_pull_failed: 'RegistryUnavailable' };

function exitText(exit: number): string {
  return exit === EXIT.ok ? 'warn' : String(exit);
}

function findReason(name: string): Reason {
  const wanted = name.toLowerCase().replaceAll(/[_-]/g, '');
  const names = Object.keys(REASONS).filter(isReason);
  const exact = names.find((reason) => reason.toLowerCase() === wanted) ?? ALIASES[name.toLowerCase()];
  if (exact !== undefined) return exact;
  const near = names.filter((reason) => reason.toLowerCase().includes(wanted.slice(0, 5)));
  const hint = near.length === 0 ? 'run portal-plugins explain for the whole list' : `did you mean ${near.join(', ')}`;
  throw new InstallError('UsageInvalid', `there is no reason "${name.slice(0, 60)}"`, { details: { fix: hint } });
}

function isReason(name: string): name is Reason {
  return Object.hasOwn(REASONS, name);
}
