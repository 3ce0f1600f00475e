/** An HttpResponse without a network. */
import type { HttpResponse } from '../../installer/core/context.ts';

export interface FakeResponse extends HttpResponse {
  readonly isDiscarded: () => boolean;
}

export interface FakeAnswer {
  readonly status?: number;
  /** Lower-case names; several values as an array. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Uint8Array | string;
  readonly url?: string;
  readonly isSameOrigin?: boolean;
}

export function fakeResponse(answer: FakeAnswer = {}): FakeResponse {
  const body = Buffer.from(answer.body ?? '');
  let isDiscarded = false;
  const headers = (name: string): readonly string[] => {
    const value = answer.headers?.[name];
    if (value === undefined) return [];
    return typeof value === 'string' ? [value] : value;
  };
  return {
    status: answer.status ?? 200,
    url: new URL(answer.url ?? 'https://registry.example/archive.tgz'),
    isSameOrigin: answer.isSameOrigin ?? true,
    headers,
    header: (name) => (headers(name).length === 0 ? undefined : headers(name).join(', ')),
    body: chunksOf(body),
    isDiscarded: () => isDiscarded,
    discard: async () => {
      isDiscarded = true;
      return Promise.resolve();
    },
    bytes: async (maxBytes, tooLarge) => (body.length > maxBytes ? Promise.reject(tooLarge()) : Promise.resolve(body)),
  };
}

/** The bytes in pieces of at most `size`. */
export async function* chunksOf(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await Promise.resolve();
  }
}
