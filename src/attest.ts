import { type Attaching, attach, type MakingRequest, type PushedSignature, resolveOnce } from "./attach.ts";
import type { Digest } from "./crypto/digest.ts";
import { trustInSigner } from "./formats/made-trust.ts";
import { type CertifiedSigner, namesOf } from "./keys/named.ts";
import { formatReference } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";
import { replaceOlder } from "./replace.ts";

export interface AttestImageRequest extends MakingRequest {
  /** A URI. */
  readonly predicateType: string;
  /** JSON, signed as it stands. */
  readonly predicate: Uint8Array;
  /** Take away the signer's own older attestations of that type, once the new one is there. */
  readonly replace?: boolean | undefined;
}

export interface AttestedImage extends CertifiedSigner {
  readonly image: string;
  /** What the attestation is about; the tag was resolved to it once. */
  readonly digest: Digest;
  readonly keyId: string;
  readonly predicateType: string;
  readonly attestations: readonly PushedSignature[];
  /** Digests of the blobs of attestations that were taken away. */
  readonly replaced: readonly Digest[];
  readonly dryRun: boolean;
}

/**
 * Attests to what the reference stands for:
 * 1. Resolve the tag to a digest, once.
 * 2. Make an attestation in each format.
 * 3. Prove it, push it beside the image, prove it again: see `attach`.
 * 4. With `replace`, take away what the same key attested before under that type: never what others did, and never before
 *    the new one is there.
 *
 * Errors: `IMAGE_NOT_FOUND`, `DIGEST_MISMATCH`, `CONTENT_TOO_LARGE`, `REFERRERS_TAG_CONFLICT`, `UPDATE_CONFLICT`, those of
 * the registry.
 */
export async function attestImage(registry: Registry, request: AttestImageRequest): Promise<AttestedImage> {
  const { image, signer, predicateType, signal, dryRun = false } = request;
  const { signatureRepository: repository = image } = request;
  const subject = await resolveOnce(registry, image, request.expectDigest, signal); // 1
  const trust = request.trust ?? (await trustInSigner(signer));
  const attestations: PushedSignature[] = [];
  const replaced: Digest[] = [];
  for (const format of request.formats) {
    const target = { format, subject, repository, trust, evidence: request.evidence, now: request.now, signal };
    const attached = await makeAndAttach(registry, request, target);
    attestations.push(attached.pushed);
    if (request.replace === true && !dryRun)
      replaced.push(...(await replaceOlder(registry, { ...target, ...attached }, predicateType))); // 4
  }
  const { keyId } = signer.publicKey;
  return {
    image: formatReference(image),
    digest: subject.digest,
    keyId,
    ...(await namesOf(signer)),
    predicateType,
    attestations,
    replaced: [...new Set(replaced)],
    dryRun,
  };
}

/** Gives back what names the new attestation, not its megabytes. */
async function makeAndAttach(registry: Registry, request: AttestImageRequest, target: Omit<Attaching, "made">) {
  const { image, signer, testify, predicateType, predicate, now, dryRun } = request;
  const { format, subject } = target;
  const made = await format.attest({ image, subject, signer, testify, predicateType, predicate, now }); // 2
  const { pushed, signer: signedBy } = await attach(registry, { ...target, made }, { dryRun }); // 3
  const tag = made.attachment.kind === "layer" ? made.attachment.tag : undefined;
  return { pushed, own: { evidence: made.bundle.evidence, tag, signer: signedBy } };
}
