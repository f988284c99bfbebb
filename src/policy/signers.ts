import { maximumMatching } from "./matching.ts";
import type { TrustPolicy } from "./policy.ts";
import type { Satisfaction } from "./verdict.ts";

/** An authority that is satisfied, and all names of whoever did it. */
export interface Candidate {
  readonly satisfaction: Satisfaction;
  readonly names: readonly string[];
}

/** The most satisfactions of distinct authorities by distinct signers: each owner once, each signer once. */
export function distinctSigners(policy: TrustPolicy, candidates: readonly Candidate[]): readonly Satisfaction[] {
  const owners = new Map(policy.authorities.map((authority) => [authority.name, authority.owner ?? authority.name]));
  const signerOf = sameSigner(candidates);
  return maximumMatching(
    candidates,
    ({ satisfaction: { authority } }) => owners.get(authority) ?? authority,
    ({ names: [name = ""] }) => signerOf(name),
  ).map(({ satisfaction }) => satisfaction);
}

/** Puts names together that one candidate has, and those that share one: who has them is one signer. */
function sameSigner(candidates: readonly Candidate[]): (name: string) => string {
  const parents = new Map<string, string>();
  const root = (name: string): string => {
    let at = name;
    for (let up = parents.get(at); up !== undefined; up = parents.get(at)) at = up;
    return at;
  };
  for (const { names } of candidates) {
    const [first = "", ...others] = names;
    for (const other of others) {
      const [one, two] = [root(first), root(other)];
      if (one !== two) parents.set(two, one);
    }
  }
  return root;
}
