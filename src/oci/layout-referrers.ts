import { type Digest, type DigestAlgorithm, digestOf, isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import type { LayoutFiles } from "./layout-files.ts";
import { readLayoutIndex } from "./layout-index.ts";
import { type Descriptor, maxManifestBytes, parseManifest } from "./manifest.ts";
import { manifestMediaType } from "./media-type.ts";
import { referrerDescriptor } from "./referrer-descriptor.ts";
import type { ReferrersPage } from "./registry.ts";

const algorithms: readonly DigestAlgorithm[] = ["sha256", "sha512"];
/** Bounds of the search through loose blobs; a layout with more is listed as incomplete. */
const maxFiles = 5_000;
const maxBytesRead = 256 * 1024 * 1024;
/** Manifests of referrers are small; only what could be one is read. */
const maxLooseManifest = 256 * 1024;

/**
 * The referrers of a subject in a layout: manifests of index.json and, because `cosign save` lists its bundles nowhere,
 * loose blobs that name the subject.
 */
export async function referrersInLayout(files: LayoutFiles, subject: Digest): Promise<ReferrersPage> {
  const index = await readLayoutIndex(files);
  const found = new Map<Digest, Descriptor>();
  const seen = new Set<Digest>();
  for (const { descriptor } of index.entries) {
    seen.add(descriptor.digest);
    const referrer = await referrerIn(files, descriptor.digest, subject, maxManifestBytes);
    if (referrer !== undefined) found.set(referrer.digest, referrer);
  }
  const complete = await searchLooseBlobs(files, subject, seen, found);
  return { supported: true, descriptors: [...found.values()], complete };
}

async function searchLooseBlobs(
  files: LayoutFiles,
  subject: Digest,
  seen: ReadonlySet<Digest>,
  found: Map<Digest, Descriptor>,
): Promise<boolean> {
  let read = 0;
  for (const algorithm of algorithms) {
    const names = await files.list(`blobs/${algorithm}`, maxFiles);
    for (const name of names.slice(0, maxFiles)) {
      const digest = `${algorithm}:${name}`;
      if (!isDigest(digest) || seen.has(digest)) continue;
      const size = (await files.size(`blobs/${algorithm}/${name}`)) ?? 0;
      if (size > maxLooseManifest) continue;
      read += size;
      if (read > maxBytesRead) return false;
      const referrer = await referrerIn(files, digest, subject, maxLooseManifest);
      if (referrer !== undefined) found.set(digest, referrer);
    }
    if (names.length > maxFiles) return false;
  }
  return true;
}

async function referrerIn(
  files: LayoutFiles,
  digest: Digest,
  subject: Digest,
  maxBytes: number,
): Promise<Descriptor | undefined> {
  const bytes = await files.read(`blobs/${digest.replace(":", "/")}`, maxBytes);
  // Most blobs are no manifests: look before parsing.
  if (bytes?.[0] !== 0x7b || !bytes.includes(subject)) return undefined;
  if (digestOf(bytes, digest.startsWith("sha512") ? "sha512" : "sha256") !== digest) return undefined;
  try {
    const mediaType = manifestMediaType(bytes, undefined);
    if (parseManifest(bytes, mediaType).subject?.digest !== subject) return undefined;
    return referrerDescriptor(bytes, mediaType, digest);
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}
