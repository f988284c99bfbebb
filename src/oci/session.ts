import { type Asked, answerError } from "./answers.ts";
import type { Authorization, Authorizer } from "./auth.ts";
import { discard } from "./body.ts";
import { endpointOf, type PlainHttp } from "./endpoint.ts";
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
  const send = (request: RegistryRequest): Promise<Answered> => {
    const { target } = request;
    const endpoint = endpointOf(request.registry, settings.plainHttp, settings.hasAuthority);
    if (typeof target === "string")
      return schemes.send(endpoint, (scheme) =>
        authorized(settings, request, new URL(`${scheme}://${endpoint.host}/v2/${target}`)),
      );
    requireTransport(target.from, target.url, settings.plainHttp);
    const isOwn = target.url.host === new URL(`${target.url.protocol}//${endpoint.host}`).host;
    return isOwn ? authorized(settings, request, target.url) : unauthorized(settings, request, target.url);
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
  readonly response: HttpResponse;
  readonly authorization: Authorization | undefined;
}

/** Sends with what the registry is known to ask for, and answers its challenge where that was not enough. */
async function authorized(settings: SessionSettings, request: RegistryRequest, url: URL): Promise<Answered> {
  const { authorizer } = settings;
  let authorization = await authorizer.before(request, url);
  for (let tries = 0; ; tries++) {
    const response = await sendTo(settings, request, url, authorization);
    const isChallenge = response.status === 401 || response.status === 403;
    // A challenge of a host that the registry redirected to is not the registry's: no credential answers it.
    const isOwn = response.url.origin === url.origin;
    if (!isChallenge || !isOwn || tries === maxAuthorizations) return { response, authorization };
    let next: Authorization | undefined;
    try {
      next = await authorizer.after(request, response, authorization);
    } catch (error) {
      await discard(response);
      throw error;
    }
    if (next === undefined) return { response, authorization };
    await discard(response);
    authorization = next;
  }
}

async function unauthorized(settings: SessionSettings, request: RegistryRequest, url: URL): Promise<Answered> {
  return { response: await sendTo(settings, request, url, undefined, false), authorization: undefined };
}

function sendTo(
  settings: SessionSettings,
  { method, headers, body, signal }: RegistryRequest,
  url: URL,
  authorization: Authorization | undefined,
  isRegistry = true,
): Promise<HttpResponse> {
  const ownHeaders = authorization === undefined ? {} : { Authorization: authorization.header };
  return sendFollowing(
    settings.transport,
    { method, url, headers: { ...settings.headers, ...headers }, body, signal, withClientCertificate: isRegistry },
    { plainHttp: settings.plainHttp, ownHeaders: ownHeaders as Record<string, string> },
  );
}
