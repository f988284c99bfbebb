import { attach, type MakingRequest, type PushedSignature, resolveOnce } from "./attach.ts";
import type { Digest } from "./crypto/digest.ts";
import { trustInSigner } from "./formats/made-trust.ts";
import { type CertifiedSigner, namesOf } from "./keys/named.ts";
import { chooseChild, listChildren } from "./oci/children.ts";
import { type Descriptor, manifestMediaTypes, type Platform } from "./oci/manifest.ts";
import { mapLimit } from "./oci/parallel.ts";
import { atDigest, formatReference, type ImageReference } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";

export interface SignImageRequest extends MakingRequest {
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The name that the `.sig` form signs, if not the repository of the image. */
  readonly identity?: string | undefined;
  /** Sign an index and everything below it, attestation manifests of build tools too: others may ask for those. */
  readonly recursive?: boolean | undefined;
  /** Of an index, sign what is for this platform alone. */
  readonly platform?: Platform | undefined;
}

export interface SignedImage extends CertifiedSigner {
  readonly image: string;
  /** What was signed; the tag was resolved to it once. */
  readonly digest: Digest;
  readonly keyId: string;
  readonly signatures: readonly PushedSignature[];
  readonly dryRun: boolean;
  /** What the index says a child is for. */
  readonly platform?: string;
  /** Of an index that was signed recursively. */
  readonly children?: readonly SignedImage[];
}

const childrenAtOnce = 4;

/**
 * Signs what the reference stands for:
 * 1. Resolve the tag to a digest, once; with `platform`, go to what the index has for it.
 * 2. With `recursive`, sign everything below an index first: the index is signed when all the rest is.
 * 3. Make a signature in each format.
 * 4. Prove it, push it beside the image, prove it again: see `attach`.
 *
 * Errors: `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `DIGEST_MISMATCH`, `REFERRERS_TAG_CONFLICT`, `UPDATE_CONFLICT`,
 * `EVIDENCE_INCOMPLETE` for an index with too much below it, those of the registry.
 */
export async function signImage(registry: Registry, request: SignImageRequest): Promise<SignedImage> {
  const { image, signal } = request;
  const subject = await subjectOf(registry, request); // 1
  const below = request.recursive === true ? await listChildren(registry, image, subject.digest, signal) : undefined;
  const manifests = below?.filter(({ descriptor }) => manifestMediaTypes.includes(descriptor.mediaType));
  const children = await mapLimit(manifests ?? [], childrenAtOnce, async ({ descriptor, platform }) => {
    const signed = await signSubject(registry, request, descriptor, atDigest(image, descriptor.digest)); // 2
    return platform === "" ? signed : { ...signed, platform };
  });
  const signed = await signSubject(registry, request, subject, image);
  return manifests === undefined ? signed : { ...signed, children };
}

async function subjectOf(registry: Registry, request: SignImageRequest): Promise<Descriptor> {
  const { image, platform, expectDigest, signal } = request;
  if (platform === undefined) return resolveOnce(registry, image, expectDigest, signal);
  const resolved = await resolveOnce(registry, image, undefined, signal);
  const children = await listChildren(registry, image, resolved.digest, signal);
  const digest = children === undefined ? resolved.digest : chooseChild(children, platform).descriptor.digest;
  return resolveOnce(registry, atDigest(image, digest), expectDigest, signal);
}

async function signSubject(
  registry: Registry,
  request: SignImageRequest,
  subject: Descriptor,
  shown: ImageReference,
): Promise<SignedImage> {
  const { image, signer, testify, annotations = {}, identity, now, signal, dryRun = false } = request;
  const { signatureRepository: repository = image } = request;
  const trust = request.trust ?? (await trustInSigner(signer));
  const signatures: PushedSignature[] = [];
  for (const format of request.formats) {
    const made = await format.sign({ image, subject, signer, testify, annotations, identity, now }); // 3
    const target = { format, subject, repository, trust, evidence: request.evidence, now, signal };
    const { pushed } = await attach(registry, { ...target, made }, { dryRun }); // 4
    signatures.push(pushed);
  }
  const { keyId } = signer.publicKey;
  const names = await namesOf(signer);
  return { image: formatReference(shown), digest: subject.digest, keyId, ...names, signatures, dryRun };
}
