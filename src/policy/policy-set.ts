import { createHash } from "node:crypto";
import { canonicalAuthority } from "./authority.ts";
import type { PolicySet, TrustPolicy } from "./policy.ts";
import { type Problem, policyInvalid } from "./problem.ts";
import type { ParsedPolicies } from "./rules.ts";

/**
 * Puts the policies of all sources in force together, cluster policies first, then by namespace and name. Throws one
 * `POLICY_INVALID` with every problem there is: all of the policies take effect or none.
 */
export function toPolicySet(parsed: readonly ParsedPolicies[]): PolicySet {
  const policies = parsed.flatMap((source) => source.policies);
  const problems = [...parsed.flatMap((source) => source.problems), ...sameNames(policies)];
  if (problems.length > 0) throw policyInvalid(problems);
  const sorted = policies.toSorted((a, b) => compare(nameOf(a), nameOf(b)));
  return { policies: sorted, revision: revisionOf(sorted) };
}

function sameNames(policies: readonly TrustPolicy[]): readonly Problem[] {
  const first = new Map<string, TrustPolicy>();
  return policies.flatMap((policy) => {
    const other = first.get(nameOf(policy));
    if (other === undefined) {
      first.set(nameOf(policy), policy);
      return [];
    }
    const what = `a second ${policy.namespace === undefined ? "ClusterTrustPolicy" : "TrustPolicy"} ${policy.name}`;
    return [{ place: policy.source, what, expected: "each name once", found: `the first at ${other.source}` }];
  });
}

/** Sorts as (namespace, name): the separator stands before every character of a name. */
function nameOf({ namespace, name }: TrustPolicy): string {
  return `${namespace ?? ""}\n${name}`;
}

/** By code unit, so that the order is the same under every locale. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** A hash over what the policies mean, with the keys themselves: comments, layout and file names do not change it. */
function revisionOf(policies: readonly TrustPolicy[]): string {
  const content = policies.map(({ source: _, authorities, ...rest }) => ({
    ...rest,
    authorities: authorities.map(canonicalAuthority),
  }));
  return createHash("sha256").update(JSON.stringify(content, sortedKeys)).digest("hex");
}

function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => compare(a, b)));
}
