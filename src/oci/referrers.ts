import type { Digest } from "../crypto/digest.ts";
import { isJsonObject } from "../crypto/json.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { Listing } from "./evidence-places.ts";
import { addToFallbackIndex } from "./fallback-index.ts";
import { type Descriptor, mediaTypes } from "./manifest.ts";
import { pushPatiently } from "./nonsense.ts";
import { mapLimit } from "./parallel.ts";
import { type RepositoryName, referrersTag } from "./reference.ts";
import { parseReferrers } from "./referrer-descriptor.ts";
import type { Registry } from "./registry.ts";
import type { UpdateSettings } from "./shared-index.ts";

export interface ListingLimits {
  readonly maxPages: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The referrers of a subject from the referrers API and the fallback tag together, asked at once, each digest once. A
 * registry may have got the API after signatures were listed under the tag. Where one of them fails, the other still
 * counts and the listing says so; where both fail, the error is the registry's.
 */
export async function listReferrers(
  registry: Registry,
  name: RepositoryName,
  subject: Digest,
  { maxPages, signal }: ListingLimits,
): Promise<Listing> {
  const results = await Promise.allSettled([
    registry.listReferrers(name, subject, maxPages, { signal }),
    listFallbackTag(registry, name, subject, signal),
  ]);
  const tagged = results[1].status === "fulfilled" ? results[1].value.descriptors : [];
  const lists = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const [failure] = results.flatMap((result) => (result.status === "rejected" ? [asTrustError(result.reason)] : []));
  if (lists.length === 0 && failure !== undefined) throw failure;
  const byDigest = new Map<Digest, Descriptor>();
  for (const descriptor of lists.flatMap((list) => list.descriptors))
    if (!byDigest.has(descriptor.digest)) byDigest.set(descriptor.digest, descriptor);
  const complete = failure === undefined && lists.every((list) => list.complete);
  return {
    descriptors: [...byDigest.values()],
    complete,
    ...(failure === undefined ? {} : { failure }),
    ...(tagged.length === 0 ? {} : { underTag: new Set(tagged.map(({ digest }) => digest)) }),
  };
}

/** What the fallback tag lists; what is not an index of referrers lists nothing (distribution-spec v1.1). */
async function listFallbackTag(
  registry: Registry,
  name: RepositoryName,
  subject: Digest,
  signal: AbortSignal | undefined,
): Promise<Listing> {
  try {
    const { bytes, descriptor } = await registry.fetchManifest(name, referrersTag(subject), { signal });
    // `cosign copy` puts the image itself under this tag.
    const isOther = descriptor.mediaType !== mediaTypes.imageIndex || descriptor.digest === subject;
    return { descriptors: isOther ? [] : descriptorsIn(bytes), complete: true };
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    if (error.code === "IMAGE_NOT_FOUND" || error.code === "MANIFEST_INVALID")
      return { descriptors: [], complete: true };
    // There is a list, and nobody knows what it says.
    if (error.code === "CONTENT_TOO_LARGE") return { descriptors: [], complete: false };
    throw error;
  }
}

function descriptorsIn(bytes: Buffer): readonly Descriptor[] {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString("utf8"));
  } catch {
    return [];
  }
  const list = isJsonObject(document) ? document["manifests"] : undefined;
  return Array.isArray(list) ? parseReferrers(list) : [];
}

/** A referrer to push: its manifest, and the descriptor that lists of referrers show of it. */
export interface Referrer {
  readonly bytes: Uint8Array;
  /** With `artifactType` and `annotations` of the manifest. */
  readonly descriptor: Descriptor;
}

/**
 * Pushes a manifest that refers to a subject, and makes sure that it is listed among the subject's referrers: by the
 * registry itself, or else under the fallback tag. The manifest's blobs must have been pushed. Errors:
 * `REFERRERS_TAG_CONFLICT`, `UPDATE_CONFLICT`, those of the registry.
 */
export async function attachReferrer(
  registry: Registry,
  name: RepositoryName,
  referrer: Referrer,
  subject: Digest,
  settings: UpdateSettings = {},
): Promise<{ readonly listedBy: "registry" | "tag" }> {
  const { listedByTag } = await attachReferrers(registry, name, [referrer], subject, settings);
  return { listedBy: listedByTag === 0 ? "registry" : "tag" };
}

/**
 * The same for many referrers of one subject, whose list is asked for once and changed at most once. Says how many of
 * them are listed under the fallback tag.
 */
export async function attachReferrers(
  registry: Registry,
  name: RepositoryName,
  referrers: readonly Referrer[],
  subject: Digest,
  settings: UpdateSettings = {},
): Promise<{ readonly listedByTag: number }> {
  const { signal } = settings;
  const pushed = await mapLimit(referrers, pushesAtOnce, ({ bytes, descriptor: { mediaType } }) =>
    pushPatiently(registry, name, { bytes, mediaType }, { signal }),
  );
  const silent = referrers.filter((_, i) => pushed[i]?.subject !== subject);
  if (silent.length === 0) return { listedByTag: 0 };
  const page = await registry.listReferrers(name, subject, maxPagesAfterPush, { signal });
  const listed = new Set(page.descriptors.map(({ digest }) => digest));
  const descriptors = silent.map(({ descriptor }) => descriptor).filter(({ digest }) => !listed.has(digest));
  if (descriptors.length > 0) await addToFallbackIndex(registry, name, subject, { ...settings, descriptors });
  return { listedByTag: descriptors.length };
}

const maxPagesAfterPush = 20;
const pushesAtOnce = 8;
