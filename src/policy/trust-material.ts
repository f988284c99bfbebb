import { createHash } from "node:crypto";
import type { TrustMaterial } from "../formats/format.ts";
import type { TrustRoot } from "../trust/trust-root.ts";
import type { MatchedPolicy } from "./match.ts";
import type { Authority } from "./policy.ts";

/** What the policies that matched believe in, each thing once: keys, certificate authorities, and trust roots. */
export function trustOf(matched: readonly MatchedPolicy[]): TrustMaterial {
  return trustIn(matched.flatMap(({ policy, excluded }) => (excluded ? [] : policy.authorities)));
}

/** What authorities believe in. */
export function trustIn(authorities: readonly Authority[]): TrustMaterial {
  const keys = authorities.flatMap((authority) => (authority.kind === "key" ? authority.keys : []));
  const certificates = authorities.flatMap((authority) => (authority.kind === "certificate" ? [authority.trust] : []));
  // What was never fetched believes nothing, so nothing about a signature is to be said by it.
  const roots = authorities.flatMap((authority) => ("root" in authority ? [authority.root] : [])).filter(isFetched);
  const distinct = {
    keys: byId(keys, ({ keyId }) => keyId),
    certificates: byId(certificates, ({ id }) => id),
    roots: byId(roots, ({ revision }) => revision),
  };
  const ids = [distinct.keys, distinct.certificates, distinct.roots].map((part) => [...part.keys()].sort().join(" "));
  return {
    revision: createHash("sha256").update(ids.join("\n")).digest("hex"),
    keys: [...distinct.keys.values()],
    ...(certificates.length === 0 ? {} : { certificates: [...distinct.certificates.values()] }),
    ...(roots.length === 0 ? {} : { roots: [...distinct.roots.values()] }),
  };
}

function isFetched(root: TrustRoot | undefined): boolean {
  return root?.source.kind !== "unfetched";
}

function byId<T>(items: readonly T[], idOf: (item: T) => string): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [idOf(item), item]));
}
