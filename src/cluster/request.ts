import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { getBuiltinModule } from "node:process";
import { TrustError } from "../errors.ts";
import { createGatherer } from "../oci/gather.ts";
import { deadlineExceeded, networkError } from "../oci/network-errors.ts";
import type { RequestEvent } from "../oci/transport.ts";
import type { Access, Identity } from "./access.ts";
import { type Intent, invalidAnswer, shownIntent } from "./answers.ts";

/** Milliseconds. */
export interface ClusterTimeouts {
  /** Until the head of an answer is there. */
  readonly answer: number;
  /** Until all of it is there, where it is kept in memory. */
  readonly body: number;
}

export const defaultTimeouts: ClusterTimeouts = { answer: 30_000, body: 60_000 };

export interface ApiRequest {
  readonly intent: Intent;
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  /** Below the server's URL, encoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly body?: { readonly type: string; readonly text: string } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** To be read to its end, or ended. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Throws `CLUSTER_UNREACHABLE`, or `DEADLINE_EXCEEDED` after the signal of the request. */
  readonly body: AsyncIterable<Buffer>;
  /** Cuts the connection; the body then throws `error`. */
  end(error: TrustError): void;
}

/** Sends requests to one API server, over connections that are kept. */
export interface Sender {
  readonly server: string;
  readonly timeouts: ClusterTimeouts;
  /** Resolves with the head of the answer; a 401 is tried once more with credentials that are looked at anew. */
  send(request: ApiRequest): Promise<ApiAnswer>;
  close(): void;
}

export interface SenderSettings {
  readonly timeouts: ClusterTimeouts;
  /** What the audit log of the cluster shows. */
  readonly userAgent: string;
  /** Hears of each request, its URL without what selects. */
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
}

export function createSender(access: Access, settings: SenderSettings): Sender {
  const { timeouts, onRequest } = settings;
  const agents = new Map<string, Agent>();
  const server = access.url.href.replace(/\/$/, "");
  const sendAs = async (request: ApiRequest, anew: boolean): Promise<ApiAnswer> => {
    const { signal, intent } = request;
    if (signal?.aborted) throw deadlineExceeded(shownIntent(intent), signal.reason);
    const identity = await access.identify({ anew, signal });
    const started = performance.now();
    let status: number | undefined;
    try {
      const agent = agentFor(agents, access, identity);
      const answer = await exchange({ ...settings, access, server }, request, identity, agent);
      status = answer.status;
      return answer;
    } finally {
      const { method, path } = request;
      const ms = performance.now() - started;
      onRequest?.({ method, url: `${server}${path}`, ...(status === undefined ? {} : { status }), ms });
    }
  };
  return {
    server,
    timeouts,
    async send(request) {
      const first = await sendAs(request, false);
      if (first.status !== 401) return first;
      first.end(unreachable(server, "an answer", "401"));
      return sendAs(request, true);
    },
    close() {
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

/** The agent of an identity; those of identities that are no longer used lose their connections by being idle. */
function agentFor(agents: Map<string, Agent>, { url, proxy }: Access, { tls }: Identity): Agent {
  const key = getBuiltinModule("node:crypto").hash("sha256", JSON.stringify(tls));
  const known = agents.get(key);
  if (known !== undefined) return known;
  const common = {
    keepAlive: true,
    timeout: idleConnection,
    ...(Object.keys(proxy).length === 0 ? {} : { proxyEnv: proxy }),
  };
  const agent =
    url.protocol === "https:"
      ? // Said, as the environment could say otherwise.
        new (getBuiltinModule("node:https").Agent)({ ...common, ...tls, rejectUnauthorized: true })
      : new (getBuiltinModule("node:http").Agent)(common);
  agents.set(key, agent);
  for (const [old] of agents) if (agents.size > maxAgents) agents.delete(old);
  return agent;
}

const idleConnection = 60_000;
const maxAgents = 4;
/** A connection whose other end is gone without a word is noticed within a minute. */
const tcpKeepAlive = 20_000;

interface Context extends SenderSettings {
  readonly access: Access;
  readonly server: string;
}

async function exchange(
  context: Context,
  request: ApiRequest,
  identity: Identity,
  agent: Agent,
  isSecond = false,
): Promise<ApiAnswer> {
  const { server, timeouts } = context;
  const { body, intent, signal } = request;
  const sent = start(context, request, identity, agent);
  let failure: TrustError | undefined;
  const end = (error: TrustError) => {
    failure ??= error;
    sent.destroy(error);
  };
  const abort = () => end(deadlineExceeded(shownIntent(intent), signal?.reason));
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => end(tooSlow(server, "the head of an answer", timeouts.answer)), timeouts.answer);
  const errorOf = (error: unknown) => failure ?? clusterNetworkError(error, context.access.url, server, intent);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  sent.on("response", resolve);
  // Listens for good: an error after the answer is the body's to tell.
  sent.on("error", reject);
  sent.on("socket", (socket) => socket.setKeepAlive(true, tcpKeepAlive));
  sent.end(body?.text);
  try {
    const message = await promise;
    const over = () => signal?.removeEventListener("abort", abort);
    message.once("close", over);
    // Ended before anybody reads, its error is the body's to tell.
    message.on("error", () => {});
    return { status: message.statusCode ?? 0, headers: message.headers, body: pieces(message, errorOf), end };
  } catch (error) {
    signal?.removeEventListener("abort", abort);
    sent.destroy();
    if (!isSecond && failure === undefined && isStale(sent, error))
      return exchange(context, request, identity, agent, true);
    throw errorOf(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a connection that was kept was closed by the other end as it was used again: nothing says that it is away. */
function isStale(sent: ClientRequest, error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return sent.reusedSocket && sent.method === "GET" && (code === "ECONNRESET" || code === "EPIPE");
}

function start({ access, userAgent }: Context, request: ApiRequest, identity: Identity, agent: Agent): ClientRequest {
  const { url } = access;
  const { method, path, query, body } = request;
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const search = given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
  const { request: begin } = getBuiltinModule(url.protocol === "https:" ? "node:https" : "node:http");
  const options = {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? undefined : Number(url.port),
    path: `${url.pathname.replace(/\/$/, "")}${path}${search}`,
    method,
    agent,
    headers: {
      Accept: "application/json",
      "Accept-Encoding": "identity",
      "User-Agent": userAgent,
      ...(body === undefined ? {} : { "Content-Type": body.type, "Content-Length": Buffer.byteLength(body.text) }),
      ...identity.headers,
    },
  };
  try {
    return begin(options);
  } catch (error) {
    // A certificate that is none, or a name that no header takes; only what kind of mistake it is is told.
    const code = error instanceof Error && "code" in error ? String(error.code) : "an error";
    throw new TrustError("CLUSTER_CONFIG_INVALID", "the credentials for the cluster cannot be used", {
      expected: "certificates and keys in PEM, and names that a header takes",
      found: code,
    });
  }
}

async function* pieces(message: IncomingMessage, errorOf: (error: unknown) => TrustError): AsyncIterable<Buffer> {
  try {
    for await (const piece of message) yield piece as Buffer;
  } catch (error) {
    throw errorOf(error);
  }
}

/** A whole answer in memory. Throws `CLUSTER_ANSWER_INVALID` for too large a one, `CLUSTER_UNREACHABLE` for too slow a one. */
export async function readAll(sender: Sender, answer: ApiAnswer, intent: Intent, maxBytes: number): Promise<Buffer> {
  const bytes = await readUpTo(sender, answer, maxBytes);
  if (bytes !== undefined) return bytes;
  throw invalidAnswer(intent, sender.server, `at most ${maxBytes} bytes`, "a longer answer");
}

/** The same; undefined for too large a one, whose connection is cut. */
export async function readUpTo(sender: Sender, answer: ApiAnswer, maxBytes: number): Promise<Buffer | undefined> {
  const { server, timeouts } = sender;
  const timer = setTimeout(() => answer.end(tooSlow(server, "the whole answer", timeouts.body)), timeouts.body);
  const gathered = createGatherer();
  try {
    for await (const piece of answer.body) if (gathered.add(piece) > maxBytes) return undefined;
    return gathered.bytes();
  } finally {
    clearTimeout(timer);
  }
}

/** The server cannot be asked, or stopped answering. */
export function unreachable(server: string, expected: string, found: string, cause?: unknown): TrustError {
  return new TrustError("CLUSTER_UNREACHABLE", `${server} cannot be reached`, { expected, found, cause });
}

/** The server did not answer, or went on too slowly. */
export function tooSlow(server: string, what: string, ms: number): TrustError {
  return new TrustError("CLUSTER_UNREACHABLE", `${server} is too slow`, {
    expected: `${what} within ${ms / 1_000} s`,
    found: "nothing",
  });
}

function clusterNetworkError(error: unknown, url: URL, server: string, intent: Intent): TrustError {
  const told = networkError(error, url.host);
  const { expected = "an answer", found = "none", cause } = told;
  if (isNoHttp(error)) return invalidAnswer(intent, server, "an HTTP answer", found, error);
  if (told.code === "TLS_FAILED")
    return new TrustError("TLS_FAILED", told.message, {
      expected,
      found,
      cause,
      hint: "Give the certificate authority of the API server in the kubeconfig, as certificate-authority-data",
    });
  if (told.code === "INSECURE_TRANSPORT_REFUSED")
    return new TrustError("INSECURE_TRANSPORT_REFUSED", told.message, {
      expected,
      found,
      cause,
      hint: "Name the HTTPS address of the API server in the kubeconfig",
    });
  return unreachable(server, expected, found, cause);
}

function isNoHttp(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("HPE_");
}
