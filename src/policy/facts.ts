import type { Digest } from "../crypto/digest.ts";
import type { ErrorCode, Finding } from "../errors.ts";
import type { VerifiedAttestation, VerifiedSignature } from "../formats/format.ts";
import type { ImageReference } from "../oci/reference.ts";
import type { ObjectContext, TrustPolicy } from "./policy.ts";
import type { Purse } from "./purse.ts";

/** What a judgement depends on beside evidence: the name that was asked about, the time, and what was seen before. */
export interface Situation {
  readonly ref: ImageReference;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The newest creation that the policy has accepted under this name, milliseconds since 1970. */
  readonly markOf?: ((policy: TrustPolicy) => number | undefined) | undefined;
  /** What policies of a namespace may cost together; absent: as much as each may by itself. */
  readonly purse?: Purse | undefined;
  /** The Kubernetes object that names the image. */
  readonly object?: ObjectContext | undefined;
}

/** What an image is run with: its config (image-spec v1.1, config.md), as values; empty `platform` where it has none. */
export interface ImageConfig {
  readonly platform: string;
  readonly config: unknown;
}

/** What is known of an image when a policy judges it. */
export interface EvaluationFacts extends Situation {
  readonly subject: Digest;
  readonly proofs: readonly VerifiedSignature[];
  /** Proved too, but about the image; never a signature of it. */
  readonly attestations?: readonly VerifiedAttestation[];
  /** The config of the image, of an index that of every image in it; only where a condition speaks of it. */
  readonly configs?: readonly ImageConfig[] | undefined;
  /** Why they are not known. */
  readonly configFailure?: Finding | undefined;
  /** Why other claims were not proved, or places not read. */
  readonly findings: readonly Finding[];
}

/** Why a proof does not count, in the words of a finding. */
export interface Objection {
  readonly code: ErrorCode;
  readonly message: string;
  readonly expected: string;
  readonly found: string;
}

/** A time as people read it; "no time" where it is not one. */
export function formatTime(time: number): string {
  return Number.isFinite(time) && Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : "no time";
}
