/** Gives a slot back; calling it again does nothing. */
export type Release = () => void;

/** At most `limit` holders per key; others wait in order. */
export class HostSlots {
  readonly #limit: number;
  readonly #held = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves with the release of a slot for `key`; rejects with the signal's reason when it aborts first. */
  async acquire(key: string, signal: AbortSignal): Promise<Release> {
    signal.throwIfAborted();
    const held = this.#held.get(key) ?? 0;
    if (held >= this.#limit) await this.#wait(key, signal);
    else this.#held.set(key, held + 1);
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#release(key);
    };
  }

  async #wait(key: string, signal: AbortSignal): Promise<void> {
    const queue = this.#waiting.get(key) ?? [];
    this.#waiting.set(key, queue);
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        queue.splice(queue.indexOf(enter), 1);
        reject(signal.reason as Error); // the reason of every signal here is an InstallError
      };
      queue.push(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** A waiter takes the slot over, so the count does not change. */
  #release(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next !== undefined) return next();
    const held = (this.#held.get(key) ?? 1) - 1;
    if (held > 0) this.#held.set(key, held);
    else {
      this.#held.delete(key);
      this.#waiting.delete(key);
    }
  }
}
