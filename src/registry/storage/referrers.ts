import { LRUCache } from "lru-cache";
import { type Digest, isDigest } from "../../crypto/digest.ts";
import { TrustError } from "../../errors.ts";
import { type Descriptor, maxManifestBytes } from "../../oci/manifest.ts";
import { mapLimit } from "../../oci/parallel.ts";
import { referrerDescriptor } from "../../oci/referrer-descriptor.ts";
import { RegistryError } from "../errors.ts";
import { namesIn } from "./files.ts";
import type { Layout } from "./layout.ts";
import type { ManifestStore } from "./manifests.ts";
import type { StoredManifest } from "./records.ts";

interface ReferrersQuery {
  readonly artifactType?: string | undefined;
  /** Go on after this digest. */
  readonly after?: Digest | undefined;
}

/** A part of the list, ordered by digest. `next` is where to go on. */
interface ReferrersList {
  readonly descriptors: readonly Descriptor[];
  readonly next?: Digest;
}

export interface ReferrerStore {
  /** The manifests of the repository that have this subject. */
  list(repository: string, subject: Digest, query: ReferrersQuery): Promise<ReferrersList>;
}

/** What one page looks at, and how large its descriptors may be, so that a page is no larger than a manifest. */
const pageEntries = 500;
const pageBytes = maxManifestBytes - 64 * 1024;
const cacheBytes = 8 * 1024 * 1024;

interface Entry {
  readonly digest: Digest;
  readonly descriptor: Descriptor | undefined;
  readonly size: number;
}

export function openReferrers(layout: Layout, manifests: ManifestStore): ReferrerStore {
  const cache = new LRUCache<string, Entry>({ maxSize: cacheBytes, sizeCalculation: ({ size }) => size + 300 });

  async function entryOf(repository: string, digest: Digest): Promise<Entry> {
    const record = await manifests.find(repository, digest);
    if (record === undefined) return { digest, descriptor: undefined, size: 0 };
    const key = `${record.mediaType} ${digest}`;
    const entry = cache.get(key) ?? (await readEntry(record));
    if (entry.descriptor !== undefined) cache.set(key, entry);
    return entry;
  }

  async function readEntry(record: StoredManifest): Promise<Entry> {
    const { digest, mediaType } = record;
    try {
      const descriptor = referrerDescriptor(await manifests.read(record), mediaType, digest);
      return { digest, descriptor, size: Buffer.byteLength(JSON.stringify(descriptor)) };
    } catch (error) {
      // One damaged manifest does not hide the others.
      if (error instanceof RegistryError || error instanceof TrustError)
        return { digest, descriptor: undefined, size: 0 };
      throw error;
    }
  }

  return {
    async list(repository, subject, { artifactType, after }) {
      const names = await namesIn(layout.referrers(repository, subject));
      const digests = names.map((name) => name.replace("-", ":")).filter(isDigest);
      const rest = digests.sort().filter((digest) => after === undefined || digest > after);
      const entries = await mapLimit(rest.slice(0, pageEntries), 8, (digest) => entryOf(repository, digest));
      return takePage(entries, artifactType, rest.length > pageEntries);
    },
  };
}

function takePage(entries: readonly Entry[], artifactType: string | undefined, more: boolean): ReferrersList {
  const descriptors: Descriptor[] = [];
  let bytes = 0;
  let last: Digest | undefined;
  for (const { digest, descriptor, size } of entries) {
    if (descriptor !== undefined && (artifactType === undefined || descriptor.artifactType === artifactType)) {
      if (bytes + size > pageBytes && last !== undefined) return { descriptors, next: last };
      descriptors.push(descriptor);
      bytes += size + 1;
    }
    last = digest;
  }
  return more && last !== undefined ? { descriptors, next: last } : { descriptors };
}
