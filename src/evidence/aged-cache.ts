import { LRUCache } from "lru-cache";
import { asTrustError, type Finding, TrustError, toFinding } from "../errors.ts";

/** Bounds of the cache, and how old a value may get; times in milliseconds. */
export interface AgedCacheOptions<V extends object> {
  readonly maxSize: number;
  readonly sizeCalculation: (value: V) => number;
  readonly ttl: number;
  /** How long after `ttl` a value may stand in while the source is unavailable. */
  readonly staleFor: number;
  readonly now: () => number;
  readonly ageOf: (value: V) => number;
}

/** Loads a value; gets the one it would replace. */
type Load<V> = (old: V | undefined) => Promise<V>;

/**
 * A cache whose callers say how old a value may be. Coalesces loads; a failed load leaves the old value, which stands in
 * only for a failure of category `unavailable` and only for `staleFor`.
 */
export function createAgedCache<V extends object>(options: AgedCacheOptions<V>) {
  const { ttl, staleFor, now, ageOf, ...bounds } = options;
  const cache = new LRUCache<string, V, { load: (old: never) => Promise<object> }>({
    ...bounds,
    // A load gets no caller's signal: one caller's deadline must not fail the others.
    fetchMethod: (_key, old, { context }) => context.load(old as never) as Promise<V>,
    noDeleteOnFetchRejection: true,
    // Making room for others gives up the place in the cache, not the answer that somebody waits for.
    ignoreFetchAbort: true,
  });
  // What seems to come from the future was stored before the clock was set back: nobody knows how old it is.
  const isWithin = (value: V, limit: number) => {
    const age = now() - ageOf(value);
    return age >= 0 && age <= limit;
  };
  return async (key: string, maxAge: number, load: Load<V>): Promise<{ value: V; staleBecause?: Finding }> => {
    const old = cache.get(key);
    if (old !== undefined && isWithin(old, Math.min(maxAge, ttl))) return { value: old };
    try {
      const value = await cache.fetch(key, { context: { load }, forceRefresh: true });
      if (value !== undefined) return { value };
      throw new TrustError("INTERNAL", "the cache gave nothing");
    } catch (error) {
      const { category } = asTrustError(error);
      if (old === undefined || category !== "unavailable" || !isWithin(old, ttl + staleFor)) throw error;
      return { value: old, staleBecause: toFinding(error) };
    }
  };
}
