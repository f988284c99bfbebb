import { isDigest } from "../crypto/digest.ts";
import { isRepository, isTag } from "../oci/reference.ts";
import { digestInvalid, RegistryError } from "./errors.ts";

/** What a request is about: one of the distribution spec's endpoints, with checked parts. */
export type Target =
  | { readonly kind: "base" }
  | { readonly kind: "catalog" }
  | { readonly kind: "manifest"; readonly repository: string; readonly reference: string }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: string }
  | { readonly kind: "uploads"; readonly repository: string }
  | { readonly kind: "upload"; readonly repository: string; readonly id: string }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: string };

/**
 * Reads the path of a URL, without its query. A repository's name may have slashes and any word in it, so the path is read from its end.
 * Throws `NAME_INVALID`, also for tags, `DIGEST_INVALID`, or a 404 where no endpoint has that form.
 */
export function parseTarget(path: string): Target {
  const decoded = decodePath(path);
  if (decoded === "/v2/" || decoded === "/v2") return { kind: "base" };
  if (decoded === "/v2/_catalog") return { kind: "catalog" };
  if (!decoded.startsWith("/v2/")) throw noSuchEndpoint();
  const parts = decoded.slice("/v2/".length).split("/");
  const [third, second, last] = [parts.at(-3), parts.at(-2), parts.at(-1) ?? ""];
  const nameOf = (count: number) => checkName(parts.slice(0, -count).join("/"));
  if (third === "blobs" && second === "uploads")
    return last === ""
      ? { kind: "uploads", repository: nameOf(3) }
      : { kind: "upload", repository: nameOf(3), id: last };
  if (second === "blobs" && last === "uploads") return { kind: "uploads", repository: nameOf(2) };
  if (second === "tags" && last === "list") return { kind: "tags", repository: nameOf(2) };
  if (second === "manifests") return { kind: "manifest", repository: nameOf(2), reference: checkReference(last) };
  if (second === "blobs") return { kind: "blob", repository: nameOf(2), digest: checkDigest(last) };
  if (second === "referrers") return { kind: "referrers", repository: nameOf(2), digest: checkDigest(last) };
  throw noSuchEndpoint();
}

function decodePath(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    throw new RegistryError(400, "NAME_INVALID", "the path is not percent-encoded UTF-8");
  }
}

function checkName(name: string): string {
  if (isRepository(name)) return name;
  throw new RegistryError(400, "NAME_INVALID", "not a repository name", { detail: { name: name.slice(0, 300) } });
}

function checkDigest(text: string): string {
  if (isDigest(text)) return text;
  throw digestInvalid("not a sha256 or sha512 digest", { digest: text.slice(0, 200) });
}

function checkReference(text: string): string {
  if (text.includes(":")) return checkDigest(text);
  if (isTag(text)) return text;
  throw new RegistryError(400, "NAME_INVALID", "not a tag", { detail: { tag: text.slice(0, 200) } });
}

function noSuchEndpoint(): RegistryError {
  return new RegistryError(404, "UNSUPPORTED", "no such endpoint");
}
