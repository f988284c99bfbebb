import { type Digest, digestOf } from "./crypto/digest.ts";
import { TrustError } from "./errors.ts";
import type {
  MadeSignature,
  SignatureBundle,
  SignatureFormat,
  SignerIdentity,
  Testify,
  TrustMaterial,
} from "./formats/format.ts";
import { requireEvidence, type WitnessedEvidence } from "./formats/made-trust.ts";
import type { Signer } from "./keys/signer.ts";
import type { EvidencePlaces } from "./oci/evidence-places.ts";
import { type Descriptor, mediaTypes } from "./oci/manifest.ts";
import { openPlaces } from "./oci/places.ts";
import { formatReference, formatRepository, type ImageReference, type RepositoryName } from "./oci/reference.ts";
import { attachReferrer } from "./oci/referrers.ts";
import { blobOf, type Registry } from "./oci/registry.ts";
import { attachSignatureLayer } from "./oci/signature-tag.ts";

/** What is common to whatever is made for an image: by whom, how it is proved, where it goes. */
export interface MakingRequest {
  readonly image: ImageReference;
  readonly signer: Signer;
  /** Has what is signed witnessed; absent where nobody is to. */
  readonly testify?: Testify | undefined;
  /** What signatures are proved with before they are pushed; default: the key or the certificate of the signer. */
  readonly trust?: TrustMaterial | undefined;
  /** What the trust roots must prove of it. */
  readonly evidence?: WitnessedEvidence | undefined;
  readonly formats: readonly SignatureFormat[];
  /** Refuse anything but this digest. */
  readonly expectDigest?: Digest | undefined;
  /** Where it is written, if not beside the image. */
  readonly signatureRepository?: RepositoryName | undefined;
  /** Make and check, push nothing. */
  readonly dryRun?: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
}

/** A made signature or attestation, and where it goes. */
export interface Attaching {
  readonly format: SignatureFormat;
  readonly made: MadeSignature;
  readonly subject: Descriptor;
  /** The repository that it is written to: the image's own, or one for signatures. */
  readonly repository: RepositoryName;
  /** What its signer alone is proved with. */
  readonly trust: TrustMaterial;
  /** Evidence that the trust roots must prove, where somebody has witnessed it. */
  readonly evidence?: WitnessedEvidence | undefined;
  /** Milliseconds since 1970; certificates are judged then. */
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
}

/** What was pushed. */
export interface PushedSignature {
  readonly format: string;
  /** Digest of the blob that holds the signature. */
  readonly evidence: Digest;
  /** Where it is: the referrer manifest, or the tag. */
  readonly location: string;
}

/** What was pushed, and by whom verifiers see it signed. */
export interface AttachedSignature {
  readonly pushed: PushedSignature;
  readonly signer: SignerIdentity;
}

/**
 * Puts what a format has made beside its image, and answers for it:
 * 1. Prove it with the verifier's own code, before anything is pushed.
 * 2. Push it; what others put there stays.
 * 3. Find and prove it again in the registry; where somebody wrote over it in that moment, push it again.
 *
 * `dryRun` ends after the first step. Errors: `REFERRERS_TAG_CONFLICT`, `UPDATE_CONFLICT`, those of the registry.
 */
export async function attach(
  registry: Registry,
  attaching: Attaching,
  options: { readonly dryRun?: boolean | undefined } = {},
): Promise<AttachedSignature> {
  const { format, made, repository } = attaching;
  const signer = await prove(attaching, made.bundle); // 1
  if (options.dryRun !== true) {
    await pushAndConfirm(registry, attaching); // 2, 3
  }
  const pushed = { format: format.name, evidence: made.bundle.evidence, location: locationOf(repository, made) };
  return { pushed, signer };
}

function locationOf(name: RepositoryName, { attachment }: MadeSignature): string {
  const repository = formatRepository(name);
  return attachment.kind === "layer"
    ? `${repository}:${attachment.tag}`
    : `${repository}@${digestOf(attachment.bytes)}`;
}

async function push(registry: Registry, { repository, subject, made, signal }: Attaching): Promise<void> {
  const { attachment } = made;
  if (attachment.kind === "layer") {
    await registry.pushBlob(repository, blobOf(attachment.blob, attachment.layer.digest), { signal });
    await attachSignatureLayer(registry, repository, attachment.tag, attachment.layer, { signal });
    return;
  }
  await Promise.all(
    attachment.blobs.map((blob) => registry.pushBlob(repository, blobOf(blob, digestOf(blob)), { signal })),
  );
  const descriptor: Descriptor = {
    mediaType: mediaTypes.imageManifest,
    digest: digestOf(attachment.bytes),
    size: attachment.bytes.length,
    artifactType: attachment.artifactType,
    annotations: attachment.annotations,
  };
  await attachReferrer(registry, repository, { bytes: attachment.bytes, descriptor }, subject.digest, { signal });
}

/** The same places, without what others put there: there may be much, and it is not ours to read. */
function onlyOwn(places: EvidencePlaces, { attachment, bundle }: MadeSignature): EvidencePlaces {
  const nothing = { descriptors: [], complete: true };
  if (attachment.kind === "layer")
    return {
      ...places,
      referrers: async () => nothing,
      taggedManifest: async (tag) => (tag === attachment.tag ? places.taggedManifest(tag) : undefined),
      async blob(descriptor, maxBytes) {
        if (descriptor.digest === bundle.evidence) return places.blob(descriptor, maxBytes);
        throw new TrustError("SIGNATURE_MISSING", "a signature of others is not looked at");
      },
    };
  const own = digestOf(attachment.bytes);
  return {
    ...places,
    taggedManifest: async () => undefined,
    async referrers(subject) {
      const { descriptors, complete } = await places.referrers(subject);
      return { descriptors: descriptors.filter((descriptor) => descriptor.digest === own), complete };
    },
  };
}

const maxPushes = 5;

async function pushAndConfirm(registry: Registry, attaching: Attaching): Promise<void> {
  for (let pushes = 1; ; pushes++) {
    await push(registry, attaching);
    try {
      return await confirm(registry, attaching);
    } catch (error) {
      if (pushes === maxPushes || !(error instanceof TrustError) || error.code !== "UPDATE_CONFLICT") throw error;
    }
  }
}

/** Reads it back as a verifier would: pushed is not the same as found. */
async function confirm(registry: Registry, attaching: Attaching): Promise<void> {
  const { format, made, subject, repository, signal } = attaching;
  const places = onlyOwn(openPlaces(registry, repository, { signal }), made);
  const found = await format.find(places, subject.digest, { attestations: true });
  const bundle = found.bundles.find((candidate) => candidate.claimId === made.bundle.claimId);
  if (bundle === undefined)
    throw new TrustError(
      "UPDATE_CONFLICT",
      `the signature was pushed, but ${formatRepository(repository)} does not list it`,
      { expected: `${made.bundle.evidence} among the signatures of ${subject.digest}`, found: "other signatures" },
    );
  await prove(attaching, bundle);
}

/** A verifier may be content with less; what was asked to witness the signature must be proved, all of it. */
async function prove(
  { format, subject, trust, evidence, now }: Attaching,
  bundle: SignatureBundle,
): Promise<SignerIdentity> {
  const { signer, backings = [] } = await format.verify(bundle, subject.digest, trust, now);
  if (evidence !== undefined) requireEvidence(backings, evidence);
  return signer;
}

/** Resolves the tag to a digest, once. Throws `DIGEST_MISMATCH` where it is not the one that is expected. */
export async function resolveOnce(
  registry: Registry,
  image: ImageReference,
  expectDigest: Digest | undefined,
  signal: AbortSignal | undefined,
): Promise<Descriptor> {
  const subject = await registry.resolve(image, { signal });
  if (expectDigest === undefined || subject.digest === expectDigest) return subject;
  throw new TrustError(
    "DIGEST_MISMATCH",
    `${formatReference(image)} is not the image that was to be signed; nothing was signed`,
    { expected: expectDigest, found: subject.digest },
  );
}
