import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { digestOf } from "../crypto/digest.ts";
import { isJsonObject, type JsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { withCode } from "./fields.ts";
import type { TrustRoot } from "./trust-root.ts";

/** A TUF repository that a policy document names for a root. */
export interface TufSource {
  /** What authorities call the root. */
  readonly name: string;
  readonly mirror: string;
  readonly target: string;
  /** The folder of the repository that holds the targets; `targets` where absent. */
  readonly targets?: string;
  /** The text of the `root.json` that all trust in the repository begins with. */
  readonly root: string;
  /** See `parseTrustRoot`. */
  readonly require?: unknown;
  /**
   * `NAME@HEX`, of the name, the first `root.json` and the target: what was fetched is kept under it, so that another `root.json` is
   * another root. Never the name of a root that a user keeps.
   */
  readonly id: string;
}

/** Names a repository that is checked already. */
export function toTufSource({ name, target, root, ...rest }: Omit<TufSource, "id">): TufSource {
  const [, hex = ""] = digestOf(Buffer.from(JSON.stringify([root, target]))).split(":");
  return { name, target, root, ...rest, id: `${name}@${hex}` };
}

/** A root of which nothing was fetched yet: it believes nothing, and `stalenessOf` says so. */
export function unfetchedRoot({ name, mirror, id }: TufSource): TrustRoot {
  return rootOfNobody(name, { kind: "unfetched", mirror }, `unfetched ${id}`);
}

/** A root that believes nothing. `meaning` tells it from others. */
export function rootOfNobody(name: string, source: TrustRoot["source"], meaning: string): TrustRoot {
  return {
    name,
    revision: digestOf(Buffer.from(meaning)),
    source,
    certificateAuthorities: [],
    logs: [],
    certificateLogs: [],
    timestampAuthorities: [],
    require: { log: 1, timestamp: 1, logOrTimestamp: 1, sct: 1 },
    relaxed: [],
    skipped: [],
  };
}

/**
 * The text of a TUF `root.json` (specification 5.3) out of base64, which may be broken into lines. Checks its form: whether it is
 * signed by its own keys, the client checks when it fetches. Throws `TRUST_ROOT_INVALID`.
 */
export function decodeTufRoot(base64: string): string {
  const bytes = withCode("TRUST_ROOT_INVALID", () => decodeBase64(base64.replace(/\s+/g, ""), "the root.json"));
  const document = withCode("TRUST_ROOT_INVALID", () => parseStrictJson(bytes, "the root.json"));
  const { signed, signatures } = isJsonObject(document) ? document : {};
  if (!isJsonObject(signed)) throw noRoot("signed", signed);
  if (signed["_type"] !== "root") throw noRoot("signed._type", signed["_type"]);
  if (!Number.isInteger(signed["version"])) throw noRoot("signed.version", signed["version"]);
  if (!isJsonObject(signed["keys"])) throw noRoot("signed.keys", signed["keys"]);
  checkRoles(signed["roles"]);
  if (!Array.isArray(signatures) || signatures.length === 0) throw noRoot("signatures", signatures);
  return bytes.toString("utf8");
}

function checkRoles(roles: unknown): void {
  if (!isJsonObject(roles)) throw noRoot("signed.roles", roles);
  for (const name of ["root", "timestamp", "snapshot", "targets"]) {
    const role: unknown = roles[name];
    if (!isJsonObject(role) || !isRole(role)) throw noRoot(`signed.roles.${name}`, role);
  }
}

function isRole({ keyids, threshold }: JsonObject): boolean {
  return Array.isArray(keyids) && keyids.length > 0 && Number.isInteger(threshold) && Number(threshold) >= 1;
}

function noRoot(at: string, found: unknown): TrustError {
  return new TrustError("TRUST_ROOT_INVALID", "the text is not the root.json of a TUF repository", {
    expected: `base64 of a signed root.json, with ${at}`,
    found: found === undefined ? `no ${at}` : `${at}: ${describeJson(found).slice(0, 100)}`,
  });
}

/** Checks the address of a mirror. Throws `USAGE`; never repeats a password. */
export function parseMirror(mirror: string): URL {
  const url = URL.canParse(mirror) ? new URL(mirror) : undefined;
  const isPlain =
    url !== undefined && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (url !== undefined && isPlain && /^(?:https?|file):$/.test(url.protocol)) return url;
  throw new TrustError("USAGE", "that is not the address of a TUF repository", {
    expected: "https://HOST[/PATH] or file:///FOLDER",
    hint: "Give it as: --mirror https://tuf.example.com",
  });
}

/**
 * Checks the address of a mirror in a policy: beside `https:` and `file:`, `http:` on this machine alone. TUF signs what it says,
 * but whoever stands between could keep what is new from arriving. Throws `USAGE`.
 */
export function parsePolicyMirror(mirror: string): URL {
  const url = parseMirror(mirror);
  if (url.protocol !== "http:" || /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname)) return url;
  throw new TrustError("USAGE", "the mirror is not reached over HTTPS", {
    expected: "https://HOST[/PATH], file:///FOLDER, or http: on this machine",
    found: url.origin.slice(0, 200),
  });
}
