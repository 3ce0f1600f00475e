import type { Dispatcher } from 'undici';
import type { Clock, HttpResponse } from '../core/context.ts';
import type { InstallError } from '../core/errors.ts';
import { parseContentLength } from '../core/content-range.ts';
import type { Limits } from '../core/limits.ts';
import { redactUrl } from '../core/redact.ts';
import { connectionIsFree, guardBody } from './body-guard.ts';
import type { Release } from './host-slots.ts';
import { requestError } from './http-errors.ts';
import type { Hop } from './redirects.ts';

/** How long an unwanted body may take to end before its connection is given up: reuse is worth no more than a new handshake. */
const DRAIN_MS = 1000;

interface AnswerOptions {
  readonly hop: Hop;
  readonly release: Release;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** An HTTP answer whose body is guarded and gives its host's slot back when it ends, however it ends. */
export class Answer implements HttpResponse {
  readonly status: number;
  readonly url: URL;
  readonly isSameOrigin: boolean;
  readonly body: AsyncIterable<Uint8Array>;
  readonly #data: Dispatcher.ResponseData;
  readonly #limits: Limits;

  constructor(data: Dispatcher.ResponseData, options: AnswerOptions) {
    const { hop, limits } = options;
    this.#data = data;
    this.#limits = limits;
    this.status = data.statusCode;
    this.url = hop.url;
    this.isSameOrigin = hop.isSameOrigin;
    data.body.once('close', options.release);
    // An abort between two reads ends the stream with an error; the next read reports it, until then nobody listens.
    data.body.on('error', () => undefined);
    const faultOf = (thrown: unknown): InstallError => requestError(thrown, hop.url);
    const guard = { ...options, url: redactUrl(hop.url), faultOf };
    this.body = { [Symbol.asyncIterator]: () => endingStream(data.body, guardBody(data.body, guard)) };
  }

  header(name: string): string | undefined {
    const values = this.headers(name);
    return values.length === 0 ? undefined : values.join(', ');
  }

  headers(name: string): readonly string[] {
    const value = this.#data.headers[name];
    if (value === undefined) return [];
    return typeof value === 'string' ? [value] : value;
  }

  async discard(): Promise<void> {
    const { body } = this.#data;
    try {
      await body.dump({ limit: this.#limits.errorBodyBytes, signal: AbortSignal.timeout(DRAIN_MS) });
      await connectionIsFree();
    } catch {
      body.destroy(); // too slow or already broken: the connection is not worth keeping
    }
  }

  async bytes(maxBytes: number, tooLarge: () => Error): Promise<Buffer> {
    const announced = parseContentLength(this.header('content-length'));
    if (announced !== undefined && announced > maxBytes) {
      await this.discard();
      throw tooLarge();
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.body) {
      size += chunk.byteLength;
      if (size > maxBytes) throw tooLarge(); // leaving the loop destroys the stream
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  }

  /** The first `maxBytes` of an error body, as many as arrive; the rest is discarded. Never throws. */
  async beginning(maxBytes: number): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of this.body) {
        chunks.push(chunk);
        size += chunk.byteLength;
        if (size >= maxBytes) break;
      }
    } catch {
      // The status decides; a body that breaks off only shortens the message.
    }
    await this.discard();
    return Buffer.concat(chunks).subarray(0, maxBytes);
  }
}

/** A generator that was never asked for a value forgets its stream when it is left; this iterator ends the stream in any case. */
function endingStream(
  stream: Dispatcher.ResponseData['body'],
  chunks: AsyncGenerator<Uint8Array, void>,
): AsyncIterator<Uint8Array> {
  return {
    next: async () => chunks.next(),
    async return() {
      stream.destroy();
      return chunks.return();
    },
  };
}
