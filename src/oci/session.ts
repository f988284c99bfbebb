import { TrustError } from "../errors.ts";
import { type Asked, answerError } from "./answers.ts";
import type { Authorization, Authorizer } from "./auth.ts";
import { discard } from "./body.ts";
import { endpointOf, type PlainHttp, type Scheme } from "./endpoint.ts";
import { requireTransport, sendFollowing } from "./redirects.ts";
import { isTransientStatus, pauseAfter, type RetrySettings, retrying } from "./retry.ts";
import { createSchemeMemo } from "./schemes.ts";
import type { Scopes } from "./scope.ts";
import type { HttpResponse, RequestBody, Transport } from "./transport.ts";
import { sleep } from "./waiting.ts";

/** One request to a registry. */
export interface RegistryRequest extends Asked {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** A path after `/v2/` with its query; or a whole URL that the registry gave, and the URL that gave it. */
  readonly target: string | { readonly url: URL; readonly from: URL };
  readonly scopes: Scopes;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Statuses that are an answer; any other is an error. */
  readonly accept: readonly number[];
  /** Credentials go along although nobody asked: the answer is less without them, not a refusal. */
  readonly eager?: boolean;
  /** False where only the caller knows how to go on after a failure; an answer 429 is waited for all the same. */
  readonly repeat?: boolean;
}

/** Speaks to registries: scheme, authorization, redirects, repeats and errors. */
export interface Session {
  /** Sends, and reads one accepted answer; when the connection breaks meanwhile, sends and reads again. */
  request<T>(request: RegistryRequest, read: (response: HttpResponse) => Promise<T>): Promise<T>;
  /** The pause before the caller itself tries again. */
  pause(tries: number, signal: AbortSignal | undefined): Promise<void>;
}

export interface SessionSettings {
  readonly transport: Transport;
  readonly authorizer: Authorizer;
  readonly retry: RetrySettings;
  readonly plainHttp: PlainHttp;
  /** Whether a certificate authority was given; see `endpointOf`. */
  readonly hasAuthority: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

const maxAuthorizations = 2;

export function createSession(settings: SessionSettings): Session {
  const schemes = createSchemeMemo();
  const send = async (request: RegistryRequest): Promise<Answered> => {
    const { target } = request;
    const endpoint = endpointOf(request.registry, settings.plainHttp, settings.hasAuthority);
    if (typeof target === "string") {
      // Only the first try may find out the scheme: no credential has left yet, and none leaves over a guess.
      const answered = await schemes.send(endpoint, (scheme) =>
        sendKnown(settings, request, apiUrl(scheme, endpoint.host, target)),
      );
      return authorized(settings, request, answered);
    }
    requireTransport(target.from, target.url, settings.plainHttp);
    const isOwn = target.url.host === new URL(`${target.url.protocol}//${endpoint.host}`).host;
    if (isOwn) return authorized(settings, request, await sendKnown(settings, request, target.url));
    const response = await sendTo(settings, request, { url: target.url, isRegistry: false });
    return { url: target.url, response, authorization: undefined };
  };
  return {
    request(request, read) {
      const { method, registry, what, signal } = request;
      const { repeat = true } = request;
      const about = { signal, what: `${method} ${registry}: ${what}`, mendsBroken: repeat };
      return retrying(settings.retry, about, async (last) => {
        const { response, authorization } = await send(request);
        if (request.accept.includes(response.status)) return { result: await read(response) };
        // 429 says that nothing was done.
        const mayRepeat = repeat ? isTransientStatus(response.status) : response.status === 429;
        if (last || !mayRepeat)
          throw await answerError(response, method, { ...request, authenticated: authorization !== undefined });
        await discard(response);
        return { again: response };
      });
    },
    pause: (tries, signal) => sleep(pauseAfter(tries, settings.retry), signal, "a pause before trying again"),
  };
}

interface Answered {
  readonly url: URL;
  readonly response: HttpResponse;
  readonly authorization: Authorization | undefined;
}

/** A name can be well formed and still be no host, as with port 99999. */
function apiUrl(scheme: Scheme, host: string, target: string): URL {
  const url = URL.parse(`${scheme}://${host}/v2/${target}`);
  if (url !== null) return url;
  throw new TrustError("REFERENCE_INVALID", `${host} cannot be a registry`, {
    expected: "a host name or address, and a port up to 65535",
    found: host,
  });
}

/** Sends with what the registry is known to ask for. */
async function sendKnown(settings: SessionSettings, request: RegistryRequest, url: URL): Promise<Answered> {
  const authorization = await settings.authorizer.before(request, url);
  return { url, response: await sendTo(settings, request, { url, authorization, isRegistry: true }), authorization };
}

/** Answers the registry's challenge, where what was sent was not enough. */
async function authorized(settings: SessionSettings, request: RegistryRequest, first: Answered): Promise<Answered> {
  let answered = first;
  for (let tries = 0; ; tries++) {
    const { url, response } = answered;
    const isChallenge = response.status === 401 || response.status === 403;
    // A challenge of a host that the registry redirected to is not the registry's: no credential answers it.
    const isOwn = response.url.origin === url.origin;
    if (!isChallenge || !isOwn || tries === maxAuthorizations) return answered;
    const authorization = await nextAuthorization(settings, request, answered);
    if (authorization === undefined) return answered;
    await discard(response);
    answered = {
      url,
      authorization,
      response: await sendTo(settings, request, { url, authorization, isRegistry: true }),
    };
  }
}

async function nextAuthorization(
  { authorizer }: SessionSettings,
  request: RegistryRequest,
  { response, authorization }: Answered,
): Promise<Authorization | undefined> {
  try {
    return await authorizer.after(request, response, authorization);
  } catch (error) {
    await discard(response);
    throw error;
  }
}

interface Destination {
  readonly url: URL;
  readonly authorization?: Authorization | undefined;
  /** Whether it is the registry itself, which may see the client certificate. */
  readonly isRegistry: boolean;
}

function sendTo(
  { transport, headers: common, plainHttp }: SessionSettings,
  { method, headers, body, signal }: RegistryRequest,
  { url, authorization, isRegistry }: Destination,
): Promise<HttpResponse> {
  return sendFollowing(
    transport,
    { method, url, headers: { ...common, ...headers }, body, signal, withClientCertificate: isRegistry },
    { plainHttp, ownHeaders: authorization === undefined ? {} : { Authorization: authorization.header } },
  );
}
