import { TrustError } from "../errors.ts";
import type { EvidencePlaces, Listing } from "./evidence-places.ts";
import type { FetchedManifest } from "./manifest.ts";
import type { RepositoryName } from "./reference.ts";
import { listReferrers } from "./referrers.ts";
import type { Registry } from "./registry.ts";

export interface PlacesOptions {
  /** The most signatures read from one place; default 200. */
  readonly maxSignatures?: number | undefined;
  /** The most pages read of one listing; default 20. */
  readonly maxPages?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const defaultMaxSignatures = 200;
const defaultMaxPages = 20;

/**
 * The places where signatures in a repository can be, for one verification: each listing, manifest and blob is asked
 * for at most once, however many formats want it. Failures count for that verification, too.
 */
export function openPlaces(registry: Registry, name: RepositoryName, options: PlacesOptions = {}): EvidencePlaces {
  const { signal, maxSignatures = defaultMaxSignatures, maxPages = defaultMaxPages } = options;
  const listings = memo<Listing>();
  const tagged = memo<FetchedManifest | undefined>();
  const manifests = memo<FetchedManifest>();
  const blobs = memo<Buffer>();
  return {
    maxSignatures,
    referrers: (subject) => listings(subject, () => listReferrers(registry, name, subject, { maxPages, signal })),
    taggedManifest: (tag) => tagged(tag, () => fetchTagged(registry, name, tag, signal)),
    // The digest says all: the size in a listing is a stranger's claim.
    manifest: ({ digest }) => manifests(digest, () => registry.fetchManifest(name, digest, { signal })),
    blob: (descriptor, maxBytes) =>
      blobs(`${descriptor.digest} ${descriptor.size} ${maxBytes}`, () =>
        registry.fetchBlob(name, descriptor, maxBytes, { signal }),
      ),
  };
}

async function fetchTagged(
  registry: Registry,
  name: RepositoryName,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest | undefined> {
  try {
    return await registry.fetchManifest(name, tag, { signal });
  } catch (error) {
    if (error instanceof TrustError && error.code === "IMAGE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Remembers by key what was asked for, from the moment of asking. */
function memo<T>(): (key: string, fetch: () => Promise<T>) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (key, fetch) => {
    const pending = known.get(key) ?? fetch();
    known.set(key, pending);
    return pending;
  };
}
