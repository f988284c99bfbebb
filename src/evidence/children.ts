import { LRUCache } from "lru-cache";
import type { Digest } from "../crypto/digest.ts";
import { type Child, listChildren } from "../oci/children.ts";
import { formatRepository, type RepositoryName } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";

const maxEntries = 100_000;

/**
 * What is below an index, remembered: a digest never lists anything else. One request for all who ask at the same time;
 * failures are not remembered.
 */
export function createChildren(
  registry: Registry,
  timeout: number,
): (name: RepositoryName, digest: Digest) => Promise<readonly Child[] | undefined> {
  const cache = new LRUCache<string, Promise<readonly Child[] | undefined>>({ maxSize: maxEntries });
  return (name, digest) => {
    const key = `${formatRepository(name)}@${digest}`;
    const known = cache.get(key);
    if (known !== undefined) return known;
    const asked = listChildren(registry, name, digest, AbortSignal.timeout(timeout));
    // As if it were the largest there may be: how large it is shows later.
    cache.set(key, asked, { size: 200 });
    asked.catch(() => cache.delete(key));
    return asked;
  };
}
