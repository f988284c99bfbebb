import type { RequestOptions } from "node:https";
import { isAbsolute, join } from "node:path";
import type { User } from "@kubernetes/client-node/dist/config_types.js";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import type { Access, Identity, TlsIdentity } from "./access.ts";
import { readText } from "./files.ts";
import { configInvalid, type Entry, pathIn, textIn } from "./kube-config-file.ts";
import { renewed } from "./renewed.ts";

/** Who asks which server, as a kubeconfig says it. */
export interface IdentitySource {
  readonly url: URL;
  readonly clusterName: string;
  readonly userName: string;
  readonly user: Entry | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly ca: { readonly data: unknown; readonly path: string | undefined };
  readonly servername: string | undefined;
  readonly file: string;
}

/** Looks at the files, tokens and plug-ins of a user. See `Access.identify`. */
export function createIdentifier(source: IdentitySource): Access["identify"] {
  // kubectl too sends no credentials over plain HTTP.
  if (source.url.protocol !== "https:") return async () => ({ headers: {}, tls: {} });
  const helpers: Helpers = new Map();
  return renewed((anew) => {
    if (anew) helpers.clear();
    return identityOf(source, helpers);
  });
}

/** What asks programs and services for credentials, and knows how long those last. */
type Helpers = Map<"exec" | "oidc", Authenticator>;

async function identityOf(source: IdentitySource, helpers: Helpers): Promise<Identity> {
  const { user, userName, servername } = source;
  const ca = await pem(source.ca.data, source.ca.path, `the certificate authority of cluster ${source.clusterName}`);
  if (user === undefined) return { headers: {}, tls: { ca, servername } };
  const what = `user ${userName}`;
  const cert = await pem(
    user.value["client-certificate-data"],
    pathIn(user, "client-certificate", what),
    `the certificate of ${what}`,
  );
  const key = await pem(user.value["client-key-data"], pathIn(user, "client-key", what), `the key of ${what}`);
  const own = await credentialsOf(source, user, what, helpers);
  return {
    headers: { ...impersonation(user, what), ...own.headers },
    tls: { ca, servername, cert: own.cert ?? cert, key: own.key ?? key },
  };
}

/** A PEM text, as base64 in the kubeconfig, which counts first, or in a file. */
async function pem(data: unknown, path: string | undefined, what: string): Promise<string | undefined> {
  if (data === undefined || data === null || data === "") return path === undefined ? undefined : readText(path, what);
  const text = typeof data === "string" ? Buffer.from(data, "base64").toString("latin1") : "";
  if (!text.includes("-----BEGIN ")) throw configInvalid(`${what} is no PEM in base64`, "PEM in base64");
  return text;
}

interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly cert?: TlsIdentity["cert"];
  readonly key?: TlsIdentity["key"];
}

async function credentialsOf(
  source: IdentitySource,
  user: Entry,
  what: string,
  helpers: Helpers,
): Promise<Credentials> {
  const tokenFile = pathIn(user, "tokenFile", what);
  const token =
    tokenFile === undefined ? textIn(user, "token", what) : (await readText(tokenFile, `the token of ${what}`)).trim();
  if (token !== undefined && token !== "") return bearer(token, what);
  const username = textIn(user, "username", what);
  if (username !== undefined) {
    const pair = `${username}:${textIn(user, "password", what) ?? ""}`;
    return { headers: { Authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
  }
  const { exec, "auth-provider": provider } = user.value;
  if (isJsonObject(exec)) return fromPlugin(source, user, exec, what, helpers);
  if (isJsonObject(provider)) return fromProvider(source, provider, what, helpers);
  return { headers: {} };
}

function bearer(token: string, what: string): Credentials {
  if (!/^[\x21-\x7e]+$/.test(token))
    throw configInvalid(`the token of ${what} is none`, "a token of printable characters");
  return { headers: { Authorization: `Bearer ${token}` } };
}

/** Acting as somebody else: with fewer words than were given, the rights would be others. */
function impersonation(user: Entry, what: string): Record<string, string | string[]> {
  const as = textIn(user, "as", what);
  const { "as-groups": groups = [], "as-uid": uid, "as-user-extra": extra } = user.value;
  if (as === undefined) return {};
  if (uid || extra) throw configInvalid(`${what} acts with as-uid or as-user-extra`, "as and as-groups");
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === "string"))
    throw configInvalid(`as-groups of ${what} is no list of names`, "a list of names");
  return { "Impersonate-User": as, ...(groups.length === 0 ? {} : { "Impersonate-Group": groups }) };
}

const pluginTime = 60_000;

/** Runs a program that gives credentials, as the library of Kubernetes does it. */
async function fromPlugin(
  source: IdentitySource,
  user: Entry,
  exec: JsonObject,
  what: string,
  helpers: Helpers,
): Promise<Credentials> {
  const { ExecAuth } = await import("@kubernetes/client-node/dist/exec_auth.js");
  const command = textIn({ ...user, value: exec }, "command", `exec of ${what}`);
  if (command === undefined) throw configInvalid(`exec of ${what} names no command`, "a command");
  // A path is relative to the kubeconfig; a bare name is looked up on the PATH.
  const program = !isAbsolute(command) && /[/\\]/.test(command) ? join(user.folder, command) : command;
  const own = Array.isArray(exec["env"]) ? exec["env"] : [];
  const given = Object.entries(source.env).map(([name, value]) => ({ name, value }));
  const info = { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(await execInfo(source, exec)) };
  const asked = { name: source.userName, exec: { ...exec, command: program, env: [...given, ...own, info] } };
  const helper = helpers.get("exec") ?? new ExecAuth();
  helpers.set("exec", helper);
  return applied(helper, asked, `the program ${command.slice(0, 100)} of ${what}`);
}

async function execInfo(source: IdentitySource, exec: JsonObject): Promise<JsonObject> {
  const cluster = {
    server: source.url.href.replace(/\/$/, ""),
    "tls-server-name": source.servername,
    "certificate-authority-data": await caData(source),
  };
  const spec = { interactive: false, ...(exec["provideClusterInfo"] === true ? { cluster } : {}) };
  return { apiVersion: exec["apiVersion"], kind: "ExecCredential", spec };
}

async function caData({ ca, clusterName }: IdentitySource): Promise<string | undefined> {
  const text = await pem(ca.data, ca.path, `the certificate authority of cluster ${clusterName}`);
  return text === undefined ? undefined : Buffer.from(text).toString("base64");
}

async function fromProvider(
  { userName }: IdentitySource,
  provider: JsonObject,
  what: string,
  helpers: Helpers,
): Promise<Credentials> {
  if (provider["name"] !== "oidc")
    throw configInvalid(`${what} has an auth-provider that kubectl no longer has`, "exec, a token or a certificate");
  const { OpenIDConnectAuth } = await import("@kubernetes/client-node/dist/oidc_auth.js");
  const helper = helpers.get("oidc") ?? new OpenIDConnectAuth();
  helpers.set("oidc", helper);
  // Keeps in it what the issuer gave last.
  return applied(helper, { name: userName, authProvider: provider }, `the auth-provider of ${what}`);
}

interface Authenticator {
  applyAuthentication(user: User, options: RequestOptions): Promise<void>;
}

/** What it said where it failed may hold secrets, and is not kept. */
async function applied(authenticator: Authenticator, user: User, what: string): Promise<Credentials> {
  const headers: Record<string, string> = {};
  const options: RequestOptions = { headers };
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("late")), pluginTime);
  try {
    await Promise.race([authenticator.applyAuthentication(user, options), late]);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "it failed, or took too long";
    throw configInvalid(`no credentials came from ${what}`, "credentials", code);
  } finally {
    clearTimeout(timer);
  }
  const { cert, key } = options;
  const text = headers["Authorization"]?.replace(/^Bearer /, "").trim();
  const token = text === undefined || text === "" ? { headers: {} } : bearer(text, what);
  if (typeof cert === "string" && typeof key === "string") return { ...token, cert, key };
  if (text === undefined)
    throw configInvalid(`no credentials came from ${what}`, "credentials", "neither token nor certificate");
  return token;
}
