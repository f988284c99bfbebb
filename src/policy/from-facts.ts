import { evaluatePolicy } from "./evaluate.ts";
import { applyExceptions } from "./except.ts";
import type { EvaluationFacts } from "./facts.ts";
import { isExempt, isMatchedByEnforcingClusterPolicy, type MatchedPolicy, matchPolicies } from "./match.ts";
import type { PolicySet } from "./policy.ts";
import { type PolicyResult, type Verdict, verdictOf } from "./verdict.ts";

/** What one policy says from known facts, exceptions included. Pure; platforms below an index are not looked at. */
export function resultFromFacts(match: MatchedPolicy, facts: EvaluationFacts): PolicyResult {
  const { ref, subject, now } = facts;
  const result = evaluatePolicy(match.policy, match.excluded, facts);
  return applyExceptions(match, result, { ref, digest: subject, now });
}

/**
 * The whole decision about an image of which everything is known: matches, evaluates, applies exceptions, says the
 * outcome. Pure: the same facts give the same Verdict. `noMatch` as in the settings of a verifier.
 */
export function verdictFromFacts(
  policies: PolicySet,
  facts: EvaluationFacts,
  { image, noMatch = "deny" }: { readonly image: string; readonly noMatch?: "deny" | "allow" | "warn" },
): Verdict {
  const matched = matchPolicies(policies, facts.ref, facts.object);
  return verdictOf({
    image,
    digest: facts.subject,
    decidedAt: facts.now,
    noMatch: isMatchedByEnforcingClusterPolicy(matched) ? undefined : noMatch,
    exempt: isExempt(matched),
    policies: matched.map((match) => resultFromFacts(match, facts)),
  });
}
