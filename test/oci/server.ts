import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface TestServer {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly origin: string;
  /** `METHOD PATH` of every request so far. */
  readonly requests: string[];
  /** Cuts every connection and ends. */
  stop(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Starts a server on a port of its own that ends with the test. */
export async function serve(handler: Handler, tls?: TlsOptions): Promise<TestServer> {
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const answer = async () => handler(request, response);
    answer().catch((error: unknown) => response.destroy(error as Error));
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  const { host, stop } = await listen(server);
  return { host, origin: `${tls === undefined ? "http" : "https"}://${host}`, requests, stop };
}

export interface TlsOptions {
  readonly key: string;
  readonly cert: string;
  readonly ca?: string;
  readonly requestCert?: boolean;
}

/** Listens on a free port of 127.0.0.1; the server ends with the test, with whatever is connected to it. */
export async function listen(server: Server): Promise<{ readonly host: string; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const stop = () => {
    const ended = Promise.withResolvers<void>();
    server.close(() => ended.resolve());
    for (const socket of sockets) socket.destroy();
    return ended.promise;
  };
  onTestFinished(stop);
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

/** Answers with JSON. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** Answers with the errors of the distribution API. */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
) {
  sendJson(response, status, { errors: [{ code, message: "made by a test" }] }, headers);
}

export async function readAll(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
