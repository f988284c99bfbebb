import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Digest, digestOf, isDigest } from "../../src/crypto/digest.ts";
import { TrustError } from "../../src/errors.ts";
import type { EvidencePlaces } from "../../src/oci/evidence-places.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";

/** Content for {@link memoryPlaces}: blobs and manifests by digest, manifests by tag, and the referrers of any subject. */
export interface PlacesContent {
  readonly blobs?: readonly Uint8Array[];
  readonly tags?: Readonly<Record<string, Uint8Array>>;
  readonly referrers?: readonly Uint8Array[];
  readonly maxSignatures?: number;
}

/** Evidence places over bytes in memory, for tests of what formats make of bytes. */
export function memoryPlaces(content: PlacesContent): EvidencePlaces {
  const referrers = content.referrers ?? [];
  const byDigest = new Map(
    [...(content.blobs ?? []), ...referrers].map((bytes) => [digestOf(bytes), Buffer.from(bytes)]),
  );
  const get = (digest: Digest): Buffer => {
    const bytes = byDigest.get(digest);
    if (bytes === undefined) throw new TrustError("SIGNATURE_MISSING", "no such content", { expected: digest });
    return bytes;
  };
  return {
    maxSignatures: content.maxSignatures ?? 200,
    referrers: async () => ({ descriptors: referrers.map(manifestDescriptor), complete: true }),
    taggedManifest: async (tag) => {
      const bytes = content.tags?.[tag];
      return bytes === undefined ? undefined : { bytes: Buffer.from(bytes), descriptor: manifestDescriptor(bytes) };
    },
    manifest: async (descriptor) => ({ bytes: get(descriptor.digest), descriptor }),
    blob: async ({ digest, size }, maxBytes) => {
      if (size > maxBytes) throw new TrustError("CONTENT_TOO_LARGE", "too large");
      return get(digest);
    },
  };
}

export function manifestDescriptor(bytes: Uint8Array): Descriptor {
  const mediaType =
    (JSON.parse(Buffer.from(bytes).toString()) as { mediaType?: string }).mediaType ?? mediaTypes.imageManifest;
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** What a recorded fixture folder holds: its subject, and places with its content. */
export function recordedPlaces(folder: string): { readonly places: EvidencePlaces; readonly subject: Digest } {
  const files = readdirSync(folder);
  const bytesOf = (name: string): Buffer => readFileSync(join(folder, name));
  const blobs = files.filter((name) => name.startsWith("blob-")).map(bytesOf);
  const sig = files.find((name) => /\.(?:sig|att)\.json$/.test(name));
  if (sig !== undefined) {
    const [, hex, kind] = /^manifest-sha256-([0-9a-f]{64})\.(sig|att)\.json$/.exec(sig) ?? [];
    // Attestations stand under the tag of signatures as well: there they must not count.
    const tags = { [`sha256-${hex}.${kind}`]: bytesOf(sig), [`sha256-${hex}.sig`]: bytesOf(sig) };
    return { places: memoryPlaces({ blobs, tags }), subject: digestFrom(`sha256:${hex}`) };
  }
  const referrers = files
    .filter((name) => name.startsWith("manifest-"))
    .map(bytesOf)
    .filter((bytes) => bytes.includes('"subject"'));
  const [first] = referrers;
  const subject = (JSON.parse(String(first)) as { subject: { digest: string } }).subject.digest;
  return { places: memoryPlaces({ blobs, referrers }), subject: digestFrom(subject) };
}

function digestFrom(text: string): Digest {
  if (!isDigest(text)) throw new Error(`not a digest: ${text}`);
  return text;
}
