import type { Digest } from "../crypto/digest.ts";
import { toFinding } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import { attestationTag, makeTaggedAttestation, proveTaggedEnvelope } from "./cosign-attestation.ts";
import { cosignName, findTagged, nothingFound, readLayers, signedLayers } from "./cosign-layers.ts";
import { makeSimpleSigning, proveSimpleSigning, signatureTag, simpleSigningMediaType } from "./cosign-signature.ts";
import type { FoundSignatures, Proof, Search, SignatureBundle, SignatureFormat, TrustMaterial } from "./format.ts";
import { findReferrers } from "./referring.ts";

export { attestationTag } from "./cosign-attestation.ts";
export { signatureTag } from "./cosign-signature.ts";

/**
 * What cosign 1 and 2 and skopeo write (sigstore/cosign, specs/SIGNATURE_SPEC.md): simple signing under the `.sig` tag, or
 * on a referrer of its own (`oci-1-1` mode), and DSSE envelopes under the `.att` tag.
 */
export const cosign: SignatureFormat = {
  name: cosignName,
  find,
  verify,
  sign: makeSimpleSigning,
  attest: makeTaggedAttestation,
};

async function find(places: EvidencePlaces, subject: Digest, search: Search = {}): Promise<FoundSignatures> {
  const { attestations = false, predicateType } = search;
  const asked = [
    findTagged(places, signatureTag(subject)),
    findReferring(places, subject),
    ...(attestations ? [findTagged(places, attestationTag(subject), { isEnvelope: true, predicateType })] : []),
  ];
  const results = await Promise.allSettled(asked);
  const found = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  const merged = merge(found);
  if (failures.length === 0) return merged;
  if (found.length === 0) throw failures[0];
  return { ...merged, findings: [...merged.findings, ...failures.map((error) => toFinding(error))], complete: false };
}

function merge(found: readonly FoundSignatures[]): FoundSignatures {
  const bundles = found.flatMap((item) => item.bundles);
  return {
    bundles: [...new Map(bundles.map((bundle) => [bundle.claimId, bundle])).values()],
    findings: found.flatMap((item) => item.findings),
    complete: found.every((item) => item.complete),
  };
}

/** Manifests that cannot be read are told by the format that lists the same referrers for bundles. */
async function findReferring(places: EvidencePlaces, subject: Digest): Promise<FoundSignatures> {
  const { manifests, complete } = await findReferrers(places, subject);
  const layers = manifests.flatMap(({ manifest }) => signedLayers(manifest, simpleSigningMediaType));
  const found = layers.length === 0 ? nothingFound : await readLayers(places, layers);
  return { ...found, complete: complete && found.complete };
}

async function verify(bundle: SignatureBundle, subject: Digest, trust: TrustMaterial, now?: number): Promise<Proof> {
  return bundle.isEnvelope === true
    ? proveTaggedEnvelope(bundle, subject, trust, now)
    : proveSimpleSigning(bundle, subject, trust, now);
}
