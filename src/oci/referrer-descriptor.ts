import { type Digest, digestOf } from "../crypto/digest.ts";
import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { type Descriptor, type ImageIndex, type ImageManifest, parseDescriptor, parseManifest } from "./manifest.ts";

/**
 * The descriptor of a manifest as a listing of referrers has it (distribution-spec v1.1, "Listing Referrers"):
 * artifactType is the manifest's own or else its config's media type, the annotations are the manifest's. Throws
 * `MANIFEST_INVALID`.
 */
export function referrerDescriptor(bytes: Uint8Array, mediaType: string, digest: Digest = digestOf(bytes)): Descriptor {
  const manifest = parseManifest(bytes, mediaType);
  const artifactType = artifactTypeOf(manifest);
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(manifest.annotations).length === 0 ? {} : { annotations: manifest.annotations }),
  };
}

function artifactTypeOf(manifest: ImageManifest | ImageIndex): string | undefined {
  return manifest.artifactType ?? (manifest.kind === "manifest" ? manifest.config.mediaType : undefined);
}

/**
 * The descriptors of an index that somebody else wrote. One that cannot be read is left out, so that it hides none of
 * the others; it names no content, so nothing could be fetched by it.
 */
export function parseReferrers(list: readonly unknown[]): readonly Descriptor[] {
  return list.flatMap((item) => {
    if (!isJsonObject(item)) return [];
    try {
      return [parseDescriptor(item, "descriptor")];
    } catch (error) {
      if (error instanceof TrustError) return [];
      throw error;
    }
  });
}
