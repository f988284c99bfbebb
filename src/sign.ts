import { attach, type PushedSignature, resolveOnce } from "./attach.ts";
import type { Digest } from "./crypto/digest.ts";
import type { SignatureFormat, TrustMaterial } from "./formats/format.ts";
import type { Signer } from "./keys/signer.ts";
import { formatReference, type ImageReference, type RepositoryName } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";

export interface SignImageRequest {
  readonly image: ImageReference;
  readonly signer: Signer;
  readonly formats: readonly SignatureFormat[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The name that the `.sig` form signs, if not the repository of the image. */
  readonly identity?: string | undefined;
  /** Refuse to sign anything but this digest. */
  readonly expectDigest?: Digest | undefined;
  /** Where signatures are written, if not beside the image. */
  readonly signatureRepository?: RepositoryName | undefined;
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

/**
 * Signs what the reference stands for:
 * 1. Resolve the tag to a digest, once.
 * 2. Make a signature in each format.
 * 3. Prove it, push it beside the image, prove it again: see `attach`.
 *
 * Errors: `IMAGE_NOT_FOUND`, `DIGEST_MISMATCH`, `REFERRERS_TAG_CONFLICT`, `UPDATE_CONFLICT`, those of the registry.
 */
export async function signImage(registry: Registry, request: SignImageRequest): Promise<SignedImage> {
  const { image, signer, annotations = {}, now, signal, dryRun = false } = request;
  const { signatureRepository: repository = image } = request;
  const subject = await resolveOnce(registry, image, request.expectDigest, signal); // 1
  const trust: TrustMaterial = { revision: signer.publicKey.keyId, keys: [signer.publicKey] };
  const signatures: PushedSignature[] = [];
  for (const format of request.formats) {
    const made = await format.sign({ image, subject, signer, annotations, identity: request.identity, now }); // 2
    signatures.push(await attach(registry, { format, made, subject, repository, trust, signal }, { dryRun })); // 3
  }
  return { image: formatReference(image), digest: subject.digest, keyId: signer.publicKey.keyId, signatures, dryRun };
}
