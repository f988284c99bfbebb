import type { Attaching } from "./attach.ts";
import type { Digest } from "./crypto/digest.ts";
import { TrustError } from "./errors.ts";
import type { Proof, SignatureBundle } from "./formats/format.ts";
import { removeFromFallbackIndex } from "./oci/fallback-index.ts";
import { parseManifest } from "./oci/manifest.ts";
import { openPlaces } from "./oci/places.ts";
import { referrersTag } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";
import { detachSignatureLayers } from "./oci/signature-tag.ts";

/**
 * The signer's other attestations of that type about the subject, in the same format and repository. Only what is proved
 * to be the signer's is named: a label, or a claim that does not prove, is somebody else's.
 */
export async function findReplaced(
  registry: Registry,
  attached: Attaching,
  predicateType: string,
): Promise<readonly SignatureBundle[]> {
  const { format, made, subject, repository, trust, signal } = attached;
  const places = openPlaces(registry, repository, { signal });
  const { bundles } = await format.find(places, subject.digest, { attestations: true, predicateType });
  const old: SignatureBundle[] = [];
  for (const bundle of bundles) {
    if (bundle.claimId === made.bundle.claimId) continue;
    const proof = await format.verify(bundle, subject.digest, trust).catch(unproved);
    if (proof?.kind === "attestation" && proof.predicateType === predicateType) old.push(bundle);
  }
  return old;
}

function unproved(error: unknown): Proof | undefined {
  if (error instanceof TrustError) return undefined;
  throw error;
}

/** Takes those attestations away; what others put beside them stays. Errors are those of the registry. */
export async function removeAttestations(
  registry: Registry,
  attached: Attaching,
  old: readonly SignatureBundle[],
): Promise<void> {
  const { made, repository, signal } = attached;
  if (old.length === 0) return;
  const digests = new Set(old.map(({ evidence }) => evidence));
  if (made.attachment.kind === "referrer") return removeReferrers(registry, attached, digests);
  await detachSignatureLayers(registry, repository, made.attachment.tag, ({ digest }) => digests.has(digest), {
    signal,
  });
}

/** Takes away the manifests whose only layer is one of the blobs. */
async function removeReferrers(registry: Registry, attached: Attaching, blobs: ReadonlySet<Digest>): Promise<void> {
  const { subject, repository, signal } = attached;
  const places = openPlaces(registry, repository, { signal });
  const { descriptors } = await places.referrers(subject.digest);
  const digests: Digest[] = [];
  for (const descriptor of descriptors) {
    const { bytes, descriptor: fetched } = await places.manifest(descriptor);
    const manifest = parseManifest(bytes, fetched.mediaType);
    const [layer, second] = manifest.kind === "manifest" ? manifest.layers : [];
    if (layer !== undefined && second === undefined && blobs.has(layer.digest)) digests.push(descriptor.digest);
  }
  // A list first, then what it names: others must never be shown what is gone.
  if ((await places.taggedManifest(referrersTag(subject.digest))) !== undefined)
    await removeFromFallbackIndex(registry, repository, subject.digest, { digests, signal });
  const { descriptors: listed } = await registry.listReferrers(repository, subject.digest, 20, { signal });
  for (const digest of digests) {
    const isListed = listed.some((descriptor) => descriptor.digest === digest);
    await registry.deleteManifest(repository, digest, { signal }).catch((error: unknown) => {
      // A registry that keeps everything no longer lists it under the tag, which is what counts.
      if (isListed || !(error instanceof TrustError)) throw error;
    });
  }
}
