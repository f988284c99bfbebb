import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import { type Descriptor, type ImageManifest, parseManifest } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { readsAtOnce } from "./format.ts";

/** The image manifests that refer to a subject, and a finding for each that could not be read. */
export interface Referring {
  readonly manifests: readonly { readonly descriptor: Descriptor; readonly manifest: ImageManifest }[];
  readonly findings: readonly Finding[];
  readonly complete: boolean;
}

/**
 * Reads the manifests that refer to a subject. What a listing says of them (`artifactType`, annotations) is not consulted:
 * registries and clients label them wrongly.
 */
export async function findReferrers(places: EvidencePlaces, subject: Digest): Promise<Referring> {
  const listing = await places.referrers(subject);
  const wanted = listing.descriptors.slice(0, places.maxSignatures);
  const located = await mapLimit(wanted, readsAtOnce, (descriptor) => readOne(places, descriptor));
  return {
    manifests: located.flatMap((item) => ("read" in item ? [item.read] : [])),
    findings: [
      ...(listing.failure === undefined ? [] : [toFinding(listing.failure)]),
      ...located.flatMap((item) => ("finding" in item ? [item.finding] : [])),
    ],
    complete: listing.complete && wanted.length === listing.descriptors.length,
  };
}

async function readOne(places: EvidencePlaces, descriptor: Descriptor) {
  try {
    const { bytes, descriptor: fetched } = await places.manifest(descriptor);
    const manifest = parseManifest(bytes, fetched.mediaType);
    return manifest.kind === "manifest" ? { read: { descriptor, manifest } } : {};
  } catch (error) {
    return { finding: toFinding(missingSignature(error), { evidence: descriptor.digest }) };
  }
}

/** What is listed and gone is no image that nobody can find. */
function missingSignature(error: unknown): unknown {
  if (!(error instanceof TrustError) || error.code !== "IMAGE_NOT_FOUND") return error;
  const { message, expected, found } = error;
  return new TrustError("SIGNATURE_MISSING", message, { expected, found });
}
