import { decodeBase64 } from "../../crypto/base64.ts";
import { isJsonObject, parseStrictJson } from "../../crypto/json.ts";
import { TrustError } from "../../errors.ts";
import { withCode } from "../../trust/fields.ts";
import { isRootName } from "../../trust/stored-root.ts";
import { decodeTufRoot, parseMirror, type TufSource, toTufSource } from "../../trust/tuf-source.ts";

/** The field `spec.remote` of a TrustRoot of policy-controller. */
export interface RemoteRepository {
  readonly root: string;
  readonly mirror: string;
  readonly targets?: string | undefined;
  readonly trustedRootTarget?: string | undefined;
}

/** Steps to a file of a repository, nothing that leads elsewhere. */
const path = /^(?!\.+(?:\/|$))[\w.-]+(?:\/(?!\.+(?:\/|$))[\w.-]+)*$/;

/**
 * The TUF repository that a TrustRoot names, to be fetched like those of native ones. policy-controller takes more than can be
 * fetched here. Throws a `TrustError` that says what cannot.
 */
export function remoteSource(name: string, { root, mirror, targets, trustedRootTarget }: RemoteRepository): TufSource {
  if (!isRootName(name))
    throw new TrustError("TRUST_ROOT_INVALID", "what is fetched cannot be kept under the name of the root", {
      expected: "at most 63 characters, not ending in .json",
    });
  const { protocol } = parseMirror(mirror);
  if (protocol !== "https:")
    throw new TrustError("TRUST_ROOT_INVALID", "the mirror is not reached over HTTPS", {
      expected: "https://HOST[/PATH]",
    });
  const folder = pathOf(targets, "targets");
  const source = toTufSource({
    name,
    mirror,
    target: pathOf(trustedRootTarget, "trusted_root.json"),
    root: decodeTufRoot(root),
  });
  return folder === "targets" ? source : { ...source, targets: folder };
}

function pathOf(written: string | undefined, usual: string): string {
  const trimmed = (written ?? "").replace(/^\/+|\/+$/g, "");
  if (trimmed === "") return usual;
  if (path.test(trimmed)) return trimmed;
  throw new TrustError("TRUST_ROOT_INVALID", "a target is not at a place that is read", {
    expected: `names of letters, digits, -, _ and . with / between them, such as ${usual}`,
  });
}

/** What policy-controller asks of a `root.json` before it stores it. Throws `TRUST_ROOT_INVALID`. */
export function checkRootJson(base64: string): void {
  const bytes = withCode("TRUST_ROOT_INVALID", () => decodeBase64(base64.replace(/\s+/g, ""), "the root.json"));
  const document = withCode("TRUST_ROOT_INVALID", () => parseStrictJson(bytes, "the root.json"));
  if (isJsonObject(document) && document["signatures"] !== undefined && document["signatures"] !== null) return;
  throw new TrustError("TRUST_ROOT_INVALID", "the root.json has no signatures", {
    expected: "base64 of the root.json of a TUF repository",
  });
}
