import type { VerifiedSignature } from "../formats/format.ts";
import { countedFor } from "./authority.ts";
import { bindingOf } from "./binding.ts";
import { countsUntil, objectionTo } from "./counting.ts";
import { explain } from "./explain.ts";
import type { EvaluationFacts } from "./facts.ts";
import type { Authority, TrustPolicy } from "./policy.ts";
import { type Candidate, distinctSigners } from "./signers.ts";
import type { PolicyResult, Satisfaction } from "./verdict.ts";

/**
 * Decides one policy from proofs. Pure. The steps:
 * 1. An excluded image counts as matched and passes; without facts no other does.
 * 2. For each authority: the proofs that satisfy it, that is by one of its signers and with no objection (revocation,
 *    lifetime of the key, annotations, freshness); the youngest first, so that what is decided rests on them.
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
  const candidates = policy.authorities.flatMap((authority) => candidatesOf(policy, authority, facts));
  // 3
  const satisfiedBy = distinctSigners(policy, candidates);
  // 4
  if (satisfiedBy.length >= policy.threshold) return { ...base, passed: true, satisfiedBy, findings: [] };
  // 5
  return {
    ...base,
    passed: false,
    satisfiedBy,
    findings: explain(
      policy,
      candidates.map(({ satisfaction }) => satisfaction),
      satisfiedBy.length,
      facts,
    ),
  };
}

function candidatesOf(policy: TrustPolicy, authority: Authority, facts: EvaluationFacts): readonly Candidate[] {
  return facts.proofs
    .filter((proof) => proof.subject === facts.subject)
    .flatMap((proof) => countedFor(authority, proof) ?? [])
    .filter(({ proof }) => objectionTo(policy, authority, proof, facts) === undefined)
    .toSorted((a, b) => createdOf(b.proof) - createdOf(a.proof))
    .map(({ proof, names }) => ({
      names,
      satisfaction: {
        authority: authority.name,
        signer: proof.signer,
        evidence: proof.evidence,
        ...timesOf(proof, countsUntil(policy, authority, proof)),
      },
    }));
}

/** What says no time is as old as can be. */
function createdOf(proof: VerifiedSignature): number {
  const { created } = bindingOf(proof);
  return created === undefined || Number.isNaN(created) ? Number.MIN_SAFE_INTEGER : created;
}

function timesOf(
  { signedAt: [signedAt] }: VerifiedSignature,
  until: number,
): Pick<Satisfaction, "signedAt" | "expiresAt"> {
  return {
    ...(signedAt === undefined ? {} : { signedAt }),
    ...(Number.isFinite(until) ? { expiresAt: new Date(until).toISOString() } : {}),
  };
}
