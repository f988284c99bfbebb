import type { Digest } from "../crypto/digest.ts";
import type { Finding } from "../errors.ts";
import type { SignerIdentity, VerifiedAttestation, VerifiedSignature } from "../formats/format.ts";
import type { Authority } from "./policy.ts";

/** What is known of an image when a policy judges it. */
export interface EvaluationFacts {
  readonly subject: Digest;
  readonly proofs: readonly VerifiedSignature[];
  /** Proved too, but about the image; never a signature of it. */
  readonly attestations?: readonly VerifiedAttestation[];
  /** Why other claims were not proved, or places not read. */
  readonly findings: readonly Finding[];
}

/** Whether the signer is one of the authority's. */
export function isBy(authority: Authority, signer: SignerIdentity): boolean {
  return signer.kind === "key" && authority.keys.some((key) => key.keyId === signer.keyId);
}

/** The first annotation that the authority wants and the signature does not carry. */
export function missingAnnotation(
  authority: Authority,
  proof: VerifiedSignature,
): readonly [string, string] | undefined {
  const required = Object.entries(authority.annotations ?? {});
  return required.find(([key, value]) => !Object.hasOwn(proof.annotations, key) || proof.annotations[key] !== value);
}
