import { TrustError } from "../errors.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Credential, CredentialSource } from "./credential.ts";
import { isLoopbackHost } from "./endpoint.ts";
import { coversScopes, mergeScopes, parseScopes, type Scopes } from "./scope.ts";
import { basicAuthorization, type TokenService } from "./token.ts";
import { createTokenCache, type TokenCacheSettings } from "./token-cache.ts";
import type { HttpResponse } from "./transport.ts";

/** A request that may need authorization. */
export interface AuthorizedRequest {
  readonly registry: string;
  readonly repository?: string | undefined;
  readonly scopes: Scopes;
  readonly signal?: AbortSignal | undefined;
  /** Send user and password although the registry has not asked, where they stay secret. */
  readonly eager?: boolean;
}

/** An `Authorization` header: a token for some scopes, or a password or token that the user gave. */
export interface Authorization {
  readonly header: string;
  readonly kind: "given" | "token";
  readonly scopes: Scopes;
}

/** Knows how each registry wants to be spoken to, and holds its tokens until they expire. */
export interface Authorizer {
  /** What to send at once, from what the registry asked for before. */
  before(request: AuthorizedRequest, url: URL): Promise<Authorization | undefined>;
  /**
   * What to send after a 401, or after a 403 that asks for more; nothing where another try would be the same. The answer
   * must be the registry's own, not one of a host it redirected to.
   */
  after(
    request: AuthorizedRequest,
    response: Pick<HttpResponse, "status" | "headers" | "url">,
    sent: Authorization | undefined,
  ): Promise<Authorization | undefined>;
}

export interface AuthSettings extends TokenCacheSettings {
  readonly credentials: CredentialSource;
  /** Headers of every request, as `User-Agent`. */
  readonly headers: Readonly<Record<string, string>>;
}

type Method = { readonly kind: "basic" } | ({ readonly kind: "token" } & TokenService);

const basic: Method = { kind: "basic" };

export function createAuthorizer(settings: AuthSettings): Authorizer {
  const { headers } = settings;
  const methods = new Map<string, Method>();
  const tokens = createTokenCache(settings);
  const credentials = createCredentialMemo(settings);
  const authorize = async (request: AuthorizedRequest, url: URL): Promise<Authorization | undefined> => {
    const { registry, scopes, signal, eager = false } = request;
    const channel = channelOf(url);
    const method = methods.get(registry) ?? (eager && channel !== "plain" ? basic : undefined);
    if (method === undefined) return undefined;
    const credential = await credentials.get(request);
    if (credential !== undefined && channel === "plain") throw notConfidential(registry, url);
    if (credential?.registryToken !== undefined) return given(`Bearer ${credential.registryToken}`, scopes);
    if (method.kind === "basic") return given(basicAuthorization(credential), scopes);
    const token = await tokens.get({ ...method, registry, scopes, credential, channel, headers }, signal);
    return { header: token.header, kind: "token", scopes: token.scopes };
  };
  return {
    before: authorize,
    async after(request, response, sent) {
      const challenge = chooseChallenge(parseChallenges(response.headers["www-authenticate"]));
      if (challenge === undefined) return undefined;
      const scopes = mergeScopes(request.scopes, parseScopes(challenge.parameters["scope"] ?? ""));
      if (sent !== undefined && response.status === 401) {
        tokens.forget(sent.header);
        credentials.forget(request);
      }
      if (!worthAnotherTry(response.status, challenge, scopes, sent)) return undefined;
      methods.set(request.registry, methodOf(challenge));
      return authorize({ ...request, scopes }, response.url);
    },
  };
}

function given(header: string | undefined, scopes: Scopes): Authorization | undefined {
  return header === undefined ? undefined : { header, kind: "given", scopes };
}

/** A 401 may be about a token that expired; a 403 only about one that allows too little. */
function worthAnotherTry(
  status: number,
  challenge: Challenge,
  scopes: Scopes,
  sent: Authorization | undefined,
): boolean {
  if (sent === undefined) return true;
  if (sent.kind === "given") return status === 401 && challenge.scheme === "bearer" && sent.header.startsWith("Basic ");
  return status === 401 || !coversScopes(sent.scopes, scopes);
}

/** Tokens before passwords. */
function chooseChallenge(challenges: readonly Challenge[]): Challenge | undefined {
  return (
    challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"] !== undefined) ??
    challenges.find(({ scheme }) => scheme === "basic")
  );
}

function methodOf({ scheme, parameters }: Challenge): Method {
  if (scheme === "basic") return basic;
  return { kind: "token", realm: parameters["realm"] ?? "", service: parameters["service"] };
}

function channelOf(url: URL): "tls" | "loopback" | "plain" {
  if (url.protocol === "https:") return "tls";
  return isLoopbackHost(url.host) ? "loopback" : "plain";
}

function notConfidential(registry: string, url: URL): TrustError {
  return new TrustError(
    "INSECURE_TRANSPORT_REFUSED",
    `${registry} wants credentials, which are not sent over plain HTTP`,
    { expected: "HTTPS, or a registry on this machine", found: `http://${url.host}` },
  );
}

interface CredentialMemo {
  get(request: AuthorizedRequest): Promise<Credential | undefined>;
  forget(request: AuthorizedRequest): void;
}

/** Milliseconds that a credential is kept: helpers are slow, and some hand out what lives for an hour. */
const credentialLifetime = 5 * 60_000;
const maxCredentials = 2_000;

function createCredentialMemo({ credentials, now }: AuthSettings): CredentialMemo {
  const known = new Map<string, { readonly credential: Promise<Credential | undefined>; readonly expires: number }>();
  const keyOf = ({ registry, repository = "" }: AuthorizedRequest) => `${registry}/${repository}`;
  return {
    get(request) {
      const key = keyOf(request);
      const old = known.get(key);
      if (old !== undefined && old.expires > now()) return old.credential;
      const credential = credentials.credentialsFor(request.registry, request.repository);
      if (known.size >= maxCredentials) known.clear();
      known.set(key, { credential, expires: now() + credentialLifetime });
      // A failure is for those who wait now.
      credential.catch(() => known.delete(key));
      return credential;
    },
    forget: (request) => void known.delete(keyOf(request)),
  };
}
