import { type Mirror, withMirrors } from "../oci/mirrors.ts";
import type { Registry } from "../oci/registry.ts";
import { createEvidenceStore, type EvidenceStore } from "./store.ts";

const maxStores = 16;

/**
 * One store for each set of mirrors: what was found through one must not answer for another. Sets of mirrors come from
 * cluster policies, so there are few; of more than 16 the oldest gives up what it remembers.
 */
export function createStores(
  options: Parameters<typeof createEvidenceStore>[0] & { readonly registry: Registry },
): (mirrors: readonly Mirror[]) => EvidenceStore {
  const stores = new Map<string, EvidenceStore>();
  return (mirrors) => {
    const key = JSON.stringify(mirrors.map(({ from, to }) => [from, to]));
    const known = stores.get(key);
    if (known !== undefined) return known;
    const store = createEvidenceStore({ ...options, registry: withMirrors(options.registry, mirrors) });
    const [oldest] = stores.size >= maxStores ? stores.keys() : [];
    if (oldest !== undefined) stores.delete(oldest);
    stores.set(key, store);
    return store;
  };
}
