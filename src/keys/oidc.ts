import { hash, randomBytes } from "node:crypto";
import { isJsonObject, type JsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { requireSecrecy, type ServiceClient } from "../oci/service.ts";
import { sleep } from "../oci/waiting.ts";
import { claimsOf } from "./identity-token.ts";
import { listenForCode } from "./oidc-redirect.ts";

/** How a person signs in: in a browser on this machine, or on any machine with a code. */
export type InteractiveFlow = "browser" | "device";

/** A person who can be asked, and the provider that vouches for them. */
export interface SignIn {
  /** The provider's address, as its tokens have it. */
  readonly issuer: string;
  readonly clientId: string;
  readonly client: ServiceClient;
  /** Says something to the person. */
  tell(text: string): void;
  /** Opens an address in the person's browser; whether that was tried. */
  openBrowser(url: string): Promise<boolean>;
  readonly signal?: AbortSignal | undefined;
}

interface Provider {
  readonly authorization: URL | undefined;
  readonly token: URL;
  readonly device: URL | undefined;
}

const what = "the identity provider";
const scope = "openid email";
const form = { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" };
/** Milliseconds that a person may take. */
const patience = 5 * 60_000;

/**
 * Has a person sign in, and gives the identity token: with a code and PKCE over a redirect to this machine (RFC 8252, RFC 7636),
 * or with a code that is typed elsewhere (RFC 8628). Throws `SIGNING_SERVICE_REFUSED`, `SIGNING_SERVICE_UNAVAILABLE`,
 * `IDENTITY_TOKEN_INVALID`, `DEADLINE_EXCEEDED`; no error repeats a code or a token.
 */
export async function signInteractively(flow: InteractiveFlow, signIn: SignIn): Promise<string> {
  const provider = await discover(signIn);
  return flow === "browser" ? byBrowser(provider, signIn) : byDevice(provider, signIn);
}

async function discover({ issuer, client, signal }: SignIn): Promise<Provider> {
  const url = new URL(`${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`);
  const { body } = await client.ask({ method: "GET", url, what, accept: [200], isSecret: true, signal });
  const found = objectIn(body, url);
  if (found["issuer"] !== issuer && found["issuer"] !== issuer.replace(/\/+$/, ""))
    throw strange(url, `the configuration of ${issuer}`, "that of another issuer");
  const endpoint = (name: string) => {
    const place = URL.parse(String(found[name] ?? ""));
    if (place !== null) requireSecrecy(place, what);
    return place ?? undefined;
  };
  const token = endpoint("token_endpoint");
  if (token === undefined) throw strange(url, "a token_endpoint", "none");
  return {
    token,
    authorization: endpoint("authorization_endpoint"),
    device: endpoint("device_authorization_endpoint"),
  };
}

async function byBrowser({ authorization, token }: Provider, signIn: SignIn): Promise<string> {
  if (authorization === undefined) throw strange(token, "an authorization_endpoint", "none");
  const { clientId, tell, openBrowser, signal } = signIn;
  const [verifier, state, nonce] = [secret(), secret(), secret()];
  await using redirect = await listenForCode(state, patience, signal);
  const url = new URL(authorization);
  const query = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirect.uri,
    scope,
    state,
    nonce,
    code_challenge: challengeOf(verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  tell(`Sign in with your browser, at:\n${url.href}`);
  await openBrowser(url.href);
  const code = await redirect.code();
  const grant = { grant_type: "authorization_code", code, redirect_uri: redirect.uri, code_verifier: verifier };
  const identity = await exchange(token, grant, signIn);
  if (typeof identity !== "string") throw refused(token, identity.error);
  if (claimsOf(identity)["nonce"] !== nonce) throw strange(token, "a token for this sign-in", "one for another");
  return identity;
}

async function byDevice({ device, token }: Provider, signIn: SignIn): Promise<string> {
  const { clientId, client, tell, signal } = signIn;
  if (device === undefined) throw strange(token, "sign-in by device", "none");
  const verifier = secret();
  const challenge = { code_challenge: challengeOf(verifier), code_challenge_method: "S256" };
  const asked = new URLSearchParams({ client_id: clientId, scope, ...challenge });
  const request = { url: device, headers: form, body: Buffer.from(asked.toString()), what, isSecret: true, signal };
  const answer = objectIn((await client.ask({ ...request, accept: [200] })).body, device);
  const { device_code: code, user_code: shown, verification_uri: place, verification_uri_complete: whole } = answer;
  if (typeof code !== "string" || typeof shown !== "string" || typeof place !== "string")
    throw strange(device, "a device_code, a user_code and a verification_uri", "something else");
  tell(`Sign in on any device, at ${typeof whole === "string" ? whole : place}\nwith the code ${shown}`);
  const until = performance.now() + Math.min(patience, seconds(answer["expires_in"], 300) * 1000);
  const grant = {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: code,
    code_verifier: verifier,
  };
  for (let pause = seconds(answer["interval"], 5) * 1000; performance.now() + pause < until; ) {
    await sleep(pause, signal, "the wait for a person to sign in");
    const identity = await exchange(token, grant, signIn);
    if (typeof identity === "string") return identity;
    if (identity.error === "slow_down") pause += 5_000;
    else if (identity.error !== "authorization_pending") throw refused(token, identity.error);
  }
  throw refused(token, "nobody signed in in time");
}

async function exchange(
  url: URL,
  grant: Readonly<Record<string, string>>,
  { clientId, client, signal }: SignIn,
): Promise<string | { readonly error: string }> {
  const body = Buffer.from(new URLSearchParams({ ...grant, client_id: clientId }).toString());
  const request = { url, headers: form, body, what, isSecret: true, signal, accept: [200, 400, 401, 403] };
  const answer = await client.ask(request);
  const { id_token: identity, error } = objectIn(answer.body, url);
  if (answer.status === 200 && typeof identity === "string") return identity;
  if (answer.status === 200) throw strange(url, "an id_token", "none");
  return { error: typeof error === "string" && /^[a-z_]{1,60}$/.test(error) ? error : `status ${answer.status}` };
}

/** Of an answer that may hold a secret no more is told than that it is not JSON. */
function objectIn(body: Uint8Array, url: URL): JsonObject {
  try {
    const json = parseStrictJson(body, "the answer");
    if (isJsonObject(json)) return json;
  } catch {
    // Told below.
  }
  throw strange(url, "a JSON object", "something else");
}

function secret(): string {
  return randomBytes(32).toString("base64url");
}

function challengeOf(verifier: string): string {
  return hash("sha256", verifier, "base64url");
}

function seconds(value: unknown, otherwise: number): number {
  return typeof value === "number" && value > 0 && value <= 3600 ? value : otherwise;
}

function strange(url: URL, expected: string, found: string): TrustError {
  const message = `${what} at ${url.host} answers strangely`;
  return new TrustError("SIGNING_SERVICE_REFUSED", message, { expected, found });
}

function refused(url: URL, found: string): TrustError {
  return new TrustError("SIGNING_SERVICE_REFUSED", `${what} at ${url.host} did not sign you in`, {
    expected: "an identity token",
    found,
  });
}
