/** A forward proxy on loopback: CONNECT for https, absolute form for http, optional Basic authentication. */
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

export interface TestProxy {
  readonly origin: string;
  readonly port: number;
  /** `CONNECT host:port` and `GET http://…` in order. */
  readonly seen: readonly string[];
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TestProxyOptions {
  /** Demanded as `user:password`. */
  readonly credentials?: string;
  /** Answers every request with this status instead of forwarding it. */
  readonly refuseWith?: number;
  /** Accepts CONNECT and never answers it. */
  readonly isHanging?: boolean;
  /** PEM; makes it a TLS proxy. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Host names the proxy resolves itself, to loopback. */
  readonly hosts?: readonly string[];
}

export async function startProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const seen: string[] = [];
  const open = new Set<Duplex>();
  const refusal = (request: IncomingMessage): number | undefined => options.refuseWith ?? missing(request, options);
  const forward: RequestListener = (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const code = refusal(request);
    if (code !== undefined) return response.writeHead(code).end();
    const target = new URL(request.url ?? '');
    const { 'proxy-authorization': _secret, ...headers } = request.headers;
    const upstream = httpRequest(local(target, options), { method: request.method ?? 'GET', headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    upstream.on('error', () => response.writeHead(502).end());
    return request.pipe(upstream);
  };
  const server = options.tls === undefined ? createServer(forward) : createTlsServer(options.tls, forward);
  server.on('connect', (request, client, head) => {
    seen.push(`CONNECT ${request.url}`);
    open.add(client);
    if (options.isHanging === true) return undefined;
    const code = refusal(request);
    if (code !== undefined) return client.end(`HTTP/1.1 ${code} refused\r\ncontent-length: 0\r\n\r\n`);
    const target = local(new URL(`http://${request.url}`), options);
    const upstream = connect(Number(target.port), target.hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    upstream.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    client.on('error', () => upstream.destroy());
    open.add(upstream);
    return undefined;
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

function missing(request: IncomingMessage, { credentials }: TestProxyOptions): number | undefined {
  if (credentials === undefined) return undefined;
  const expected = `Basic ${Buffer.from(credentials).toString('base64')}`;
  return request.headers['proxy-authorization'] === expected ? undefined : 407;
}

function local(target: URL, { hosts = [] }: TestProxyOptions): URL {
  if (hosts.includes(target.hostname)) target.hostname = '127.0.0.1';
  return target;
}
