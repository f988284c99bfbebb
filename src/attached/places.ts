import type { Digest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import type { Descriptor, FetchedManifest } from "../oci/manifest.ts";
import type { Attached, FoundAttached } from "./find.ts";

/** Reads a blob of at most so many bytes. */
export type ReadContent = (descriptor: Pick<Descriptor, "digest" | "size">, maxBytes: number) => Promise<Buffer>;

/** The places of signatures as a search has read them already: formats look in them without a request, but for blobs. */
export function placesIn(found: FoundAttached, read: ReadContent, maxSignatures: number): EvidencePlaces {
  const manifests = new Map<Digest, FetchedManifest>(
    found.attached.map(({ root }) => [root.descriptor.digest, { descriptor: root.descriptor, bytes: root.bytes }]),
  );
  const tags = new Map(found.attached.flatMap(({ tag, root }) => (tag === undefined ? [] : [[tag, root] as const])));
  const bySubject = Map.groupBy(found.attached.filter(isReferrer), ({ subject }) => subject);
  return {
    maxSignatures,
    async referrers(subject) {
      const descriptors = (bySubject.get(subject) ?? []).map(({ root }) => root.descriptor);
      return { descriptors, complete: found.complete };
    },
    async taggedManifest(tag) {
      const root = tags.get(tag);
      return root === undefined ? undefined : { descriptor: root.descriptor, bytes: root.bytes };
    },
    async manifest({ digest }) {
      const manifest = manifests.get(digest);
      if (manifest === undefined) throw new TrustError("SIGNATURE_MISSING", `${digest} was not found`);
      return manifest;
    },
    blob: read,
  };
}

function isReferrer({ tag }: Attached): boolean {
  return tag === undefined;
}
