import { type Digest, digestOf } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { type Descriptor, emptyDescriptor, mediaTypes } from "./manifest.ts";
import { formatReference, type RepositoryName } from "./reference.ts";
import type { Registry } from "./registry.ts";

/** A Sigstore bundle in a file, and its media type. */
export interface BundleFile {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/**
 * A place that has nothing but bundles, for images that are verified without asking anybody: every image is referred to by
 * all of them, and which of them are about it, their verification says. Images must be named by digest.
 */
export function createBundleRegistry(bundles: readonly BundleFile[]): Registry {
  const contents = new Map<Digest, Uint8Array>(bundles.map(({ bytes }) => [digestOf(bytes), bytes]));
  const manifestsAbout = (subject: Digest) =>
    bundles.map((bundle) => {
      const bytes = manifestOf(bundle, subject);
      const digest = digestOf(bytes);
      contents.set(digest, bytes);
      return { mediaType: mediaTypes.imageManifest, digest, size: bytes.length };
    });
  const find = (name: RepositoryName, reference: string) => {
    const bytes = contents.get(reference as Digest);
    if (bytes !== undefined) return Buffer.from(bytes);
    throw new TrustError("IMAGE_NOT_FOUND", `${reference} of ${name.repository} is not in the file of bundles`);
  };
  return {
    async resolve(ref) {
      if (ref.digest !== undefined) return { mediaType: mediaTypes.imageManifest, digest: ref.digest, size: 0 };
      throw new TrustError("USAGE", "an image that is verified with a bundle at hand is named by its digest", {
        expected: "REPOSITORY@sha256:…",
        found: formatReference(ref),
        hint: "Name the digest; see which one the bundle speaks about with: trust inspect FILE",
      });
    },
    async fetchManifest(name, reference) {
      const bytes = find(name, reference);
      const descriptor: Descriptor = {
        mediaType: mediaTypes.imageManifest,
        digest: digestOf(bytes),
        size: bytes.length,
      };
      return { bytes, descriptor };
    },
    fetchBlob: async (name, { digest }) => find(name, digest),
    listReferrers: async (_name, subject) => ({
      supported: true,
      descriptors: manifestsAbout(subject),
      complete: true,
    }),
    streamBlob: unsupported,
    pushBlob: unsupported,
    pushManifest: unsupported,
    deleteManifest: unsupported,
    listTags: unsupported,
    listRepositories: unsupported,
  };
}

function manifestOf({ bytes, mediaType }: BundleFile, subject: Digest): Buffer {
  const layer = { mediaType, digest: digestOf(bytes), size: bytes.length };
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
      config: emptyDescriptor,
      layers: [layer],
      subject: { mediaType: mediaTypes.imageManifest, digest: subject, size: 0 },
    }),
  );
}

function unsupported(): never {
  throw new TrustError("USAGE", "a file of bundles is no registry");
}
