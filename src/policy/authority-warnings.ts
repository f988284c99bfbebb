import type { MatchedPolicy } from "./match.ts";
import { type PolicyResult, policyNameOf } from "./verdict.ts";

/** What weakens the authorities that policies were passed on, in words, each once. */
export function authorityWarnings(
  matched: readonly MatchedPolicy[],
  results: readonly PolicyResult[],
): readonly string[] {
  const warnings = results.flatMap(({ satisfiedBy }, index) => {
    const policy = matched[index]?.policy;
    const passedOn = new Set(satisfiedBy.map(({ authority }) => authority));
    return (policy?.authorities ?? [])
      .filter(({ name }) => passedOn.has(name))
      .flatMap((authority) =>
        "unsafe" in authority
          ? (authority.unsafe ?? []).map(
              (text) => `${policy === undefined ? "" : policyNameOf(policy)}, ${authority.name}: ${text}`,
            )
          : [],
      );
  });
  return [...new Set(warnings)];
}
