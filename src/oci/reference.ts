import { type Digest, digestAlgorithm, digestHex, isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";

/** A repository on a registry. `registry` is the canonical host[:port]; Docker Hub is always `docker.io`. */
export interface RepositoryName {
  readonly registry: string;
  readonly repository: string;
}

/** A parsed image name. With neither tag nor digest in the text, `tag` is `latest`; with a digest, the digest decides. */
export interface ImageReference extends RepositoryName {
  readonly tag?: string;
  readonly digest?: Digest;
}

export const dockerHub = "docker.io";
const dockerHubAliases = new Set(["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"]);

// github.com/distribution/reference v0.6, regexp.go
const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const hostPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]{1,5})?$`);
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const maxNameLength = 255;

/** Whether the text may be a tag (distribution-spec v1.1, "Pulling manifests"). */
export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Whether the text may be a repository name (distribution-spec v1.1, "Pulling manifests"). */
export function isRepository(text: string): boolean {
  return text.length <= maxNameLength && repositoryPattern.test(text);
}

/**
 * Parses an image name with Docker's defaulting rules: `nginx` is `docker.io/library/nginx:latest`. The host is put in
 * lower case, the port 443 dropped, Docker Hub's aliases made one. Throws `REFERENCE_INVALID`.
 */
export function parseReference(text: string): ImageReference {
  const [name, digest] = splitDigest(text);
  const [path, tag] = splitTag(name, text);
  const repository = parsePath(path, text);
  if (digest !== undefined) return tag === undefined ? { ...repository, digest } : { ...repository, tag, digest };
  return { ...repository, tag: tag ?? "latest" };
}

/** Parses HOST/REPOSITORY without tag or digest; Docker's defaulting rules apply. Throws `REFERENCE_INVALID`. */
export function parseRepository(text: string): RepositoryName {
  return parsePath(text, text);
}

/**
 * Parses HOST[:PORT] and makes it canonical: lower case, without the port 443 where the name alone still reads as a
 * host, so that a canonical name always parses to itself. Throws `REFERENCE_INVALID`.
 */
export function parseRegistryHost(text: string): string {
  if (!hostPattern.test(text)) throw invalid(text, "the registry is not HOST[:PORT]");
  // One port has one spelling, so that one registry has one name.
  const port = /:([0-9]+)$/.exec(text)?.[1];
  if (port !== undefined && (!/^[1-9]/.test(port) || Number(port) > 65_535)) throw invalid(text, "no such port");
  const host = text.toLowerCase();
  const bare = host.replace(/:443$/, "");
  const canonical = readsAsHost(bare) ? bare : host;
  if (!readsAsHost(canonical)) throw invalid(text, "a registry has a dot or a port in its name, or is localhost");
  return dockerHubAliases.has(canonical) ? dockerHub : canonical;
}

/** What tells a registry from the first part of a repository on Docker Hub. */
function readsAsHost(text: string): boolean {
  return /[.:[]/.test(text) || text === "localhost";
}

function splitDigest(text: string): [string, Digest | undefined] {
  const at = text.indexOf("@");
  if (at < 0) return [text, undefined];
  const digest = text.slice(at + 1);
  if (!isDigest(digest)) throw invalid(text, "what follows @ is not a sha256 or sha512 digest");
  return [text.slice(0, at), digest];
}

function splitTag(name: string, text: string): [string, string | undefined] {
  const colon = name.lastIndexOf(":");
  if (colon < 0 || colon < name.lastIndexOf("/")) return [name, undefined];
  const tag = name.slice(colon + 1);
  if (!isTag(tag)) throw invalid(text, "the tag has characters that a tag may not have, or is too long");
  return [name.slice(0, colon), tag];
}

function parsePath(path: string, text: string): RepositoryName {
  const slash = path.indexOf("/");
  const first = slash < 0 ? "" : path.slice(0, slash);
  const hasHost = readsAsHost(first) || first !== first.toLowerCase();
  const registry = hasHost ? parseRegistryHost(first) : dockerHub;
  const rest = hasHost ? path.slice(slash + 1) : path;
  if (/^(?:sha256:|sha512:)?[0-9a-f]{64,}$/.test(text))
    throw invalid(text, "a digest alone is an image ID, not a name");
  if (/^[0-9a-f]{64}$/.test(path)) throw invalid(text, "64 hex digits alone are an image ID, not a name");
  const repository = registry === dockerHub && !rest.includes("/") ? `library/${rest}` : rest;
  if (!isRepository(repository)) throw invalid(text, repositoryProblem(rest));
  return { registry, repository };
}

function repositoryProblem(repository: string): string {
  if (repository === "") return "the repository is missing";
  if (repository.length > maxNameLength) return `the repository is longer than ${maxNameLength} characters`;
  if (repository !== repository.toLowerCase()) return "the repository has upper-case letters";
  return "the repository may have lower-case letters and digits, with single separators . _ __ - between them";
}

function invalid(text: string, why: string): TrustError {
  return new TrustError(
    "REFERENCE_INVALID",
    `${JSON.stringify(text.slice(0, 300))} is not an image reference: ${why}`,
    {
      expected: "[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]",
      found: text.slice(0, 300),
    },
  );
}

/** The whole name: `docker.io/library/nginx:latest`. */
export function formatReference(ref: ImageReference): string {
  const tag = ref.tag === undefined ? "" : `:${ref.tag}`;
  const digest = ref.digest === undefined ? "" : `@${ref.digest}`;
  return `${formatRepository(ref)}${tag}${digest}`;
}

/** `docker.io/library/nginx`. */
export function formatRepository(name: RepositoryName): string {
  return `${name.registry}/${name.repository}`;
}

/** The same repository at a digest; the tag is dropped. */
export function atDigest(name: RepositoryName, digest: Digest): ImageReference & { readonly digest: Digest } {
  return { registry: name.registry, repository: name.repository, digest };
}

/** What to ask the registry for: the digest if there is one, else the tag. */
export function manifestReference(ref: ImageReference): string {
  return ref.digest ?? ref.tag ?? "latest";
}

/** The fallback tag of a subject's referrers (distribution-spec v1.1, "Referrers Tag Schema"). */
export function referrersTag(subject: Digest): string {
  return `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`;
}
