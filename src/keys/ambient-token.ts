import { getBuiltinModule } from "node:process";
import { isJsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { ServiceClient, ServiceRequest } from "../oci/service.ts";

/** What is asked for a token of the place that the program runs in. */
export interface AmbientContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly client: ServiceClient;
  /** The text of a small file; undefined where there is none. */
  readFile(path: string): Promise<string | undefined>;
  readonly signal?: AbortSignal | undefined;
}

/** A place that may give identity tokens for the audience `sigstore`. */
interface AmbientSource {
  /** What is looked for, for whoever has none. */
  readonly looksFor: string;
  /** The token; undefined where this is not the place. Throws where it is, and gives none. */
  token(context: AmbientContext): Promise<string | undefined>;
}

const audience = "sigstore";

/** In the order in which they are asked; what somebody set on purpose goes first. */
const sources: readonly AmbientSource[] = [
  {
    looksFor: "SIGSTORE_ID_TOKEN (GitLab and others)",
    token: async ({ env }) => env["SIGSTORE_ID_TOKEN"] || undefined,
  },
  { looksFor: "GitHub Actions with the permission id-token: write", token: githubToken },
  { looksFor: "buildkite-agent in a Buildkite job", token: buildkiteToken },
  { looksFor: "CIRCLE_OIDC_TOKEN_V2 (CircleCI)", token: async ({ env }) => env["CIRCLE_OIDC_TOKEN_V2"] || undefined },
  { looksFor: "a projected token in /var/run/sigstore/cosign/oidc-token (Kubernetes)", token: projectedToken },
  { looksFor: "the metadata server of Google Cloud", token: googleToken },
];

/** What {@link ambientToken} looks for, in words. */
export const ambientSources: readonly string[] = sources.map(({ looksFor }) => looksFor);

/**
 * The identity token that the CI system or cloud around this program gives to it; undefined where there is none. Throws
 * `IDENTITY_TOKEN_NOT_FOUND` where it should give one and does not, and the codes of a service.
 */
export async function ambientToken(context: AmbientContext): Promise<string | undefined> {
  for (const source of sources) {
    const token = await source.token(context);
    if (token !== undefined) return token;
  }
  return undefined;
}

async function githubToken({ env, client, signal }: AmbientContext): Promise<string | undefined> {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: place, ACTIONS_ID_TOKEN_REQUEST_TOKEN: secret } = env;
  if (env["GITHUB_ACTIONS"] !== "true" && !(place && secret)) return undefined;
  if (!place || !secret)
    throw new TrustError("IDENTITY_TOKEN_NOT_FOUND", "the GitHub job may not ask for an identity token", {
      expected: "permissions: { id-token: write } in the workflow",
      found: "no ACTIONS_ID_TOKEN_REQUEST_URL in the environment",
      hint: "Give the job the permission id-token: write, or sign with --key KEY",
    });
  const url = urlOf(place, "ACTIONS_ID_TOKEN_REQUEST_URL");
  url.searchParams.append("audience", audience);
  const headers = { Authorization: `Bearer ${secret}`, Accept: "application/json" };
  return askFor(
    client,
    { method: "GET", url, headers, what: "GitHub Actions", isSecret: true, accept: [200], signal },
    "value",
  );
}

async function buildkiteToken({ env }: AmbientContext): Promise<string | undefined> {
  if (env["BUILDKITE"] !== "true") return undefined;
  const { execFile } = getBuiltinModule("node:child_process");
  const { promise, resolve } = Promise.withResolvers<string>();
  const args = ["oidc", "request-token", "--audience", audience];
  const limits = { env: { ...env }, timeout: 60_000, maxBuffer: 128 * 1024 };
  // What the agent prints is never repeated.
  execFile("buildkite-agent", args, limits, (error, stdout) => resolve(error === null ? stdout.trim() : ""));
  const token = await promise;
  if (token !== "") return token;
  throw new TrustError("IDENTITY_TOKEN_NOT_FOUND", "buildkite-agent gives no identity token", {
    expected: "a token from: buildkite-agent oidc request-token --audience sigstore",
  });
}

const projectedPath = "/var/run/sigstore/cosign/oidc-token";

async function projectedToken({ readFile }: AmbientContext): Promise<string | undefined> {
  return (await readFile(projectedPath))?.trim() || undefined;
}

/** The token of the machine's own account; with GOOGLE_SERVICE_ACCOUNT_NAME, of one that it may act as. */
async function googleToken(context: AmbientContext): Promise<string | undefined> {
  const { env, readFile } = context;
  const account = env["GOOGLE_SERVICE_ACCOUNT_NAME"];
  if (account) return impersonated(context, account);
  if (env["GCE_METADATA_HOST"] || env["K_SERVICE"] || env["CLOUD_RUN_JOB"]) return machineToken(context);
  // Nobody is asked anything before it is plain that this is Google's; and not every such machine has an account.
  const product = await readFile("/sys/class/dmi/id/product_name");
  return product?.startsWith("Google") === true ? machineToken(context).catch(() => undefined) : undefined;
}

/** This is how the server is asked: it is in the machine's own network, and is sent nothing secret. */
function metadataRequest({ env, signal }: AmbientContext, path: string): ServiceRequest {
  const host = env["GCE_METADATA_HOST"] || "metadata.google.internal";
  const url = urlOf(`http://${host}/computeMetadata/v1/instance/service-accounts/default/${path}`, "GCE_METADATA_HOST");
  const headers = { "Metadata-Flavor": "Google" };
  return { method: "GET", url, headers, what: "the metadata server", accept: [200], signal };
}

async function machineToken(context: AmbientContext): Promise<string> {
  const { body } = await context.client.ask(metadataRequest(context, `identity?audience=${audience}&format=full`));
  return body.toString("latin1").trim();
}

async function impersonated(context: AmbientContext, account: string): Promise<string> {
  const { client, signal } = context;
  const access = await askFor(client, metadataRequest(context, "token"), "access_token");
  const path = `v1/projects/-/serviceAccounts/${encodeURIComponent(account)}:generateIdToken`;
  const headers = { Authorization: `Bearer ${access}`, "Content-Type": "application/json" };
  const body = Buffer.from(JSON.stringify({ audience, includeEmail: true }));
  const url = new URL(`https://iamcredentials.googleapis.com/${path}`);
  return askFor(client, { url, headers, body, what: "Google's IAM", isSecret: true, accept: [200], signal }, "token");
}

async function askFor(client: ServiceClient, request: ServiceRequest, member: string): Promise<string> {
  const { body } = await client.ask(request);
  const token = memberOf(body, member);
  if (token !== undefined) return token;
  throw new TrustError("IDENTITY_TOKEN_NOT_FOUND", `${request.what} answers without a token`, {
    expected: `JSON with ${member}`,
  });
}

/** Of an answer with a secret in it nothing else is looked at, or told. */
function memberOf(body: Uint8Array, member: string): string | undefined {
  try {
    const json = parseStrictJson(body, "the answer");
    const value = isJsonObject(json) ? json[member] : undefined;
    return typeof value === "string" && value !== "" ? value : undefined;
  } catch {
    return undefined;
  }
}

function urlOf(text: string, name: string): URL {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new TrustError("CONFIG_INVALID", `${name} holds no address`, { expected: "https://HOST/PATH" });
}
