import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";

export interface Answer {
  /** `PUT /v2/…`, for messages. */
  readonly asked: string;
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Question {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Sends the body with `Transfer-Encoding: chunked` instead of a length. */
  readonly streamed?: boolean;
}

/** A registry under test, seen from outside: plain HTTP, nothing known but its base URL. */
export interface Server {
  readonly base: URL;
  /** Sends one request, as it stands, to a path or URL of the server; every status is an answer. */
  ask(method: string, location: string | URL, question?: Question): Promise<Answer>;
  close(): void;
}

const silenceMs = 10_000;
const maxAnswerBytes = 64 * 1024 * 1024;

/** Opens a server. `alter` may change each answer before a check sees it: so the checks themselves are tested. */
export function openServer(base: string, alter: (answer: Answer) => Answer = (answer) => answer): Server {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const root = new URL(base);
  return {
    base: root,
    ask: async (method, location, question = {}) => {
      const url = new URL(location, root);
      // Added to, not parsed and written again: what the server put there is its own.
      const added = new URLSearchParams(question.query).toString();
      if (added !== "") url.search += `${url.search === "" ? "" : "&"}${added}`;
      return alter(await send(agent, method, url, question));
    },
    close: () => agent.destroy(),
  };
}

function send(agent: Agent, method: string, url: URL, { headers, body, streamed }: Question): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = `${method} ${url.pathname}${url.search}`;
  const fail = (cause: unknown) => reject(new Error(`${asked}: no answer`, { cause }));
  const request = httpRequest(url, { method, agent, headers: { ...headers }, timeout: silenceMs });
  request.on("timeout", () => request.destroy(new Error("silence")));
  request.on("error", fail);
  request.on("response", (response) => {
    // A server may answer before it has read the whole body, and close; then the answer counts.
    request.off("error", fail).on("error", () => {});
    readAll(response).then((read) => {
      resolve({ asked, url, status: response.statusCode ?? 0, headers: response.headers, body: read });
    }, fail);
  });
  if (streamed === true) request.setHeader("transfer-encoding", "chunked");
  request.end(body);
  return promise;
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new Error("the answer is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
