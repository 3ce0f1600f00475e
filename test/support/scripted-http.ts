/** An Http whose answers are written down in the test: no socket, every request recorded. */
import type { Http, HttpRequest, HttpResponse } from '../../installer/core/context.ts';

export interface ScriptedAnswer {
  readonly status: number;
  /** Lower-case names; an array is sent as several headers. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array;
  /** The answer of a redirect target there. */
  readonly from?: string;
}

/** Thrown errors are thrown by `exchange`. */
export type Script = (request: HttpRequest) => ScriptedAnswer | Error | Promise<ScriptedAnswer | Error>;

export interface ScriptedHttp extends Http {
  readonly requests: readonly HttpRequest[];
  /** Answers whose body was neither read to its end nor discarded. */
  open(): number;
}

/** `retry` makes one attempt: what is not retried below the source must not be hidden here. */
export function scriptedHttp(script: Script): ScriptedHttp {
  const requests: HttpRequest[] = [];
  const open = new Set<object>();
  return {
    requests,
    open: () => open.size,
    async exchange(request) {
      requests.push(request);
      const answer = await script(request);
      if (answer instanceof Error) throw answer;
      return response(request, answer, open);
    },
    retry: async (attempt) => attempt(1),
    close: async () => Promise.resolve(),
  };
}

function response(request: HttpRequest, answer: ScriptedAnswer, open: Set<object>): HttpResponse {
  const body = Buffer.from(answer.body ?? '');
  const handle = {};
  open.add(handle);
  const close = (): void => void open.delete(handle);
  const headers = (name: string): readonly string[] => [answer.headers?.[name] ?? []].flat();
  return {
    status: answer.status,
    url: new URL(answer.from ?? request.url),
    isSameOrigin: answer.from === undefined,
    headers,
    header: (name) => (headers(name).length === 0 ? undefined : headers(name).join(', ')),
    body: oneChunk(body, close),
    discard: async () => Promise.resolve(close()),
    async bytes(maxBytes, tooLarge) {
      await Promise.resolve();
      close();
      if (body.length > maxBytes) throw tooLarge();
      return body;
    },
  };
}

async function* oneChunk(body: Buffer, close: () => void): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(body);
  close();
}
