/** A small HTTP server on loopback that records what it was asked and can be made to misbehave. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface RecordedRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Answer {
  readonly status: number;
  /** Lower-case names; an array sends the header several times, undefined leaves it out. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: string | Uint8Array;
}

/** What a test makes of one request: another answer, or a change to the normal one. */
export type Fault =
  | ({ readonly fault: 'answer' } & Answer)
  /** Over the normal answer; undefined removes a header. */
  | { readonly fault: 'headers'; readonly headers: Readonly<Record<string, string | readonly string[] | undefined>> }
  /** Other bytes than the normal ones; Content-Length stays the one of the normal answer with `lie`. */
  | { readonly fault: 'body'; readonly change: (body: Buffer) => Buffer; readonly lie?: true }
  /** Ends the connection after so many bytes of the body. */
  | { readonly fault: 'cut'; readonly after: number }
  /** Sends so many bytes of the body and then nothing. */
  | { readonly fault: 'stall'; readonly after: number };

export type Intercept = (request: RecordedRequest) => Fault | undefined;

export interface TestServerOptions {
  readonly answer: (request: RecordedRequest) => Answer | Promise<Answer>;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface TestServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Every request so far, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Asked for every request from now on; undefined: behave. */
  interceptWith(intercept: Intercept | undefined): void;
  /** Drops open connections, too. */
  readonly close: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

export async function startServer(options: TestServerOptions): Promise<TestServer> {
  const requests: RecordedRequest[] = [];
  let intercept: Intercept | undefined;
  const listener = (message: IncomingMessage, response: ServerResponse): void => {
    void (async () => {
      const request = await record(message);
      requests.push(request);
      const fault = intercept?.(request);
      const answer = fault?.fault === 'answer' ? fault : await options.answer(request);
      send(request, { response, answer, fault });
    })().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  };
  const server: Server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    origin: `${options.tls === undefined ? 'http' : 'https'}://${host}`,
    host,
    requests,
    interceptWith: (next) => {
      intercept = next;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function record(message: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const url = new URL(message.url ?? '/', 'http://loopback');
  return {
    method: message.method ?? 'GET',
    url: message.url ?? '/',
    path: url.pathname,
    query: url.searchParams,
    headers: message.headers,
    body: Buffer.concat(chunks),
  };
}

interface Sending {
  readonly response: ServerResponse;
  readonly answer: Answer;
  readonly fault: Fault | undefined;
}

function send(request: RecordedRequest, { response, answer, fault }: Sending): void {
  const normal = Buffer.from(answer.body ?? '');
  const body = fault?.fault === 'body' ? fault.change(normal) : normal;
  const isLie = fault?.fault === 'body' && fault.lie === true;
  response.statusCode = answer.status;
  // Node would refuse bodies that differ from the announced length, and lying is the point.
  response.strictContentLength = false;
  setHeaders(response, {
    'content-length': String(isLie ? normal.length : body.length),
    ...answer.headers,
    ...(fault?.fault === 'headers' ? fault.headers : {}),
  });
  if (request.method === 'HEAD') response.end();
  else sendBody(response, body, fault);
}

function setHeaders(response: ServerResponse, headers: NonNullable<Answer['headers']>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, typeof value === 'string' ? value : [...value]);
  }
}

function sendBody(response: ServerResponse, body: Buffer, fault: Fault | undefined): void {
  if (fault?.fault === 'cut') response.write(body.subarray(0, fault.after), () => response.destroy());
  else if (fault?.fault === 'stall') response.write(body.subarray(0, fault.after));
  else response.end(body);
}
