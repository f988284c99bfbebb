import { LRUCache } from "lru-cache";
import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import type {
  FoundSignatures,
  Proof,
  SignatureBundle,
  SignatureFormat,
  TrustMaterial,
  Validity,
} from "../formats/format.ts";
import { untilAskedAgain } from "../formats/prove.ts";

/** `validity`: when it is known to hold; absent: for ever. */
type Attempt = ({ readonly proof: Proof } | { readonly finding: Finding }) & { readonly validity?: Validity };

/** What of a listing is proved, and a finding for each claim that is not. */
export interface Proved {
  readonly proofs: readonly Proof[];
  readonly findings: readonly Finding[];
}

/** Something that was proved, and when it holds: whatever rests on certificates that no verified time speaks for does not hold for ever. */
interface Kept<T> {
  readonly value: Promise<T>;
  validity?: Validity | undefined;
}

function holdsAt({ validity }: Kept<unknown>, now: number): boolean {
  return validity === undefined || (now >= validity.notBefore && now <= validity.notAfter);
}

/** Until it is known when it holds, it is as good as any: whoever asks meanwhile asks at the same time. */
function keep<T extends { readonly validity?: Validity }>(value: Promise<T>): Kept<T> {
  const kept: Kept<T> = { value };
  void value.then(({ validity }) => {
    kept.validity = validity;
  });
  return kept;
}

/** A proof may hold what it was made from, which an attestation has megabytes of. */
const maxProofBytes = 64 * 1024 * 1024;

/**
 * Proves the claims of a listing under some trust material, each once, remembered by content, and by the time around now
 * where that matters. `now`: milliseconds since 1970.
 */
export function createProver(formats: readonly SignatureFormat[]) {
  const proofs = new LRUCache<string, Kept<Attempt>>({ maxSize: maxProofBytes });
  const byListing = new WeakMap<FoundSignatures, Map<string, Kept<ProvedListing>>>();

  const proveBundle = (bundle: SignatureBundle, asked: Asked): Promise<Attempt> => {
    const key = proofKey(bundle, asked);
    const known = proofs.get(key);
    if (known !== undefined && holdsAt(known, asked.now)) return known.value;
    const proof = keep(attemptProof(formats, bundle, asked));
    proofs.set(key, proof, { size: bundle.content.length + 1000 });
    return proof.value;
  };
  const proveListing = async (listing: FoundSignatures, asked: Asked): Promise<ProvedListing> => {
    const results = await Promise.all(listing.bundles.map((bundle) => proveBundle(bundle, asked)));
    const validity = overlap(results.flatMap((result) => result.validity ?? []));
    return {
      proofs: results.flatMap((result) => ("proof" in result ? [result.proof] : [])),
      findings: [...listing.findings, ...results.flatMap((result) => ("finding" in result ? [result.finding] : []))],
      ...(validity === undefined ? {} : { validity }),
    };
  };
  return (listing: FoundSignatures, subject: Digest, trust: TrustMaterial, now: number): Promise<Proved> => {
    const known = byListing.get(listing) ?? new Map<string, Kept<ProvedListing>>();
    byListing.set(listing, known);
    const proved = known.get(trust.revision);
    if (proved !== undefined && holdsAt(proved, now)) return proved.value;
    const fresh = keep(proveListing(listing, { subject, trust, now }));
    known.set(trust.revision, fresh);
    return fresh.value;
  };
}

interface ProvedListing extends Proved {
  readonly validity?: Validity;
}

/** What is asked of a claim. */
interface Asked {
  readonly subject: Digest;
  readonly trust: TrustMaterial;
  readonly now: number;
}

function overlap(validities: readonly Validity[]): Validity | undefined {
  if (validities.length === 0) return undefined;
  return {
    notBefore: Math.max(...validities.map(({ notBefore }) => notBefore)),
    notAfter: Math.min(...validities.map(({ notAfter }) => notAfter)),
  };
}

/** The one key of the proof cache: the claim's content, what it is about, and what is trusted. */
function proofKey(bundle: SignatureBundle, { subject, trust }: Asked): string {
  return `${bundle.format} ${bundle.claimId} ${subject} ${trust.revision}`;
}

async function attemptProof(
  formats: readonly SignatureFormat[],
  bundle: SignatureBundle,
  { subject, trust, now }: Asked,
): Promise<Attempt> {
  try {
    const format = formats.find((candidate) => candidate.name === bundle.format);
    if (format === undefined) throw new TrustError("INTERNAL", "a signature of a format that is not known");
    const proof = await format.verify(bundle, subject, trust, now);
    return { proof, ...(proof.validity === undefined ? {} : { validity: proof.validity }) };
  } catch (error) {
    return { finding: toFinding(error, { evidence: bundle.evidence }), ...untilAskedAgain(error, now) };
  }
}
