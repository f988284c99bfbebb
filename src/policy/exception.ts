import type { Digest } from "../crypto/digest.ts";
import type { NonEmpty } from "./policy.ts";

/** An image of an exception: by its name, or by what it is. */
export type ExceptedImage = { readonly glob: string } | { readonly digest: Digest };

/** Lets images pass policies they do not satisfy, in the open and for a time. Never what is revoked. */
export interface TrustException {
  readonly name: string;
  readonly images: NonEmpty<ExceptedImage>;
  /** Globs over the namespace of the object; absent: everywhere. */
  readonly namespaces?: NonEmpty<string>;
  /** Names of policies; absent: all of them. */
  readonly policies?: NonEmpty<string>;
  /** Milliseconds since 1970. */
  readonly expires: number;
  readonly reason: string;
  readonly approvedBy?: string;
  readonly source: string;
}
