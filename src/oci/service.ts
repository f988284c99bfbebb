import { isJsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { readBody } from "./body.ts";
import type { ConnectionSettings } from "./connections.ts";
import { isLoopbackHost } from "./endpoint.ts";
import { defaultRetry, isTransientStatus, type RetrySettings, retrying } from "./retry.ts";
import { createTransport, defaultTimeouts, type RequestEvent, type Timeouts } from "./transport.ts";

/** How services are spoken to. Whatever is left out has a default. */
export interface ServiceOptions extends Pick<ConnectionSettings, "ca" | "proxyEnv"> {
  readonly userAgent?: string | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<RetrySettings> | undefined;
  /** Hears of each request that went over the wire: no bodies, no headers. */
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
}

export interface ServiceRequest {
  readonly method?: "GET" | "POST";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** For errors: `the transparency log`. */
  readonly what: string;
  /** Statuses that are answers, not errors. */
  readonly accept: readonly number[];
  /** What is sent is secret: only HTTPS, or this machine. */
  readonly isSecret?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly body: Buffer;
  readonly location: string | undefined;
}

/**
 * Speaks with the services of signing, in requests that may be repeated. Redirects are not followed, answers have at most
 * 1 MiB. Throws `SIGNING_SERVICE_UNAVAILABLE` after a bounded number of tries, `SIGNING_SERVICE_REFUSED`, `TLS_FAILED`,
 * `INSECURE_TRANSPORT_REFUSED`, `DEADLINE_EXCEEDED`.
 */
export interface ServiceClient {
  ask(request: ServiceRequest): Promise<ServiceAnswer>;
  close(): void;
}

const maxAnswer = 1024 * 1024;
const maxReason = 300;
/** A log of Rekor v2 answers when its next checkpoint is signed and witnessed, which may take 20 seconds. */
const timeouts: Timeouts = { ...defaultTimeouts, idle: 30_000, body: 30_000 };
const retry: Partial<RetrySettings> = { attempts: 3, base: 500 };

/** A client; making it costs nothing. */
export function createServiceClient(options: ServiceOptions = {}): ServiceClient {
  const { ca, proxyEnv, onRequest, userAgent = "trust" } = options;
  const bounds = { ...timeouts, ...options.timeouts };
  const transport = createTransport({ ca, proxyEnv, onRequest, timeouts: bounds, maxConcurrent: 16 });
  const settings: RetrySettings = { ...defaultRetry, ...retry, ...options.retry };

  const once = async (request: ServiceRequest): Promise<ServiceAnswer> => {
    const { url, method = "POST", headers = {}, body, signal, what } = request;
    const common = { "User-Agent": userAgent, "Accept-Encoding": "identity" };
    const response = await transport.send({ method, url, headers: { ...common, ...headers }, body, signal });
    const bytes = await readBody(response, { maxBytes: maxAnswer, maxMs: bounds.body }, `the answer of ${what}`);
    return { status: response.status, body: bytes, location: response.headers.location };
  };

  return {
    async ask(request) {
      const { url, what, signal } = request;
      if (request.isSecret === true) requireSecrecy(url, what);
      try {
        const answer = await retrying(settings, { signal, what }, async (last) => {
          const found = await once(request);
          const again = !last && isTransientStatus(found.status) && !request.accept.includes(found.status);
          return again ? { again: { ...found, headers: {}, url, body: nothing() } } : { result: found };
        });
        if (request.accept.includes(answer.status)) return answer;
        throw refusedBy(request, answer);
      } catch (error) {
        throw serviceError(error, request);
      }
    },
    close: transport.close,
  };
}

async function* nothing(): AsyncIterable<Buffer> {}

/** Refuses to tell a secret over plain HTTP to another machine. Throws `INSECURE_TRANSPORT_REFUSED`. */
export function requireSecrecy(url: URL, what: string): void {
  if (url.protocol === "https:" || isLoopbackHost(url.host)) return;
  throw new TrustError("INSECURE_TRANSPORT_REFUSED", `${what} would be told a secret over plain HTTP`, {
    expected: "HTTPS",
    found: `${url.protocol}//${url.host}`,
    hint: "Name the service by its https:// address",
  });
}

/** What stopped a request, in the words of signing. */
function serviceError(error: unknown, { url, what }: ServiceRequest): unknown {
  if (!(error instanceof TrustError)) return error;
  const { message, expected, found } = error;
  if (error.code === "REGISTRY_UNREACHABLE" || error.code === "CONTENT_TOO_LARGE")
    return new TrustError("SIGNING_SERVICE_UNAVAILABLE", `${what} at ${url.host} gives no answer: ${message}`, {
      expected,
      found,
      cause: error,
    });
  return error;
}

function refusedBy({ url, what, isSecret }: ServiceRequest, { status, body }: ServiceAnswer): TrustError {
  // Services repeat what they were sent.
  const reason = isSecret === true ? "" : reasonOf(body);
  const found = `${status}${reason === "" ? "" : `: ${reason}`}`;
  if (isTransientStatus(status) || status >= 500)
    return new TrustError("SIGNING_SERVICE_UNAVAILABLE", `${what} at ${url.host} is failing`, { found });
  return new TrustError("SIGNING_SERVICE_REFUSED", `${what} at ${url.host} refused the request`, { found });
}

/** What a service says is wrong, in the forms that services have. */
function reasonOf(body: Buffer): string {
  const text = body.subarray(0, 4 * maxReason).toString();
  try {
    const json = parseStrictJson(body, "the answer");
    const { message, error_description: description, error } = isJsonObject(json) ? json : {};
    const said = [message, description, error].find((part) => typeof part === "string");
    return typeof said === "string" ? said.slice(0, maxReason) : "";
  } catch {
    return /^[^<\0]{1,}$/.test(text) ? text.trim().slice(0, maxReason) : "";
  }
}

/** An answer that is JSON. Throws `SIGNING_SERVICE_UNAVAILABLE`: whoever answers something else is not that service. */
export function readJsonAnswer(body: Uint8Array, { url, what }: Pick<ServiceRequest, "url" | "what">): unknown {
  try {
    return parseStrictJson(body, `the answer of ${what}`);
  } catch (cause) {
    throw strangeAnswer({ url, what }, "JSON", cause);
  }
}

/** The service answered something else than it should have. */
export function strangeAnswer(
  { url, what }: Pick<ServiceRequest, "url" | "what">,
  expected: string,
  cause?: unknown,
): TrustError {
  const found = cause instanceof TrustError ? cause.message.slice(0, maxReason) : "something else";
  return new TrustError("SIGNING_SERVICE_UNAVAILABLE", `${what} at ${url.host} answers strangely`, {
    expected,
    found,
    cause,
  });
}
