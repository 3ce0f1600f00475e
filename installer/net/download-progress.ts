import type { Context } from '../core/context.ts';
import type { Part } from '../core/types.ts';

const HEARTBEAT_MS = 15_000;
/** Four updates a second look live; more only cost. */
const PROGRESS_MS = 250;

export interface Progress {
  /** Bytes on disk or on their way to it, and the announced size. */
  update(bytes: number, total: number | undefined): void;
  [Symbol.dispose](): void;
}

/** Emits `progress` for the live display at most every 250 ms, and a heartbeat note every 15 s even if nothing arrives. */
export function reportProgress(part: Part, ctx: Context): Progress {
  const state: { bytes: number; total: number | undefined; shownAt: number } = {
    bytes: 0,
    total: part.claims.bytes,
    shownAt: Number.NEGATIVE_INFINITY,
  };
  // A plain timer: nothing is decided by it, it only shows that the process lives, and a clock that is ahead must not make it talk.
  const timer = setInterval(() => beat(part, ctx, state), HEARTBEAT_MS).unref();
  return {
    update(bytes, total) {
      state.bytes = bytes;
      state.total = total;
      const now = ctx.clock.monotonic();
      if (now - state.shownAt < PROGRESS_MS && bytes !== total) return;
      state.shownAt = now;
      ctx.emit({ event: 'progress', step: 'fetch', ...ctx.subject, bytes, total });
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function beat(
  part: Part,
  ctx: Context,
  { bytes, total }: { readonly bytes: number; readonly total: number | undefined },
): void {
  const share = total === undefined || total === 0 ? '' : ` of ${mebibytes(total)}`;
  ctx.emit({
    event: 'note',
    level: 'info',
    text: `downloading ${part.label}: ${mebibytes(bytes)}${share}`,
    subject: ctx.subject,
    bytes,
    total,
  });
}

function mebibytes(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}
