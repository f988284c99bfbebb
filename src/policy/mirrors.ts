import type { Mirror } from "../oci/mirrors.ts";
import type { MatchedPolicy } from "./match.ts";

/**
 * The mirrors of the policies that matched, in their order. Only cluster policies have any: where evidence of an image is
 * fetched is not for a tenant to say.
 */
export function mirrorsOf(matched: readonly MatchedPolicy[]): readonly Mirror[] {
  const all = matched.flatMap(({ policy, excluded }) => (excluded ? [] : (policy.mirrors ?? [])));
  return [...new Map(all.map((mirror) => [`${mirror.from} ${mirror.to}`, mirror])).values()];
}
