import { join } from "node:path";
import { type Digest, digestAlgorithm, digestHex } from "../../crypto/digest.ts";
import { TrustError } from "../../errors.ts";
import { isRepository, isTag } from "../../oci/reference.ts";

/**
 * Where everything lies below the storage folder. Paths are made only of checked parts: a repository's folders start
 * with a letter or digit, what belongs to one repository lies in folders that start with `_`.
 *
 * - `blobs/ALG/HH/HEX/data`: content, of blobs and manifests alike
 * - `repositories/NAME/_blobs/ALG/HEX`: an empty file that lets the repository serve the blob
 * - `repositories/NAME/_manifests/ALG/HEX`: media type and size of a manifest
 * - `repositories/NAME/_tags/TAG`: digest, media type and size of what is tagged
 * - `repositories/NAME/_referrers/ALG/HEX/ALG-HEX`: an empty file: the second has the first as its subject
 * - `uploads/ID.KEY`: an upload that has not ended; KEY stands for the repository
 * - `tmp/`: files on their way to their name
 */
export interface Layout {
  readonly root: string;
  readonly blobs: string;
  readonly repositories: string;
  readonly uploads: string;
  readonly temporary: string;
  /** Held by the server. */
  readonly serverLock: string;
  /** Held by a collector. */
  readonly collectorLock: string;
  /** Shared by the server's requests while they rely on content, taken by a collector while it deletes. */
  readonly sweepLock: string;
  blob(digest: Digest): string;
  repository(name: string): string;
  blobLinks(name: string): string;
  blobLink(name: string, digest: Digest): string;
  manifests(name: string): string;
  manifest(name: string, digest: Digest): string;
  tags(name: string): string;
  tag(name: string, tag: string): string;
  referrers(name: string, subject: Digest): string;
  referrer(name: string, subject: Digest, manifest: Digest): string;
}

/** The layout below a storage folder. */
export function layoutOf(root: string): Layout {
  const repositories = join(root, "repositories");
  const repository = (name: string) => {
    if (!isRepository(name)) throw new TrustError("INTERNAL", "an unchecked repository name reached the storage");
    return join(repositories, name);
  };
  const within = (name: string, folder: string, ...rest: string[]) => join(repository(name), folder, ...rest);
  return {
    root,
    blobs: join(root, "blobs"),
    repositories,
    uploads: join(root, "uploads"),
    temporary: join(root, "tmp"),
    serverLock: join(root, "server.lock"),
    collectorLock: join(root, "collector.lock"),
    sweepLock: join(root, "sweep.lock"),
    blob: (digest) =>
      join(root, "blobs", digestAlgorithm(digest), digestHex(digest).slice(0, 2), digestHex(digest), "data"),
    repository,
    blobLinks: (name) => within(name, "_blobs"),
    blobLink: (name, digest) => within(name, "_blobs", ...parts(digest)),
    manifests: (name) => within(name, "_manifests"),
    manifest: (name, digest) => within(name, "_manifests", ...parts(digest)),
    tags: (name) => within(name, "_tags"),
    tag: (name, tag) => within(name, "_tags", tagFile(tag)),
    referrers: (name, subject) => within(name, "_referrers", ...parts(subject)),
    referrer: (name, subject, manifest) => within(name, "_referrers", ...parts(subject), parts(manifest).join("-")),
  };
}

function parts(digest: Digest): [string, string] {
  return [digestAlgorithm(digest), digestHex(digest)];
}

/**
 * The file name of a tag. Tags differ by case and some file systems do not: a tag with upper-case letters is written in
 * lower case, followed by `~` and the places of those letters as bits in hex.
 */
export function tagFile(tag: string): string {
  if (!isTag(tag)) throw new TrustError("INTERNAL", "an unchecked tag reached the storage");
  let upper = 0n;
  for (let i = 0; i < tag.length; i++) if (/[A-Z]/.test(tag.charAt(i))) upper |= 1n << BigInt(i);
  return upper === 0n ? tag : `${tag.toLowerCase()}~${upper.toString(16)}`;
}

/** The tag that a file name stands for, or nothing where no tag has that file name. */
export function tagOfFile(file: string): string | undefined {
  const [lower = "", mask] = file.split("~");
  if (mask !== undefined && !/^[0-9a-f]{1,32}$/.test(mask)) return undefined;
  const upper = BigInt(`0x${mask ?? "0"}`);
  const tag = [...lower].map((c, i) => ((upper >> BigInt(i)) & 1n ? c.toUpperCase() : c)).join("");
  return isTag(tag) && tagFile(tag) === file ? tag : undefined;
}
