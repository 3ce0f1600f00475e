/** An HTTP(S) server on loopback that fails as told. The last behaviour of a path goes on for ever. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Answers one request, well or badly. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The client's port: one for each connection. */
  readonly port: number | undefined;
}

export interface FaultServer {
  /** `http(s)://127.0.0.1:PORT`, or with the given host name. */
  readonly origin: string;
  readonly port: number;
  readonly seen: readonly SeenRequest[];
  /** Requests being answered now, and the most there ever were at once. */
  readonly load: { readonly now: number; readonly peak: number };
  url(path: string): URL;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface FaultServerOptions {
  /** PEM; makes it an https server. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string; readonly requestCert?: boolean };
  /** Host name in `origin`. */
  readonly host?: string;
}

/** Paths (without query) with what happens at the first, second … request; other paths are 404. */
export async function startFaultServer(
  script: Readonly<Record<string, Behaviour | readonly Behaviour[]>>,
  options: FaultServerOptions = {},
): Promise<FaultServer> {
  const seen: SeenRequest[] = [];
  const load = { now: 0, peak: 0 };
  const counts = new Map<string, number>();
  const answer: RequestListener = (request, response) => {
    load.now += 1;
    load.peak = Math.max(load.peak, load.now);
    response.once('close', () => (load.now -= 1));
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const count = counts.get(path) ?? 0;
    counts.set(path, count + 1);
    const planned = script[path] ?? status(404);
    const behaviours = typeof planned === 'function' ? [planned] : planned;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      seen.push({
        method,
        path: url,
        headers,
        body: Buffer.concat(chunks).toString(),
        port: request.socket.remotePort,
      });
      (behaviours[Math.min(count, behaviours.length - 1)] ?? status(404))(request, response);
    });
  };
  const server =
    options.tls === undefined
      ? createServer(answer)
      : createTlsServer({ ...options.tls, rejectUnauthorized: false }, answer);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const origin = `${options.tls === undefined ? 'http' : 'https'}://${options.host ?? '127.0.0.1'}:${port}`;
  return {
    origin,
    port,
    seen,
    load,
    url: (path) => new URL(path, origin),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** An answer with this status and body. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}, body = ''): Behaviour {
  return (_request, response) => response.writeHead(code, headers).end(body);
}

export function redirect(location: string, code = 302): Behaviour {
  return status(code, { location });
}

/** The bytes, honouring `Range` and `If-Range`, with a strong ETag. */
export function serve(bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Behaviour {
  return (request, response) => {
    const range = rangeStart(request, headers['etag'] ?? '"v1"');
    const common = { etag: '"v1"', 'accept-ranges': 'bytes', ...headers };
    if (range === undefined) return response.writeHead(200, { ...common, 'content-length': bytes.length }).end(bytes);
    if (range >= bytes.length) return response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    const rest = bytes.subarray(range);
    const contentRange = `bytes ${range}-${bytes.length - 1}/${bytes.length}`;
    return response
      .writeHead(206, { ...common, 'content-length': rest.length, 'content-range': contentRange })
      .end(rest);
  };
}

function rangeStart(request: IncomingMessage, etag: string): number | undefined {
  const condition = request.headers['if-range'];
  if (condition !== undefined && condition !== etag) return undefined;
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** All of the bytes, whatever range was asked for. */
export function serveWhole(bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Behaviour {
  return (_request, response) => response.writeHead(200, { 'content-length': bytes.length, ...headers }).end(bytes);
}

/** The bytes in chunks without any length. */
export function serveChunked(bytes: Uint8Array): Behaviour {
  return (_request, response) => response.writeHead(200, { etag: '"v1"' }).end(bytes);
}

/** Announces the rest of the bytes, sends `count` of them and resets the connection. */
export function resetAfter(
  bytes: Uint8Array,
  count: number,
  headers: Readonly<Record<string, string>> = {},
): Behaviour {
  return beginning(bytes, count, headers, (response) => response.socket?.resetAndDestroy());
}

/** Announces the rest of the bytes, sends `count` of them and closes the connection as if all were sent. */
export function cutAfter(bytes: Uint8Array, count: number, headers: Readonly<Record<string, string>> = {}): Behaviour {
  return beginning(bytes, count, headers, (response) => response.socket?.end());
}

/** Announces all bytes, sends `count` of them and never goes on. */
export function stallAfter(bytes: Uint8Array, count: number): Behaviour {
  return beginning(bytes, count, {}, () => undefined);
}

/** Honours `Range` like `serve`; `then` runs when `count` further bytes have left this process. */
function beginning(
  bytes: Uint8Array,
  count: number,
  headers: Readonly<Record<string, string>>,
  then: (response: ServerResponse) => void,
): Behaviour {
  return (request, response) => {
    const start = rangeStart(request, '"v1"') ?? 0;
    const rest = bytes.subarray(start);
    const partial = start === 0 ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(start === 0 ? 200 : 206, {
      etag: '"v1"',
      'accept-ranges': 'bytes',
      'content-length': rest.length,
      ...partial,
      ...headers,
    });
    response.flushHeaders();
    // A reset discards what the peer has not read yet, so the bytes get a moment to arrive.
    const finish = (): void => void setTimeout(() => then(response), 50);
    if (count === 0) finish();
    else response.write(rest.subarray(0, count), finish);
  };
}

/** One byte of the bytes every `everyMs`. */
export function drip(bytes: Uint8Array, everyMs: number): Behaviour {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    let sent = 0;
    const timer = setInterval(() => {
      response.write(bytes.subarray(sent, sent + 1));
      sent += 1;
      if (sent >= bytes.length) response.end();
    }, everyMs);
    response.once('close', () => clearInterval(timer));
  };
}

/** Resets the connection without an answer. */
export function resetAtOnce(): Behaviour {
  return (request) => request.socket.resetAndDestroy();
}

/** Accepts the request and never answers. */
export function hang(): Behaviour {
  return () => undefined;
}

/** Something that is not HTTP. */
export function garbage(): Behaviour {
  return (request) => request.socket.end('SSH-2.0-OpenSSH_9.9\r\n');
}

/** A login page with status 200. */
export function loginPage(): Behaviour {
  return status(200, { 'content-type': 'text/html' }, '<!doctype html><title>Sign in</title>');
}
