import { TrustError } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";

/** Places, and whether they were asked for more than may be read. */
export interface BoundedPlaces extends EvidencePlaces {
  isExhausted(): boolean;
}

/**
 * Places of which at most `maxBytes` of manifests and blobs are read, all together: whoever may push beside an image
 * must not fill the memory of its verifier. What goes beyond is refused with `EVIDENCE_INCOMPLETE`.
 */
export function boundPlaces(places: EvidencePlaces, maxBytes: number): BoundedPlaces {
  let left = maxBytes;
  let exhausted = false;
  const take = (bytes: number) => {
    exhausted ||= bytes > left;
    if (bytes > left) throw new TrustError("EVIDENCE_INCOMPLETE", "there is more than may be read for one image");
    left -= bytes;
  };
  return {
    ...places,
    async manifest(descriptor) {
      take(descriptor.size);
      const manifest = await places.manifest(descriptor);
      // The size in a listing is a stranger's claim.
      left -= Math.max(0, manifest.bytes.length - descriptor.size);
      return manifest;
    },
    async blob(descriptor, maxBlobBytes) {
      if (descriptor.size <= maxBlobBytes) take(descriptor.size);
      return places.blob(descriptor, maxBlobBytes);
    },
    isExhausted: () => exhausted,
  };
}
