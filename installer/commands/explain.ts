import { InstallError } from '../core/errors.ts';
import { EXIT } from '../core/exit.ts';
import { explain, explainAll, suggestReasons } from '../report/explain.ts';
import type { Output } from './machine.ts';

/**
 * Prints what a reason means and what to do about it, or all reasons. Throws UsageInvalid with the nearest names for an unknown one.
 * No network, no volume.
 */
export function explainCommand(topic: string | undefined, stdout: Output): number {
  const text = topic === undefined ? explainAll() : explain(topic);
  if (text === undefined) throw unknown(topic ?? '');
  stdout.write(text);
  return EXIT.ok;
}

function unknown(topic: string): InstallError {
  const near = suggestReasons(topic);
  const fix = near.length === 0 ? 'run portal-plugins explain for the whole list' : `did you mean ${near.join(', ')}?`;
  return new InstallError('UsageInvalid', `there is no reason called "${topic.slice(0, 60)}"`, { details: { fix } });
}
