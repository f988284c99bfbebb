import type { Digest } from "./crypto/digest.ts";
import type { PublicKey } from "./crypto/public-key.ts";
import { signaturesBy } from "./evidence/signed-by.ts";
import type { SignatureFormat } from "./formats/format.ts";
import { listChildren } from "./oci/children.ts";
import { formatReference, type ImageReference, type RepositoryName } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";

export interface FreezeRequest {
  readonly image: ImageReference;
  readonly keys: readonly PublicKey[];
  readonly formats: readonly SignatureFormat[];
  /** Where signatures are, if not beside the image. */
  readonly signatureRepository?: RepositoryName | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The signatures of an image that are to stay accepted when the key is not any more. */
export interface FrozenImage {
  readonly image: string;
  readonly digest: Digest;
  /** Signatures by these keys, on the image and on everything below it, by the digest that verdicts name as evidence. */
  readonly signatures: readonly Digest[];
}

/**
 * Lists what these keys have signed of an image so far, each signature proved. Whoever takes the list into a policy says
 * that nothing on it was made by a thief: it is to be made from registries that were under control, and looked through.
 */
export async function freezeImage(registry: Registry, request: FreezeRequest): Promise<FrozenImage> {
  const { image, keys, formats, signatureRepository = image, signal } = request;
  const { digest } = await registry.resolve(image, { signal });
  const children = (await listChildren(registry, image, digest, signal)) ?? [];
  const trust = { revision: "freeze", keys };
  const signatures = new Set<Digest>();
  for (const subject of [digest, ...children.map((child) => child.descriptor.digest)]) {
    const found = await signaturesBy(registry, signatureRepository, subject, { trust, formats, signal });
    for (const { evidence } of found) signatures.add(evidence);
  }
  return { image: formatReference(image), digest, signatures: [...signatures] };
}
