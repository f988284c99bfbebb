import type { Digest } from "../crypto/digest.ts";
import type { TrustError } from "../errors.ts";
import type { Descriptor, FetchedManifest } from "./manifest.ts";

/** A listing of descriptors. `complete` is false where a limit ended it. */
export interface Listing {
  readonly descriptors: readonly Descriptor[];
  readonly complete: boolean;
  /** Why one of the places that are listed together could not be read; what the other had still counts. */
  readonly failure?: TrustError;
  /** Those that the fallback tag lists, where it lists any. */
  readonly underTag?: ReadonlySet<Digest>;
}

/**
 * The places where signatures of one subject can be, each listed at most once however many formats ask, with bounded
 * reads by digest. Errors are those of `Registry`.
 */
export interface EvidencePlaces {
  /** Referrers API and fallback tag together, each digest once. */
  referrers(subject: Digest): Promise<Listing>;
  /** The manifest under a tag of the signature repository, or nothing. */
  taggedManifest(tag: string): Promise<FetchedManifest | undefined>;
  manifest(descriptor: Descriptor): Promise<FetchedManifest>;
  blob(descriptor: Pick<Descriptor, "digest" | "size">, maxBytes: number): Promise<Buffer>;
  /** The most signatures read from one place. */
  readonly maxSignatures: number;
}
