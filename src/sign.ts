import type { Digest } from "./crypto/digest.ts";
import { digestOf } from "./crypto/digest.ts";
import { TrustError } from "./errors.ts";
import type { MadeSignature, SignatureFormat, TrustMaterial } from "./formats/format.ts";
import type { Signer } from "./keys/signer.ts";
import type { EvidencePlaces } from "./oci/evidence-places.ts";
import { type Descriptor, mediaTypes } from "./oci/manifest.ts";
import { openPlaces } from "./oci/places.ts";
import { formatReference, formatRepository, type ImageReference, manifestReference } from "./oci/reference.ts";
import { attachReferrer } from "./oci/referrers.ts";
import { blobOf, type Registry } from "./oci/registry.ts";
import { attachSignatureLayer } from "./oci/signature-tag.ts";

export interface SignImageRequest {
  readonly image: ImageReference;
  readonly signer: Signer;
  readonly formats: readonly SignatureFormat[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Refuse to sign anything but this digest. */
  readonly expectDigest?: Digest | undefined;
  /** Make and check the signatures, push nothing. */
  readonly dryRun?: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
}

export interface SignedImage {
  readonly image: string;
  /** What was signed; the tag was resolved to it once. */
  readonly digest: Digest;
  readonly keyId: string;
  readonly signatures: readonly PushedSignature[];
  readonly dryRun: boolean;
}

export interface PushedSignature {
  readonly format: string;
  /** Digest of the blob that holds the signature. */
  readonly evidence: Digest;
  /** Where it is: the referrer manifest, or the tag. */
  readonly location: string;
}

/**
 * Signs what the reference stands for:
 * 1. Resolve the tag to a digest, once.
 * 2. Make a signature in each format.
 * 3. Prove it with the verifier's own code, before anything is pushed.
 * 4. Push it beside the image; others' signatures stay.
 * 5. Find and prove it again in the registry.
 *
 * Errors: `IMAGE_NOT_FOUND`, `DIGEST_MISMATCH`, `REFERRERS_TAG_CONFLICT`, `UPDATE_CONFLICT`, those of the registry.
 */
export async function signImage(registry: Registry, request: SignImageRequest): Promise<SignedImage> {
  const subject = await resolveOnce(registry, request); // 1
  const trust: TrustMaterial = { revision: request.signer.publicKey.keyId, keys: [request.signer.publicKey] };
  const signatures: PushedSignature[] = [];
  for (const format of request.formats) {
    const { image, signer, annotations = {}, now } = request;
    const made = await format.sign({ image, subject, signer, annotations, now }); // 2
    await format.verify(made.bundle, subject.digest, trust); // 3
    if (request.dryRun !== true) {
      await push(registry, request, subject, made); // 4
      await confirm(registry, request, format, subject.digest, made, trust); // 5
    }
    signatures.push({ format: format.name, evidence: made.bundle.evidence, location: locationOf(image, made) });
  }
  return {
    image: formatReference(request.image),
    digest: subject.digest,
    keyId: request.signer.publicKey.keyId,
    signatures,
    dryRun: request.dryRun === true,
  };
}

async function resolveOnce(registry: Registry, { image, expectDigest, signal }: SignImageRequest): Promise<Descriptor> {
  const subject = await registry.resolve(image, { signal });
  if (expectDigest === undefined || subject.digest === expectDigest) return subject;
  throw new TrustError(
    "DIGEST_MISMATCH",
    `${formatReference(image)} is not the image that was to be signed; nothing was signed`,
    {
      expected: expectDigest,
      found: subject.digest,
    },
  );
}

function locationOf(image: ImageReference, { attachment }: MadeSignature): string {
  const repository = formatRepository(image);
  return attachment.kind === "layer"
    ? `${repository}:${attachment.tag}`
    : `${repository}@${digestOf(attachment.bytes)}`;
}

async function push(
  registry: Registry,
  request: SignImageRequest,
  subject: Descriptor,
  { attachment }: MadeSignature,
): Promise<void> {
  const { image, signal } = request;
  if (attachment.kind === "layer") {
    await registry.pushBlob(image, blobOf(attachment.blob, attachment.layer.digest), { signal });
    await attachSignatureLayer(registry, image, attachment.tag, attachment.layer, { signal });
    return;
  }
  await Promise.all(attachment.blobs.map((blob) => registry.pushBlob(image, blobOf(blob, digestOf(blob)), { signal })));
  const descriptor: Descriptor = {
    mediaType: mediaTypes.imageManifest,
    digest: digestOf(attachment.bytes),
    size: attachment.bytes.length,
    artifactType: attachment.artifactType,
    annotations: attachment.annotations,
  };
  await attachReferrer(registry, image, { bytes: attachment.bytes, descriptor }, subject.digest, { signal });
}

/** The same places, without the referrers of others: there may be many, and they are not ours to read. */
function onlyOwn(places: EvidencePlaces, { attachment }: MadeSignature): EvidencePlaces {
  if (attachment.kind === "layer") return places;
  const own = digestOf(attachment.bytes);
  return {
    ...places,
    async referrers(subject) {
      const { descriptors, complete } = await places.referrers(subject);
      return { descriptors: descriptors.filter((descriptor) => descriptor.digest === own), complete };
    },
  };
}

/** Reads the signature back as a verifier would: pushed is not the same as found. */
async function confirm(
  registry: Registry,
  request: SignImageRequest,
  format: SignatureFormat,
  subject: Digest,
  made: MadeSignature,
  trust: TrustMaterial,
): Promise<void> {
  const places = openPlaces(registry, request.image, { signal: request.signal });
  const found = await format.find(onlyOwn(places, made), subject);
  const bundle = found.bundles.find((candidate) => candidate.claimId === made.bundle.claimId);
  if (bundle === undefined)
    throw new TrustError(
      "UPDATE_CONFLICT",
      `the signature was pushed, but ${formatRepository(request.image)} does not list it`,
      {
        expected: `${made.bundle.evidence} among the signatures of ${manifestReference(request.image)}`,
        found: `${found.bundles.length} other signatures`,
      },
    );
  await format.verify(bundle, subject, trust);
}
