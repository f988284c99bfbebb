import type { VerifiedSignature } from "../formats/format.ts";
import { evaluateAlternatives } from "./alternatives.ts";
import { evaluateAttestation } from "./attested.ts";
import { countedFor } from "./authority.ts";
import { bindingOf } from "./binding.ts";
import { conditionFinding } from "./condition-facts.ts";
import { countsUntil, objectionTo } from "./counting.ts";
import { distinctFindings, explain, explainGaps, explainRevoked, explainUnfetched } from "./explain.ts";
import type { EvaluationFacts } from "./facts.ts";
import type { Authority, TrustPolicy } from "./policy.ts";
import { payFor, purseOf } from "./purse.ts";
import { rootFacts } from "./root-facts.ts";
import { type Candidate, distinctSigners } from "./signers.ts";
import { decidesAlone, openingOf, outright, refusals } from "./statics.ts";
import { aboutPolicy, type PolicyResult, type Satisfaction } from "./verdict.ts";

/**
 * Decides one policy from proofs. Pure. The steps:
 * 1. An excluded image counts as matched and passes; without facts no other does, unless nothing would be asked of them.
 *    A policy of alternatives is decided by each of them. A policy of a namespace that cannot pay for what follows fails.
 * 2. For each authority: the proofs that satisfy it, that is by one of its signers and with no objection (revocation,
 *    lifetime of the key, annotations, freshness); the youngest first, so that what is decided rests on them.
 * 3. The most authorities satisfied by distinct signers: each owner once, each signer once.
 * 4. Signed when that reaches the threshold. Where one signer would do, a static authority may say so in the open; it is
 *    never counted. A threshold of 0 asks for attestations alone.
 * 5. Every attestation that is asked for, and the condition.
 * 6. Passed when all of that holds. Otherwise one finding for each authority that is not satisfied, each claim that was
 *    not proved, each attestation that is missing.
 */
export function evaluatePolicy(
  policy: TrustPolicy,
  excluded: boolean,
  facts: EvaluationFacts | undefined,
): PolicyResult {
  const base = aboutPolicy(policy);
  // 1
  if (excluded) return { ...base, passed: true, satisfiedBy: [], findings: [] };
  if (facts === undefined) return decidesAlone(policy) ? outright(policy) : { ...base, ...nothing };
  if (policy.anyOf) return evaluateAlternatives(policy, (alternative) => evaluatePolicy(alternative, false, facts));
  const beyond = payFor(policy, facts);
  return beyond === undefined ? onFacts(policy, facts) : { ...base, ...nothing, findings: [beyond] };
}

function onFacts(policy: TrustPolicy, facts: EvaluationFacts): PolicyResult {
  const base = aboutPolicy(policy);
  // 2
  const candidates = policy.authorities.flatMap((authority) => candidatesOf(policy, authority, facts));
  // 3
  const signers = distinctSigners(policy, candidates);
  // 4
  const isSigned = signers.length >= policy.threshold && (policy.threshold > 0 || policy.attestations !== undefined);
  const opening = isSigned ? undefined : openingOf(policy);
  // 5
  const attested = (policy.attestations ?? []).map((requirement) => evaluateAttestation(policy, requirement, facts));
  const conditional =
    policy.condition === undefined ? undefined : conditionFinding(policy.condition, facts, purseOf(policy, facts));
  const satisfiedBy = [...signers, ...attested.flatMap(({ satisfaction }) => satisfaction ?? [])];
  const missing = [
    ...attested.flatMap(({ findings }) => findings),
    ...(conditional === undefined ? [] : [conditional]),
  ];
  // 6
  const isAttested = attested.every(({ satisfaction }) => satisfaction !== undefined);
  const isProved = (isSigned || opening !== undefined) && isAttested;
  if (isProved && conditional === undefined)
    return { ...base, passed: true, satisfiedBy, findings: [], ...(opening === undefined ? {} : { static: opening }) };
  const satisfied = candidates.map(({ satisfaction }) => satisfaction);
  const unsigned =
    isSigned || opening !== undefined
      ? []
      : [...refusals(policy), ...explain(policy, satisfied, signers.length, facts)];
  const findings = [
    ...(isProved ? [] : explainUnfetched(policy, facts)),
    ...unsigned,
    ...missing,
    ...explainRevoked(policy, facts),
    ...explainGaps(facts, unsigned.length === 0),
  ];
  return { ...base, passed: false, satisfiedBy, findings: distinctFindings(findings) };
}

const nothing = { passed: false, satisfiedBy: [], findings: [] } as const;

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
        ...rootFacts(authority, proof),
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
