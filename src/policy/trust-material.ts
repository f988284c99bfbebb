import { createHash } from "node:crypto";
import type { TrustMaterial } from "../formats/format.ts";
import type { MatchedPolicy } from "./match.ts";

/** All keys of the policies that matched, each once. */
export function trustOf(matched: readonly MatchedPolicy[]): TrustMaterial {
  const authorities = matched.flatMap(({ policy, excluded }) => (excluded ? [] : policy.authorities));
  const keys = new Map(authorities.flatMap((authority) => authority.keys.map((key) => [key.keyId, key])));
  const revision = createHash("sha256")
    .update([...keys.keys()].sort().join(" "))
    .digest("hex");
  return { revision, keys: [...keys.values()] };
}
