import type { Finding } from "../errors.ts";
import { distinctFindings } from "./explain.ts";
import { nonEmpty } from "./non-empty.ts";
import type { TrustPolicy } from "./policy.ts";
import { aboutPolicy, type PolicyResult } from "./verdict.ts";

/**
 * The policies that a policy of alternatives stands for: one for each authority, with a signature by it, or with every
 * attestation that names it instead.
 */
export function alternativesOf({ anyOf: _, ...policy }: TrustPolicy): readonly TrustPolicy[] {
  const { authorities, statics = [], unusable = [], attestations = [], ...rest } = policy;
  const names = new Set([...authorities, ...statics, ...unusable].map(({ name }) => name));
  return [...names].map((name) => {
    const isOwn = (item: { readonly name: string }) => item.name === name;
    const [said, unjudged] = [statics.filter(isOwn), unusable.filter(isOwn)];
    const isAsked = unjudged.length === 0;
    const attested = isAsked ? attestations.filter(({ authorities: by }) => by?.includes(name) === true) : [];
    return {
      ...rest,
      authorities: authorities.filter(isOwn),
      ...(said.length === 0 ? {} : { statics: nonEmpty(said) }),
      ...(unjudged.length === 0 ? {} : { unusable: nonEmpty(unjudged) }),
      ...(attested.length === 0 ? {} : { attestations: nonEmpty(attested) }),
      threshold: attested.length === 0 ? 1 : 0,
    };
  });
}

/**
 * Decides a policy of alternatives. The first that passes on evidence decides, else the first that passes in the open; where
 * none does, the findings are those of all.
 */
export function evaluateAlternatives(
  policy: TrustPolicy,
  evaluate: (alternative: TrustPolicy) => PolicyResult,
): PolicyResult {
  const results = alternativesOf(policy).map(evaluate);
  const passed = results.filter((result) => result.passed);
  const best = passed.find((result) => result.static === undefined) ?? passed[0];
  if (best !== undefined) return best;
  const findings: readonly Finding[] = distinctFindings(results.flatMap((result) => result.findings));
  return { ...aboutPolicy(policy), passed: false, satisfiedBy: [], findings };
}
