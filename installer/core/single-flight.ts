/**
 * Work that several callers want at the same time is done once. Nothing is kept after it ends: what may be reused for longer is the
 * caller's to decide.
 */
export class SingleFlight<T> {
  readonly #running = new Map<string, { readonly result: Promise<T>; readonly signal: AbortSignal }>();

  /**
   * Resolves with the result of `work`, or of the same work already under way under `key`. A caller that joined does the work itself when
   * the one it waited for was aborted: another plugin's deadline is not a failure of this one. Rejects with `signal`'s reason on abort.
   */
  async run(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const running = this.#running.get(key);
      if (running === undefined) return this.#start(key, signal, work);
      try {
        return await untilAborted(running.result, signal);
      } catch (error) {
        if (signal.aborted || !running.signal.aborted) throw error;
      }
    }
  }

  #start(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const result = this.#finish(key, work);
    this.#running.set(key, { result, signal });
    return result;
  }

  async #finish(key: string, work: () => Promise<T>): Promise<T> {
    // Yields first, so that the entry stands before even a synchronous failure removes it.
    await Promise.resolve();
    try {
      return await work();
    } finally {
      this.#running.delete(key);
    }
  }
}

/** `result`, or the reason of `signal` as soon as it aborts; what `result` comes to then is nobody's concern. */
export async function untilAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([result, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
