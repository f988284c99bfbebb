import { LRUCache } from "lru-cache";
import { withMirrors } from "../oci/mirrors.ts";
import type { Registry } from "../oci/registry.ts";
import { placeKey, type Whereabouts } from "../policy/mirrors.ts";
import { createEvidenceStore, type EvidenceStore } from "./store.ts";

const maxStores = 16;

/**
 * One store for each set of mirrors and places of signatures: what was found through one must not answer for another. They
 * come from cluster policies, so there are few; of more than 16 the one that was longest not asked gives up what it remembers.
 */
export function createStores(
  options: Parameters<typeof createEvidenceStore>[0] & { readonly registry: Registry },
): (whereabouts: Whereabouts) => EvidenceStore {
  const stores = new LRUCache<string, EvidenceStore>({ max: maxStores });
  return ({ mirrors, signaturesAt }) => {
    const key = JSON.stringify([mirrors.map(({ from, to }) => [from, to]), signaturesAt.map(placeKey)]);
    const known = stores.get(key);
    if (known !== undefined) return known;
    const store = createEvidenceStore({ ...options, signaturesAt, registry: withMirrors(options.registry, mirrors) });
    stores.set(key, store);
    return store;
  };
}
