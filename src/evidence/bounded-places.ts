import type { Digest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";

/** Places, whether they were asked for more than may be read, and a way to say that what was read is no longer held. */
export interface BoundedPlaces extends EvidencePlaces {
  isExhausted(): boolean;
  release(): void;
}

/** Bytes: for one image, and for all that are being read at one time. */
export interface ReadLimits {
  readonly each: number;
  readonly together: number;
}

/**
 * Bounds what is read of manifests and blobs: whoever may push beside images, and name them, must not fill the memory of
 * their verifier. What goes beyond is refused, with `EVIDENCE_INCOMPLETE` for one image, `SERVER_BUSY` for all together.
 */
export function createPlacesBound(limits: ReadLimits): (places: EvidencePlaces) => BoundedPlaces {
  let held = 0;
  return (places) => {
    let read = 0;
    let exhausted = false;
    const counted = new Set<Digest>();
    const count = (bytes: number) => {
      read += bytes;
      held += bytes;
    };
    const take = (bytes: number) => {
      const isTooMuch = read + bytes > limits.each;
      exhausted ||= isTooMuch;
      if (isTooMuch) throw new TrustError("EVIDENCE_INCOMPLETE", "there is more than may be read for one image");
      if (held + bytes > limits.together) throw new TrustError("SERVER_BUSY", "too much is being read at one time");
      count(bytes);
    };
    return {
      ...places,
      async manifest(descriptor) {
        // Several formats look into the same manifests, which are fetched once.
        if (counted.has(descriptor.digest)) return places.manifest(descriptor);
        take(descriptor.size);
        counted.add(descriptor.digest);
        const manifest = await places.manifest(descriptor);
        // The size in a listing is a stranger's claim.
        count(Math.max(0, manifest.bytes.length - descriptor.size));
        return manifest;
      },
      async blob(descriptor, maxBytes) {
        if (descriptor.size <= maxBytes) take(descriptor.size);
        return places.blob(descriptor, maxBytes);
      },
      isExhausted: () => exhausted,
      release: () => count(-read),
    };
  };
}
