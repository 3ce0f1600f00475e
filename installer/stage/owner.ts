/** Who holds a lock, and whether that one can still be alive. */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { errorCode } from '../core/errors.ts';
import { podUidOf } from './mounts.ts';
import { readMounts } from './volume.ts';

const ownerSchema = z.object({
  /** Random id of the run; also the name of its directory. */
  run: z.uuid(),
  pod: z.string().max(256).optional(),
  host: z.string().max(256),
  pid: z.int().min(1),
  /** `pid:[4026531836]`: process ids mean something only inside one namespace … */
  pidNamespace: z.string().max(64).optional(),
  /** … and on one boot of one kernel. */
  bootId: z.string().max(64).optional(),
  /** Start time in clock ticks since boot: tells a reused process id. proc_pid_stat(5), field 22. */
  processStart: z.string().max(32).optional(),
  /** Wall clock of the owner, for people only: clocks of two nodes are never compared. */
  startedAt: z.string().max(64),
});

export type Owner = Readonly<z.infer<typeof ownerSchema>>;

/** This process. `podUid` as configured, else from the mount table, else unknown. */
export function describeOwner(podUid: string | undefined, now: Date): Owner {
  return {
    run: randomUUID(),
    pod: podUid ?? podUidOf(readMounts()),
    host: hostname(),
    pid: process.pid,
    pidNamespace: attempt(() => readlinkSync('/proc/self/ns/pid')),
    bootId: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    processStart: processState(process.pid)?.start,
    startedAt: now.toISOString(),
  };
}

/** Undefined for anything that is not an owner's record, such as the half-written one of a killed process. */
export function parseOwner(text: string): Owner | undefined {
  try {
    return ownerSchema.safeParse(JSON.parse(text)).data;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

/** How a message names the holder. */
export function ownerText(owner: Owner | undefined): string {
  if (owner === undefined) return 'an installer that left no readable record';
  const pod = owner.pod === undefined ? '' : `pod ${owner.pod}, `;
  return `${pod}host ${owner.host}, pid ${owner.pid}, since ${owner.startedAt}`;
}

export type Verdict = 'alive' | 'dead' | 'unknown';

/**
 * Whether the holder still runs. Certain where its process can be asked for (one pid namespace, one boot); an init container never runs
 * twice in one pod at once, so another holder of the same pod is dead. Otherwise only its heartbeat can tell.
 */
export function judge(holder: Owner | undefined, self: Owner): Verdict {
  if (holder === undefined) return 'unknown';
  if (isSame(holder.pidNamespace, self.pidNamespace) && isSame(holder.bootId, self.bootId)) {
    const state = liveness(holder);
    if (state !== 'unknown') return state;
  }
  return isSame(holder.pod, self.pod) ? 'dead' : 'unknown';
}

function liveness(holder: Owner): Verdict {
  try {
    process.kill(holder.pid, 0);
  } catch (thrown) {
    // EPERM: it exists and belongs to another user.
    if (errorCode(thrown) === 'ESRCH') return 'dead';
  }
  const state = processState(holder.pid);
  // Another user's process may be hidden (hidepid): it exists, but may be a later one with the same id.
  if (state === undefined || holder.processStart === undefined) return 'unknown';
  return state.start === holder.processStart && !state.isZombie ? 'alive' : 'dead';
}

function processState(pid: number): { readonly start: string; readonly isZombie: boolean } | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The name in parentheses may hold spaces and parentheses itself: fields are counted from the last one.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const start = fields?.[19];
  return start === undefined ? undefined : { start, isZombie: fields?.[0] === 'Z' || fields?.[0] === 'X' };
}

function isSame(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && a !== '' && a === b;
}

/** Undefined where the kernel does not tell. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (errorCode(thrown) === undefined) throw thrown;
    return undefined;
  }
}
