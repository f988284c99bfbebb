import { LRUCache } from "lru-cache";
import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import type { FoundSignatures, Proof, SignatureBundle, SignatureFormat, TrustMaterial } from "../formats/format.ts";

type Attempt = { readonly proof: Proof } | { readonly finding: Finding };

/** What of a listing is proved, and a finding for each claim that is not. */
export interface Proved {
  readonly proofs: readonly Proof[];
  readonly findings: readonly Finding[];
}

/** A proof may hold what it was made from, which an attestation has megabytes of. */
const maxProofBytes = 64 * 1024 * 1024;

/** Proves the claims of a listing under some trust material, each once, remembered by content. */
export function createProver(formats: readonly SignatureFormat[]) {
  const proofs = new LRUCache<string, Promise<Attempt>>({ maxSize: maxProofBytes });
  const byListing = new WeakMap<FoundSignatures, Map<string, Promise<Proved>>>();

  const proveBundle = (bundle: SignatureBundle, subject: Digest, trust: TrustMaterial): Promise<Attempt> => {
    const key = proofKey(bundle, subject, trust);
    const known = proofs.get(key);
    if (known !== undefined) return known;
    const proof = attemptProof(formats, bundle, subject, trust);
    proofs.set(key, proof, { size: bundle.content.length + 1000 });
    return proof;
  };
  const proveListing = async (listing: FoundSignatures, subject: Digest, trust: TrustMaterial) => {
    const results = await Promise.all(listing.bundles.map((bundle) => proveBundle(bundle, subject, trust)));
    return {
      proofs: results.flatMap((result) => ("proof" in result ? [result.proof] : [])),
      findings: [...listing.findings, ...results.flatMap((result) => ("finding" in result ? [result.finding] : []))],
    };
  };
  return (listing: FoundSignatures, subject: Digest, trust: TrustMaterial) => {
    const known = byListing.get(listing) ?? new Map<string, Promise<Proved>>();
    byListing.set(listing, known);
    const proved = known.get(trust.revision) ?? proveListing(listing, subject, trust);
    known.set(trust.revision, proved);
    return proved;
  };
}

/** The one key of the proof cache: the claim's content, what it is about, and what is trusted. */
function proofKey(bundle: SignatureBundle, subject: Digest, trust: TrustMaterial): string {
  return `${bundle.format} ${bundle.claimId} ${subject} ${trust.revision}`;
}

async function attemptProof(
  formats: readonly SignatureFormat[],
  bundle: SignatureBundle,
  subject: Digest,
  trust: TrustMaterial,
): Promise<Attempt> {
  try {
    const format = formats.find((candidate) => candidate.name === bundle.format);
    if (format === undefined) throw new TrustError("INTERNAL", "a signature of a format that is not known");
    return { proof: await format.verify(bundle, subject, trust) };
  } catch (error) {
    return { finding: toFinding(error, { evidence: bundle.evidence }) };
  }
}
