import type { Http } from '../core/context.ts';
import type { HttpOptions } from './http.ts';
import { retry } from './retry.ts';

/**
 * An Http that loads undici with the first exchange: a warm start opens no socket and must not pay 60 ms for a client it never uses.
 * Throws UsageInvalid from the first exchange when the CA file or a proxy address cannot be used.
 */
export function lazyHttp(options: HttpOptions): Http {
  let loading: Promise<Http> | undefined;
  const load = async (): Promise<Http> => (await import('./http.ts')).createHttp(options);
  return {
    async exchange(request) {
      loading ??= load();
      return (await loading).exchange(request);
    },
    retry: async (attempt, ctx) => retry(attempt, ctx, options),
    async close() {
      if (loading === undefined) return;
      const loaded = await loading.catch(() => undefined); // the exchange that caused it has reported the failure
      await loaded?.close();
    },
  };
}
