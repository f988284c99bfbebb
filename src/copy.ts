import type { Digest } from "./crypto/digest.ts";
import { TrustError } from "./errors.ts";
import { type Descriptor, parseManifest } from "./oci/manifest.ts";
import { mapLimit } from "./oci/parallel.ts";
import { formatReference, type ImageReference, manifestReference, type RepositoryName } from "./oci/reference.ts";
import type { Registry, RequestOptions } from "./oci/registry.ts";

/** One side of a copy. */
export interface ImagePlace {
  readonly registry: Registry;
  readonly image: ImageReference;
}

export interface CopyOptions extends RequestOptions {
  /** Told when a blob or manifest has arrived. */
  readonly onCopied?: ((descriptor: Descriptor) => void) | undefined;
}

const concurrency = 4;
/** An index of indexes is rare, one deeper than this a trap. */
const maxDepth = 4;

interface Copy {
  readonly source: Registry;
  readonly from: RepositoryName;
  readonly target: Registry;
  readonly to: RepositoryName;
  readonly options: CopyOptions;
  /** What has been begun already: many children share their layers. */
  readonly begun: Set<Digest>;
}

/**
 * Copies an image with everything it consists of, byte for byte: what a manifest names goes before it, so that the target
 * never holds half an image under a name. The target's digest, where it has one, must be the source's. Signatures are not
 * copied. Throws `DIGEST_MISMATCH` and the errors of both registries.
 */
export async function copyImage(
  source: ImagePlace,
  target: ImagePlace,
  options: CopyOptions = {},
): Promise<Descriptor> {
  const { descriptor } = await source.registry.fetchManifest(source.image, manifestReference(source.image), options);
  const { tag, digest } = target.image;
  if (digest !== undefined && digest !== descriptor.digest)
    throw new TrustError("DIGEST_MISMATCH", `${formatReference(source.image)} is not the image that was to be copied`, {
      expected: digest,
      found: descriptor.digest,
    });
  const copy: Copy = {
    source: source.registry,
    from: source.image,
    target: target.registry,
    to: target.image,
    options,
    begun: new Set(),
  };
  await copyManifest(copy, descriptor, tag, 0);
  return descriptor;
}

async function copyManifest(copy: Copy, wanted: Descriptor, tag: string | undefined, depth: number): Promise<void> {
  const { source, from, target, to, options } = copy;
  if (depth > maxDepth) throw new TrustError("MANIFEST_INVALID", `indexes are nested deeper than ${maxDepth}`);
  const { bytes, descriptor } = await source.fetchManifest(from, wanted.digest, options);
  // The registry knows the kind of what was asked for by name; a child's kind stands in its index.
  const mediaType = depth === 0 ? wanted.mediaType : descriptor.mediaType;
  const manifest = parseManifest(bytes, mediaType);
  if (manifest.kind === "index") {
    for (const child of manifest.manifests) await copyManifest(copy, child, undefined, depth + 1);
  } else {
    await mapLimit([manifest.config, ...manifest.layers], concurrency, (blob) => copyBlob(copy, blob));
  }
  await target.pushManifest(to, { bytes, mediaType, tag }, options);
  options.onCopied?.(descriptor);
}

async function copyBlob({ source, from, target, to, options, begun }: Copy, blob: Descriptor): Promise<void> {
  if (begun.has(blob.digest)) return;
  begun.add(blob.digest);
  const { digest, size } = blob;
  await target.pushBlob(to, { digest, size, open: () => source.streamBlob(from, blob, options) }, options);
  options.onCopied?.(blob);
}
