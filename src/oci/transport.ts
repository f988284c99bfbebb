import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { TrustError } from "../errors.ts";
import { type Connection, type ConnectionSettings, createConnections } from "./connections.ts";
import { shownUrl } from "./endpoint.ts";
import { deadlineExceeded, networkError, tooSlow } from "./network-errors.ts";
import { createSlots } from "./waiting.ts";

/** A body to send: bytes, or a stream of known size that can be opened again for another try. */
export type RequestBody = Uint8Array | { readonly size: number; open(): AsyncIterable<Uint8Array> };

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether the user's client certificate may be shown there. */
  readonly withClientCertificate?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  /**
   * To be read once, and always; ending early closes the connection. Throws `REGISTRY_UNREACHABLE`,
   * `DEADLINE_EXCEEDED`.
   */
  readonly body: AsyncIterable<Buffer>;
}

/** One request as it went over the wire, for counting and logging; of the query only what is never secret. */
export interface RequestEvent {
  readonly method: string;
  readonly url: string;
  /** Absent where no answer came. */
  readonly status?: number;
  /** Milliseconds until the head of the answer. */
  readonly ms: number;
}

/** Milliseconds. */
export interface Timeouts {
  /** Until a connection stands. */
  readonly connect: number;
  /** Without a byte in either direction. */
  readonly idle: number;
  /** For a whole answer that is kept in memory. */
  readonly body: number;
}

export const defaultTimeouts: Timeouts = { connect: 10_000, idle: 30_000, body: 60_000 };

export interface TransportSettings extends ConnectionSettings {
  readonly timeouts: Timeouts;
  /** Requests to one host that wait for an answer at once. */
  readonly maxConcurrent: number;
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
}

/** Sends single HTTP requests: no redirects, no retries, no credentials of its own. */
export interface Transport {
  readonly timeouts: Timeouts;
  /** Resolves once the head of the answer is there. Errors of the network are ours. */
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

export function createTransport(settings: TransportSettings): Transport {
  const connections = createConnections(settings);
  const slots = createSlots(settings.maxConcurrent);
  return {
    timeouts: settings.timeouts,
    async send(request) {
      const { url, method, signal, withClientCertificate = false } = request;
      // Node would make an Authorization header of it.
      if (url.username !== "" || url.password !== "") throw withUserInfo(url);
      if (signal?.aborted) throw deadlineExceeded(`${method} ${shownUrl(url)}`, signal.reason);
      const connection = await connections.to(url, withClientCertificate);
      const giveBack = await slots.take(url.host, signal);
      const started = performance.now();
      let status: number | undefined;
      try {
        const response = await exchange(request, connection, settings.timeouts);
        status = response.status;
        return response;
      } finally {
        giveBack();
        const ms = performance.now() - started;
        settings.onRequest?.({ method, url: shownUrl(url), ...(status === undefined ? {} : { status }), ms });
      }
    },
    close: connections.close,
  };
}

function withUserInfo(url: URL): TrustError {
  return new TrustError("REGISTRY_REFUSED", `${url.host} was named with a user in the URL, which is not followed`, {
    expected: "a URL without user and password",
  });
}

async function exchange(request: HttpRequest, connection: Connection, timeouts: Timeouts): Promise<HttpResponse> {
  const { method, url, body } = request;
  const headers = { ...request.headers, ...lengthOf(body) };
  const sent = connection.start(url, { ...connection.options, method, headers, timeout: timeouts.idle });
  const watch = watchOver(sent, request, timeouts);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  sent.on("response", resolve);
  // Listens for good: an error after the answer is the body's to tell.
  sent.on("error", reject);
  // Not awaited: a source that stands still must not keep the answer, or the end, from coming.
  writeBody(sent, body).catch(watch.fail);
  try {
    const message = await promise;
    const pieces = readBody(sent, message, watch);
    if (method !== "HEAD") return { status: message.statusCode ?? 0, headers: message.headers, url, body: pieces };
    for await (const _ of pieces);
    return { status: message.statusCode ?? 0, headers: message.headers, url, body: nothing() };
  } catch (error) {
    watch.end();
    sent.destroy();
    throw watch.errorOf(error);
  }
}

/** What may end a request from outside, and the error that says so. */
interface Watch {
  fail(error: unknown): void;
  errorOf(error: unknown): unknown;
  end(): void;
}

function watchOver(sent: ClientRequest, { method, url, signal }: HttpRequest, timeouts: Timeouts): Watch {
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    sent.destroy(error instanceof Error ? error : undefined);
  };
  const abort = () => fail(deadlineExceeded(`${method} ${shownUrl(url)}`, signal?.reason));
  signal?.addEventListener("abort", abort, { once: true });
  sent.on("timeout", () => fail(tooSlow(url.host, "a byte", timeouts.idle)));
  const connecting = setTimeout(() => fail(tooSlow(url.host, "a connection", timeouts.connect)), timeouts.connect);
  sent.on("socket", (socket) => {
    if (!socket.connecting) clearTimeout(connecting);
    else socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => clearTimeout(connecting));
  });
  sent.on("close", () => clearTimeout(connecting));
  return {
    fail,
    errorOf: (error) => (failure === undefined ? networkError(error, url.host) : failure.error),
    end: () => signal?.removeEventListener("abort", abort),
  };
}

function lengthOf(body: RequestBody | undefined): Record<string, string> {
  if (body === undefined) return {};
  return { "Content-Length": String(body instanceof Uint8Array ? body.length : body.size) };
}

/** Bytes of a body that wait for the connection: enough for the source not to stand still meanwhile. */
const maxQueued = 512 * 1024;

async function writeBody(sent: ClientRequest, body: RequestBody | undefined): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    sent.end(body);
    return;
  }
  // An answer before the end, as a refusal may be, ends the writing.
  let answered = false;
  sent.once("response", () => {
    answered = true;
  });
  let size = 0;
  for await (const piece of body.open()) {
    if (answered || sent.destroyed) return;
    size += piece.length;
    if (size > body.size) break;
    if (!sent.write(piece) && sent.writableLength > maxQueued) await drained(sent);
  }
  if (size !== body.size)
    throw new TrustError("CONTENT_MISMATCH", "the content to send is not as long as it said", {
      expected: `${body.size} bytes`,
      found: `${size} bytes`,
    });
  sent.end();
}

function drained(sent: ClientRequest): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => {
    for (const event of ["drain", "close", "response"]) sent.off(event, done);
    resolve();
  };
  for (const event of ["drain", "close", "response"]) sent.on(event, done);
  return promise;
}

async function* readBody(sent: ClientRequest, message: IncomingMessage, watch: Watch): AsyncIterable<Buffer> {
  try {
    for await (const piece of message) yield piece as Buffer;
  } catch (error) {
    throw watch.errorOf(error);
  } finally {
    watch.end();
    if (!sent.writableEnded) sent.destroy();
  }
}

async function* nothing(): AsyncIterable<Buffer> {}
