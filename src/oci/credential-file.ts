import { readFile } from "node:fs/promises";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { type Credential, credentialOf } from "./credential.ts";
import { dockerHub } from "./reference.ts";

/** The key of Docker Hub in Docker's files and for its helpers. */
const dockerHubKey = "https://index.docker.io/v1/";
const hubKeys = new Set(["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"]);
const maxFileBytes = 1024 * 1024;

/** A credentials file of Docker or Podman, as it stands. */
export interface CredentialFile {
  readonly path: string;
  readonly document: JsonObject;
}

/** Reads a credentials file, nothing where there is none. Throws `CREDENTIALS_INVALID` without showing what is in it. */
export async function readCredentialFile(path: string): Promise<CredentialFile | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new TrustError("CREDENTIALS_INVALID", `${path} cannot be read`, { found: String(code), cause });
  }
  // Some tools leave an empty file behind.
  if (bytes.toString("utf8", 0, 100).trim() === "" && bytes.length < 100) return { path, document: {} };
  return { path, document: parseDocument(bytes, path) };
}

function parseDocument(bytes: Buffer, path: string): JsonObject {
  let document: unknown;
  try {
    document = bytes.length > maxFileBytes ? undefined : JSON.parse(bytes.toString("utf8"));
  } catch {
    // The parser's message would show a piece of the file.
    document = undefined;
  }
  if (isJsonObject(document)) return document;
  throw new TrustError("CREDENTIALS_INVALID", `${path} is not a credentials file`, {
    expected: `a JSON object of at most ${maxFileBytes} bytes`,
    found: `${bytes.length} bytes that are none`,
  });
}

/**
 * The credential that `auths` of a file holds for a registry, exact host match. A key may also name a path in the
 * registry (Podman); the longest one that the repository lies in wins. Throws `CREDENTIALS_INVALID`.
 */
export function credentialInAuths(
  { path, document }: CredentialFile,
  registry: string,
  repository: string | undefined,
): Credential | undefined {
  const auths = document["auths"];
  if (!isJsonObject(auths)) return undefined;
  const own = Object.keys(auths)
    .map((key) => ({ key, place: placeOf(key) }))
    .filter(({ place }) => place.registry === registry && liesIn(repository, place.path))
    .sort((a, b) => b.place.path.length - a.place.path.length);
  for (const { key } of own) {
    const credential = parseEntry(auths[key], `${path}: auths ${JSON.stringify(key)}`);
    if (credential !== undefined) return credential;
  }
  return undefined;
}

/** The keys of `auths` that stand for a whole registry. */
export function keysOfRegistry(entries: JsonObject, registry: string): readonly string[] {
  return Object.keys(entries).filter((key) => {
    const place = placeOf(key);
    return place.registry === registry && place.path === "";
  });
}

/** What Docker and its helpers call a registry. */
export function serverKey(registry: string): string {
  return registry === dockerHub ? dockerHubKey : registry;
}

/** `HOST`, `https://HOST/v1/` (Docker) and `HOST/PATH` (Podman). */
function placeOf(key: string): { readonly registry: string; readonly path: string } {
  const bare = key.replace(/^https?:\/\//i, "");
  const slash = bare.indexOf("/");
  const host = (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase().replace(/:443$/, "");
  const rest = slash < 0 ? "" : bare.slice(slash + 1).replace(/\/$/, "");
  const isUrl = bare !== key || rest === "v1" || rest === "v2";
  return { registry: hubKeys.has(host) ? dockerHub : host, path: isUrl ? "" : rest };
}

function liesIn(repository: string | undefined, path: string): boolean {
  return path === "" || repository === path || (repository ?? "").startsWith(`${path}/`);
}

function parseEntry(entry: unknown, where: string): Credential | undefined {
  if (!isJsonObject(entry)) throw invalidEntry(where, "an object");
  const { auth, username, password, identitytoken, registrytoken } = entry;
  if (isText(registrytoken) && /^[\x21-\x7e]+$/.test(registrytoken)) return { registryToken: registrytoken };
  const basic = isText(auth)
    ? decodeAuth(auth, where)
    : isText(password)
      ? credentialOf(String(username ?? ""), password)
      : undefined;
  if (isText(identitytoken)) return { ...basic, identityToken: identitytoken };
  // Docker leaves an empty entry where a helper has the secret.
  return basic;
}

function decodeAuth(auth: string, where: string): Credential | undefined {
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon <= 0) throw invalidEntry(where, "auth with base64 of USER:PASSWORD");
  // Docker pads short passwords with zero bytes.
  return credentialOf(text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, ""));
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function invalidEntry(where: string, expected: string): TrustError {
  return new TrustError("CREDENTIALS_INVALID", `${where} cannot be read`, { expected });
}
