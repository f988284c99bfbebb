import { isDeepStrictEqual } from "node:util";
import type { Attaching } from "./attach.ts";
import type { Digest } from "./crypto/digest.ts";
import { TrustError } from "./errors.ts";
import type { Proof, SignerIdentity } from "./formats/format.ts";
import type { EvidencePlaces } from "./oci/evidence-places.ts";
import { removeFromFallbackIndex } from "./oci/fallback-index.ts";
import { parseManifest } from "./oci/manifest.ts";
import { openPlaces } from "./oci/places.ts";
import { referrersTag } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";
import { detachSignatureLayers } from "./oci/signature-tag.ts";

/** An attestation that was attached, and takes the place of older ones. */
export interface Attached extends Omit<Attaching, "made"> {
  readonly own: {
    readonly evidence: Digest;
    /** The tag that it is a layer of; undefined for a referrer. */
    readonly tag: string | undefined;
    /** By whom it is, as it is proved: a trust root proves the attestations of others, too. */
    readonly signer: SignerIdentity;
  };
}

/**
 * Takes away the signer's other attestations of that type about the subject, in the same format and repository. Only what
 * is proved to be the signer's goes: a label, or a claim that does not prove, is somebody else's. Answers with the blobs
 * that held them. Errors are those of the registry.
 */
export async function replaceOlder(
  registry: Registry,
  attached: Attached,
  predicateType: string,
): Promise<readonly Digest[]> {
  const { own, repository, signal } = attached;
  const old = await findOlder(registry, attached, predicateType);
  if (old.length === 0) return old;
  const digests = new Set(old);
  if (own.tag === undefined) await removeReferrers(registry, attached, digests);
  else await detachSignatureLayers(registry, repository, own.tag, ({ digest }) => digests.has(digest), { signal });
  return [...digests];
}

async function findOlder(registry: Registry, attached: Attached, predicateType: string): Promise<readonly Digest[]> {
  const { format, own, subject, repository, trust, now, signal } = attached;
  const places = without(openPlaces(registry, repository, { signal }), own.evidence);
  const { bundles } = await format.find(places, subject.digest, { attestations: true, predicateType });
  const old: Digest[] = [];
  for (const bundle of bundles) {
    const proof = await format.verify(bundle, subject.digest, trust, now).catch(unproved);
    if (proof?.kind !== "attestation" || proof.predicateType !== predicateType) continue;
    if (isDeepStrictEqual(proof.signer, own.signer)) old.push(bundle.evidence);
  }
  return old;
}

/** The same places, but for one blob, which need not be read again. */
function without(places: EvidencePlaces, evidence: Digest): EvidencePlaces {
  return {
    ...places,
    async blob(descriptor, maxBytes) {
      if (descriptor.digest !== evidence) return places.blob(descriptor, maxBytes);
      throw new TrustError("SIGNATURE_MISSING", "the new attestation is not looked at again");
    },
  };
}

function unproved(error: unknown): Proof | undefined {
  if (error instanceof TrustError) return undefined;
  throw error;
}

/** Takes away the manifests whose only layer is one of the blobs. */
async function removeReferrers(registry: Registry, attached: Attached, blobs: ReadonlySet<Digest>): Promise<void> {
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
