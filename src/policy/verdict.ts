import type { Digest } from "../crypto/digest.ts";
import type { Finding } from "../errors.ts";
import type { SignerIdentity } from "../formats/format.ts";
import type { PolicyMode } from "./policy.ts";

export type Outcome = "allow" | "warn" | "deny";
export type Status = "trusted" | "untrusted" | "no-policy" | "exempt" | "static" | "unavailable";

/** An authority that is satisfied, by whom, resting on which artifact. */
export interface Satisfaction {
  readonly authority: string;
  readonly signer: SignerIdentity;
  readonly evidence: Digest;
  /** RFC 3339 UTC; only a proved time. */
  readonly signedAt?: string;
}

/** What one policy says about an image. */
export interface PolicyResult {
  readonly name: string;
  readonly mode: PolicyMode;
  readonly passed: boolean;
  readonly satisfiedBy: readonly Satisfaction[];
  readonly findings: readonly Finding[];
}

/** The one output format of CLI, webhook and audit; plain JSON. Times are RFC 3339 UTC. */
export interface Verdict {
  readonly apiVersion: "imagetrust.dev/v1alpha1";
  readonly kind: "Verdict";
  readonly image: string;
  readonly digest?: Digest;
  readonly outcome: Outcome;
  readonly status: Status;
  readonly policies: readonly PolicyResult[];
  /** Findings that belong to no policy: no match, unreachable registry, unpinned tag. */
  readonly findings: readonly Finding[];
  /** What weakened the decision, in words. */
  readonly unsafe: readonly string[];
  /** Digests the decision rests on. */
  readonly evidence: readonly Digest[];
  readonly children: readonly Verdict[];
  readonly decidedAt: string;
  /** Until when the same question would get the same answer from the same facts; absent: until facts change. */
  readonly validUntil?: string;
}
