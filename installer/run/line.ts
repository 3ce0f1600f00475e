/** The line: resolve → fetch → verify → unpack → validate → prepare, and nothing else (docs/architecture.md, "The line"). */
import type { Context } from '../core/context.ts';
import { asInstallError, InstallError } from '../core/errors.ts';
import type { Notice, Outcome, Prepared, Resolved, Unpacked, Validated, Verified } from '../core/types.ts';
import type { Group } from './groups.ts';
import type { Steps } from './steps.ts';

/** What became of one entry in a group. */
export type LineResult = { readonly resolved: Resolved } & (
  | { readonly prepared: Prepared; readonly error?: undefined }
  | { readonly error: InstallError; readonly prepared?: undefined }
);

/**
 * Takes a group of entries that share one download through the line. Never throws: a failure of the archive fails all its entries, a
 * failure of one entry (its pin, its plugin path, its package) fails that entry. `ctx.subject` is the first entry's.
 */
export async function prepareGroup(group: Group, steps: Steps, ctx: Context): Promise<readonly LineResult[]> {
  const failures = new Map<number, InstallError>();
  const done = new Map<number, Prepared>();
  const fail = (resolved: Resolved, thrown: unknown): void => {
    failures.set(resolved.entry.index, asInstallError(thrown));
  };
  try {
    progress(group, 'fetch', ctx);
    const fetched = await steps.fetch(group, ctx);
    progress(group, 'verify', ctx);
    const verified: Verified[] = [];
    for (const one of fetched) {
      await steps.verify(one, entryContext(one, ctx)).then(
        (proved) => verified.push(proved),
        (error) => fail(one, error),
      );
    }
    progress(verified, 'unpack', ctx);
    const unpacked = await steps.unpack(verified, ctx);
    for (const [index, one] of unpacked.entries()) {
      const subject = verified[index];
      if (subject === undefined) continue;
      if (one instanceof InstallError) fail(subject, one);
      else
        await finish(one, steps, entryContext(one, ctx)).then(
          (ready) => done.set(one.entry.index, ready),
          (error) => fail(one, error),
        );
    }
  } catch (thrown) {
    for (const one of group) if (!failures.has(one.entry.index)) fail(one, thrown);
  }
  return group.map((resolved) => {
    const prepared = done.get(resolved.entry.index);
    if (prepared !== undefined) return { resolved, prepared };
    return {
      resolved,
      error:
        failures.get(resolved.entry.index) ?? new InstallError('Internal', 'an entry left the line without an outcome'),
    };
  });
}

async function finish(unpacked: Unpacked, steps: Steps, ctx: Context): Promise<Prepared> {
  progress([unpacked], 'validate', ctx);
  const validated: Validated = await steps.validate(unpacked, ctx);
  for (const notice of [...unpacked.pinned.warnings.map(asNotice), ...unpacked.notices, ...validated.manifest.notices])
    warn(notice, ctx);
  progress([validated], 'prepare', ctx);
  return steps.prepare(validated, ctx);
}

function asNotice(text: string): Notice {
  return { text };
}

function warn(notice: Notice, ctx: Context): void {
  const reason = notice.reason === undefined ? {} : { reason: notice.reason };
  ctx.emit({ event: 'note', level: 'warn', text: notice.text, subject: ctx.subject, ...reason });
}

/** The same context, speaking for one entry of the group. */
function entryContext({ entry }: Resolved, ctx: Context): Context {
  return { ...ctx, subject: { package: entry.package, index: entry.index } };
}

function progress(
  entries: readonly Resolved[],
  step: 'fetch' | 'verify' | 'unpack' | 'validate' | 'prepare',
  ctx: Context,
): void {
  for (const { entry } of entries) ctx.emit({ event: 'progress', step, package: entry.package, index: entry.index });
}

/** Outcome of an entry with the time it took. */
export function outcomeOf(result: LineResult, ms: number): Outcome {
  const { entry } = result.resolved;
  if (result.prepared !== undefined) return { entry, ms, status: 'ready', ready: result.prepared };
  return { entry, ms, status: 'rejected', error: result.error };
}
