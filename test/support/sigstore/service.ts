import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What a request asks; the body is at most 32 MiB. */
export interface Question {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly type: string;
  readonly authorization: string | undefined;
  readonly body: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly body: Uint8Array | string | object;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a question; undefined is 404, and what is thrown is 400. */
export type Handler = (question: Question) => Answer | undefined | Promise<Answer | undefined>;

/** What goes wrong with a service. */
export type Trouble =
  /** Connections are cut. */
  | { readonly kind: "outage" }
  | { readonly kind: "slow"; readonly ms: number }
  /** Answers this instead, without asking the service. */
  | { readonly kind: "answer"; readonly answer: Answer }
  /** Changes what the service answers. */
  | { readonly kind: "change"; readonly change: (answer: Answer) => Answer };

export interface Service {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `METHOD path` of every request so far. */
  readonly requests: string[];
  trouble: Trouble | undefined;
  stop(): Promise<void>;
}

/** Serves on loopback, on a port of its own. */
export async function startService(handler: Handler): Promise<Service> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  const requests: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const question = await readQuestion(request);
    requests.push(`${question.method} ${question.path}`);
    const { trouble } = service;
    if (trouble?.kind === "outage") return void response.destroy();
    if (trouble?.kind === "slow") await sleep(trouble.ms, undefined, { ref: false });
    if (trouble?.kind === "answer") return send(response, trouble.answer);
    const made = await ask(handler, question);
    send(response, trouble?.kind === "change" ? trouble.change(made) : made);
  };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const service: Service = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    trouble: undefined,
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return service;
}

async function ask(handler: Handler, question: Question): Promise<Answer> {
  try {
    return (await handler(question)) ?? { status: 404, body: { code: 404, message: `no ${question.path}` } };
  } catch (error) {
    return { status: 400, body: { code: 400, message: String(error) } };
  }
}

async function readQuestion(request: IncomingMessage): Promise<Question> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > 32 * 1024 * 1024) throw new Error("too large");
    chunks.push(chunk);
  }
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1");
  return {
    method: request.method ?? "GET",
    path: pathname,
    query: searchParams,
    type: request.headers["content-type"] ?? "",
    authorization: request.headers.authorization,
    body: Buffer.concat(chunks),
  };
}

function send(response: ServerResponse, { status, body, type, headers }: Answer): void {
  const raw = typeof body === "string" || body instanceof Uint8Array;
  response.writeHead(status, { "content-type": type ?? (raw ? "text/plain" : "application/json"), ...headers });
  response.end(raw ? body : JSON.stringify(body));
}
