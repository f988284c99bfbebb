import { documentClaims } from "./claims/document.ts";
import { readLoosely } from "./claims/loose.ts";
import { type Digest, digestOf } from "./crypto/digest.ts";
import { asTrustError, TrustError } from "./errors.ts";
import { maxAttestationBytes } from "./formats/format.ts";
import { type Descriptor, type ImageIndex, type ImageManifest, parseManifest } from "./oci/manifest.ts";
import { manifestMediaType } from "./oci/media-type.ts";
import { mapLimit } from "./oci/parallel.ts";
import { formatReference, type ImageReference, manifestReference } from "./oci/reference.ts";
import type { Registry, RequestOptions } from "./oci/registry.ts";

/** One artifact, decoded; everything in it is what it says of itself. Plain JSON. */
export interface Inspected {
  readonly source: string;
  /** `Sigstore bundle`, `image index`, … */
  readonly what: string;
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  readonly mediaType?: string;
  /** What it says. */
  readonly says: Readonly<Record<string, unknown>>;
  /** Of a manifest of signatures, what its layers hold, decoded. */
  readonly layers?: readonly Inspected[];
}

/** An artifact with its bytes as they stand. */
export interface InspectedBytes {
  readonly inspected: Inspected;
  readonly bytes: Uint8Array;
}

/** The largest blob that is read. */
export const maxInspectedBytes = maxAttestationBytes;

const maxLayers = 20;
const maxLayerBytes = 32 * 1024 * 1024;
const readsAtOnce = 4;

/** Layers that hold signatures and the like; those of images are never read. */
const readableLayer =
  /^application\/(?:vnd\.dev\.sigstore\.bundle|vnd\.dev\.cosign\.simplesigning|vnd\.dsse\.envelope|vnd\.in-toto|jose\+json|cose)/;

/** Decodes a file or whatever else somebody holds. Never throws: what cannot be decoded is told. */
export function inspectBytes(source: string, bytes: Uint8Array): InspectedBytes {
  const manifest = manifestIn(bytes);
  const decoded = manifest === undefined ? documentClaims(bytes) : manifestClaims(manifest);
  return { inspected: { source, ...decoded, digest: digestOf(bytes), size: bytes.length }, bytes };
}

/**
 * Decodes what a reference stands for: a manifest, with the signatures in its layers, or by digest a blob. Bounded at
 * 128 MiB. Errors are those of the registry.
 */
export async function inspectReference(
  registry: Registry,
  image: ImageReference,
  { signal }: RequestOptions = {},
): Promise<InspectedBytes> {
  const source = formatReference(image);
  const found = await manifestOf(registry, image, { signal });
  if (found === undefined) return inspectBlob(registry, image, { signal });
  const { bytes, descriptor } = found;
  const manifest = parsed(bytes, descriptor.mediaType);
  if ("problem" in manifest) {
    const says = { ...manifest, ...documentClaims(bytes).says };
    const { digest } = descriptor;
    return { inspected: { source, what: "manifest that is refused", digest, size: bytes.length, says }, bytes };
  }
  const layers =
    manifest.kind === "manifest" ? manifest.layers.filter(({ mediaType }) => readableLayer.test(mediaType)) : [];
  const decoded = await mapLimit(layers.slice(0, maxLayers), readsAtOnce, (layer) =>
    inspectLayer(registry, image, layer, { signal }),
  );
  const { digest, mediaType } = descriptor;
  const inspected = { source, ...manifestClaims(manifest), digest, size: bytes.length, mediaType };
  return { inspected: decoded.length === 0 ? inspected : { ...inspected, layers: decoded }, bytes };
}

function parsed(bytes: Buffer, mediaType: string) {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    const { code, message, expected, found } = asTrustError(error);
    return { problem: `${code}: ${message}`, expected, found };
  }
}

/** docker-registry 2.8 answers 500 where the digest of a blob is asked for as that of a manifest. */
const mayBeBlob: ReadonlySet<string> = new Set(["IMAGE_NOT_FOUND", "MANIFEST_INVALID", "REGISTRY_ERROR"]);

/** Nothing where a digest stands for no manifest; it may be that of a blob. */
async function manifestOf(registry: Registry, image: ImageReference, options: RequestOptions) {
  try {
    return await registry.fetchManifest(image, manifestReference(image), options);
  } catch (error) {
    if (image.digest !== undefined && mayBeBlob.has(asTrustError(error).code)) return undefined;
    throw error;
  }
}

async function inspectBlob(
  registry: Registry,
  image: ImageReference,
  options: RequestOptions,
): Promise<InspectedBytes> {
  const { digest } = image;
  if (digest === undefined) throw new TrustError("INTERNAL", "a blob without a digest");
  try {
    const bytes = await registry.fetchBlob(image, { digest }, maxInspectedBytes, options);
    const { inspected } = inspectBytes(formatReference(image), bytes);
    return { inspected: { ...inspected, digest }, bytes };
  } catch (error) {
    if (asTrustError(error).code !== "SIGNATURE_MISSING") throw error;
    throw new TrustError("IMAGE_NOT_FOUND", `${formatReference(image)} is neither a manifest nor a blob there`, {
      expected: "the digest of a manifest or blob of that repository",
      hint: "List what is attached to an image, with digests: trust tree --output json IMAGE",
    });
  }
}

/** What cannot be read of one layer keeps nothing else back. */
async function inspectLayer(
  registry: Registry,
  image: ImageReference,
  layer: Descriptor,
  options: RequestOptions,
): Promise<Inspected> {
  const { digest, size, mediaType, annotations } = layer;
  const base = { source: `layer ${digest}`, digest, size, mediaType };
  try {
    const bytes = await registry.fetchBlob(image, layer, maxLayerBytes, options);
    return { ...base, ...documentClaims(bytes, { mediaType, annotations }) };
  } catch (error) {
    const { code, message } = asTrustError(error);
    return { ...base, what: "unreadable", says: { problem: `${code}: ${message}` } };
  }
}

function manifestIn(bytes: Uint8Array): ImageManifest | ImageIndex | undefined {
  if (bytes.length > 4 * 1024 * 1024 || readLoosely(bytes).problem !== undefined) return undefined;
  try {
    return parseManifest(bytes, manifestMediaType(bytes, undefined));
  } catch {
    return undefined;
  }
}

function manifestClaims(manifest: ImageManifest | ImageIndex): Pick<Inspected, "what" | "says"> {
  const { artifactType, subject, annotations, mediaType } = manifest;
  const base = {
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    annotations,
  };
  if (manifest.kind === "index") return { what: "image index", says: { ...base, manifests: manifest.manifests } };
  const what = subject === undefined ? "image manifest" : "image manifest of a referrer";
  return { what, says: { ...base, config: manifest.config, layers: manifest.layers } };
}
