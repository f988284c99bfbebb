import type { Digest } from "../crypto/digest.ts";
import { isDigest } from "../crypto/digest.ts";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { type Descriptor, type FetchedManifest, mediaTypes } from "./manifest.ts";
import { canonicalText, parseRawObject } from "./raw-json.ts";
import { type RepositoryName, referrersTag } from "./reference.ts";
import type { Registry, RequestOptions } from "./registry.ts";
import {
  removeFromSharedManifest,
  type SharedManifest,
  tagConflict,
  type UpdateSettings,
  updateSharedManifest,
} from "./shared-index.ts";

/**
 * Lists referrers in the index under their subject's fallback tag (distribution-spec v1.1, "Referrers Tag Schema"), with
 * everything that other writers list there. Errors as of `updateSharedManifest`.
 */
export async function addToFallbackIndex(
  registry: Registry,
  name: RepositoryName,
  subject: Digest,
  added: { readonly descriptors: readonly Descriptor[] } & UpdateSettings,
): Promise<void> {
  const additions = added.descriptors.map(({ mediaType, digest, size, artifactType, annotations }) => ({
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
  }));
  await updateSharedManifest(fallbackIndex(registry, name, subject), additions, added);
}

/**
 * Takes referrers out of that index, and leaves everything else in it. Errors as of `updateSharedManifest`.
 */
export async function removeFromFallbackIndex(
  registry: Registry,
  name: RepositoryName,
  subject: Digest,
  removed: { readonly digests: readonly Digest[] } & UpdateSettings,
): Promise<void> {
  await removeFromSharedManifest(fallbackIndex(registry, name, subject), new Set(removed.digests), removed);
}

/**
 * Deletes that index where it lists nothing any more. By its digest, so that one that somebody writes in the same moment
 * stays; a registry that refuses keeps an empty list.
 */
export async function dropEmptyFallbackIndex(
  registry: Registry,
  name: RepositoryName,
  subject: Digest,
  { signal }: RequestOptions = {},
): Promise<void> {
  const tag = referrersTag(subject);
  try {
    const found = await registry.fetchManifest(name, tag, { signal });
    if (readFallbackIndex(found, { name, tag, subject }).entries.length > 0) return;
    await registry.deleteManifest(name, found.descriptor.digest, { signal });
  } catch (error) {
    if (!(error instanceof TrustError) || error.category === "internal") throw error;
  }
}

function fallbackIndex(registry: Registry, name: RepositoryName, subject: Digest): SharedManifest {
  const tag = referrersTag(subject);
  return {
    registry,
    name,
    tag,
    keyOf: ({ digest, ...rest }) => (isDigest(digest) ? digest : canonicalText({ digest, ...rest })),
    read: (found) => readFallbackIndex(found, { name, tag, subject }),
    write: async ({ document, entries }) => {
      const index = { schemaVersion: 2, mediaType: mediaTypes.imageIndex, ...document, manifests: entries };
      return { bytes: Buffer.from(JSON.stringify(index)), mediaType: mediaTypes.imageIndex };
    },
    isGone: (entry) => isManifestGone(registry, name, entry),
  };
}

/** The raw entries of a fallback index. Throws `REFERRERS_TAG_CONFLICT`, `MANIFEST_INVALID`. */
function readFallbackIndex(
  { bytes, descriptor }: FetchedManifest,
  about: { readonly name: RepositoryName; readonly tag: string; readonly subject: Digest },
) {
  // `cosign copy` puts the image itself under this tag; it may be an index as well.
  if (descriptor.mediaType !== mediaTypes.imageIndex || descriptor.digest === about.subject)
    throw tagConflict(about, "an index of signatures and other referrers", descriptor);
  const document = parseRawObject(bytes, `the manifest under ${about.tag}`);
  const { mediaType = mediaTypes.imageIndex, manifests, layers, config } = document;
  if (mediaType !== mediaTypes.imageIndex || layers !== undefined || config !== undefined)
    throw tagConflict(about, "an index of signatures and other referrers", descriptor);
  if (!Array.isArray(manifests) || !manifests.every(isJsonObject))
    throw new TrustError("MANIFEST_INVALID", `the index under ${about.tag} has no list of manifests`, {
      expected: "a list of descriptors",
      found: typeof manifests,
    });
  return { document, entries: manifests };
}

async function isManifestGone(registry: Registry, name: RepositoryName, { digest }: JsonObject): Promise<boolean> {
  if (!isDigest(digest)) return false;
  try {
    await registry.resolve({ ...name, digest });
    return false;
  } catch (error) {
    return error instanceof TrustError && error.code === "IMAGE_NOT_FOUND";
  }
}
