import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { answerError } from "./answers.ts";
import { discard, readBody } from "./body.ts";
import type { Credential } from "./credential.ts";
import { isLoopbackHost } from "./endpoint.ts";
import { isTransientStatus, type RetrySettings, retrying } from "./retry.ts";
import { formatScopes, type Scopes } from "./scope.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";

/** A token service as a registry names it (distribution, token authentication). */
export interface TokenService {
  readonly realm: string;
  readonly service?: string | undefined;
}

export interface TokenRequest extends TokenService {
  readonly registry: string;
  readonly scopes: Scopes;
  readonly credential?: Credential | undefined;
  /** What the registry itself is spoken to over: `loopback` is plain HTTP on this machine, `plain` anywhere else. */
  readonly channel: "tls" | "loopback" | "plain";
  readonly headers: Readonly<Record<string, string>>;
}

export interface Token {
  readonly value: string;
  /** Seconds it lives from when it was asked for. */
  readonly lifetime: number;
}

const maxTokenBytes = 1024 * 1024;
/** Token specification: a service that does not say grants a minute. */
const defaultLifetime = 60;
const maxLifetime = 12 * 3600;
const clientId = "trust";

/**
 * Gets a token for the scopes, anonymously where there is no credential. Throws `AUTHENTICATION_REQUIRED`,
 * `AUTHORIZATION_DENIED`, `INSECURE_TRANSPORT_REFUSED` where the service is no place for a credential.
 */
export async function fetchToken(
  transport: Transport,
  retry: RetrySettings,
  request: TokenRequest,
  signal: AbortSignal,
): Promise<Token> {
  const realm = realmOf(request);
  const ask = (message: Omit<HttpRequest, "headers" | "signal"> & { readonly authorization?: string | undefined }) =>
    retrying<HttpResponse>(retry, { signal, what: `a token for ${request.registry}` }, async (last) => {
      const { authorization, ...rest } = message;
      const type = rest.body === undefined ? {} : { "Content-Type": "application/x-www-form-urlencoded" };
      const headers = {
        ...request.headers,
        ...type,
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      };
      const response = await transport.send({ ...rest, headers, signal });
      if (last || !isTransientStatus(response.status)) return { result: response };
      await discard(response);
      return { again: response };
    });
  const { credential } = request;
  let response: HttpResponse | undefined;
  if (credential?.identityToken !== undefined) {
    response = await ask({ method: "POST", url: realm, body: refreshForm(request, credential.identityToken) });
    // Services from before OAuth know only GET.
    if ((response.status === 404 || response.status === 405) && credential.password !== undefined) {
      await discard(response);
      response = undefined;
    }
  }
  response ??= await ask({
    method: "GET",
    url: tokenUrl(realm, request),
    authorization: basicAuthorization(credential),
  });
  return readToken(response, request, transport);
}

/** `Basic …` for a user and password, nothing for any other credential. */
export function basicAuthorization(credential: Credential | undefined): string | undefined {
  if (credential?.password === undefined) return undefined;
  return `Basic ${Buffer.from(`${credential.username ?? ""}:${credential.password}`).toString("base64")}`;
}

/**
 * The realm is named by the registry itself, over a connection that nobody else can speak on; even so a credential goes
 * only to HTTPS, or stays on this machine.
 */
function realmOf({ realm, registry, channel, credential }: TokenRequest): URL {
  const url = URL.parse(realm);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "")
    throw new TrustError("REGISTRY_ERROR", `${registry} names a token service that is no URL`, {
      expected: "an https URL",
      found: realm.slice(0, 200),
    });
  const local = channel === "loopback" && isLoopbackHost(url.host);
  const open = credential === undefined && channel === "plain";
  if (url.protocol === "http:" && !local && !open)
    throw new TrustError("INSECURE_TRANSPORT_REFUSED", `${registry} names a token service without HTTPS`, {
      expected: "an https URL",
      found: `http://${url.host}`,
      hint: "Have the operators of the registry serve its tokens over HTTPS",
    });
  url.hash = "";
  return url;
}

function tokenUrl(realm: URL, { service, scopes }: TokenRequest): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of formatScopes(scopes)) url.searchParams.append("scope", scope);
  return url;
}

function refreshForm({ service, scopes }: TokenRequest, identityToken: string): Buffer {
  const form = new URLSearchParams({ grant_type: "refresh_token", client_id: clientId, refresh_token: identityToken });
  if (service !== undefined) form.set("service", service);
  if (scopes.size > 0) form.set("scope", formatScopes(scopes).join(" "));
  return Buffer.from(form.toString());
}

async function readToken(response: HttpResponse, request: TokenRequest, transport: Transport): Promise<Token> {
  const { registry, credential } = request;
  if (response.status !== 200)
    throw await answerError(response, "the token service", {
      registry,
      what: "a token",
      missing: "AUTHENTICATION_REQUIRED",
      authenticated: credential !== undefined,
    });
  const limits = { maxBytes: maxTokenBytes, maxMs: transport.timeouts.body };
  const bytes = await readBody(response, limits, "the answer of the token service");
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString("utf8"));
  } catch {
    document = undefined;
  }
  const fields = isJsonObject(document) ? document : {};
  const value = fields["token"] || fields["access_token"];
  // What cannot stand in a header is no token.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value))
    throw new TrustError("REGISTRY_ERROR", `the token service of ${registry} sent no token`, {
      expected: "JSON with token or access_token",
      found: `${bytes.length} bytes without`,
    });
  return { value, lifetime: lifetimeOf(fields["expires_in"]) };
}

function lifetimeOf(seconds: unknown): number {
  const number = typeof seconds === "number" && seconds > 0 ? seconds : defaultLifetime;
  return Math.min(number, maxLifetime);
}
