import type { SignerIdentity, VerifiedSignature } from "../formats/format.ts";
import { explain } from "./explain.ts";
import { type EvaluationFacts, isBy, missingAnnotation } from "./facts.ts";
import { maximumMatching } from "./matching.ts";
import type { Authority, TrustPolicy } from "./policy.ts";
import type { PolicyResult, Satisfaction } from "./verdict.ts";

/**
 * Decides one policy from proofs. Pure. The steps:
 * 1. An excluded image counts as matched and passes; without facts no other does.
 * 2. For each authority: the proofs that satisfy it, that is by one of its keys and with its annotations.
 * 3. The most authorities satisfied by distinct signers: each owner once, each signer once.
 * 4. Passed when that reaches the threshold.
 * 5. Otherwise one finding for each authority that is not satisfied, then one for each claim that was not proved.
 */
export function evaluatePolicy(
  policy: TrustPolicy,
  excluded: boolean,
  facts: EvaluationFacts | undefined,
): PolicyResult {
  const base = { name: policy.name, mode: policy.mode };
  // 1
  if (excluded) return { ...base, passed: true, satisfiedBy: [], findings: [] };
  if (facts === undefined) return { ...base, passed: false, satisfiedBy: [], findings: [] };
  // 2
  const candidates = policy.authorities.flatMap((authority) => satisfactions(authority, facts));
  // 3
  const satisfiedBy = distinctSigners(policy, candidates);
  // 4
  if (satisfiedBy.length >= policy.threshold) return { ...base, passed: true, satisfiedBy, findings: [] };
  // 5
  return { ...base, passed: false, satisfiedBy, findings: explain(policy, candidates, satisfiedBy.length, facts) };
}

function satisfactions(authority: Authority, facts: EvaluationFacts): readonly Satisfaction[] {
  return facts.proofs
    .filter(
      (proof) =>
        proof.subject === facts.subject &&
        isBy(authority, proof.signer) &&
        missingAnnotation(authority, proof) === undefined,
    )
    .map((proof) => ({ authority: authority.name, signer: proof.signer, evidence: proof.evidence, ...timeOf(proof) }));
}

function timeOf(proof: VerifiedSignature): { readonly signedAt?: string } {
  const [signedAt] = proof.signedAt;
  return signedAt === undefined ? {} : { signedAt };
}

/** One key is one signer whatever it is called; for certificates, the same issuer and subject are. */
function signerId(signer: SignerIdentity): string {
  return signer.kind === "key" ? `key ${signer.keyId}` : `keyless ${JSON.stringify([signer.issuer, signer.subject])}`;
}

function distinctSigners(policy: TrustPolicy, candidates: readonly Satisfaction[]): readonly Satisfaction[] {
  const owners = new Map(policy.authorities.map((authority) => [authority.name, authority.owner ?? authority.name]));
  return maximumMatching(
    candidates,
    (candidate) => owners.get(candidate.authority) ?? candidate.authority,
    (candidate) => signerId(candidate.signer),
  );
}
