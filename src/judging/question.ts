import type { EvidenceStore } from "../evidence/store.ts";
import type { TrustMaterial, VerifiedSignature } from "../formats/format.ts";
import type { Platform } from "../oci/manifest.ts";
import type { ImageReference } from "../oci/reference.ts";
import type { Situation } from "../policy/facts.ts";
import { type HighWaterMarks, markKey, markOf } from "../policy/marks.ts";
import type { MatchedPolicy } from "../policy/match.ts";
import type { PolicyResult } from "../policy/verdict.ts";

/** What is asked about one image, of the policies that matched it. */
export interface Question {
  readonly ref: ImageReference;
  readonly matched: readonly MatchedPolicy[];
  readonly trust: TrustMaterial;
  readonly store: EvidenceStore;
  readonly marks: HighWaterMarks;
  /** Of an index, judge only what is for this platform. */
  readonly platform?: Platform | undefined;
  /** What of the image it is, where it is not the whole: its creation is compared with that of the same part. */
  readonly part?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly signal: AbortSignal | undefined;
}

/** What a policy is told beside the evidence. */
export function situationOf({ ref, now, marks, part }: Question): Situation {
  return {
    ref,
    now,
    markOf(policy) {
      const key = markKey(policy, ref, part);
      return key === undefined ? undefined : marks.get(key);
    },
  };
}

/** What a policy has passed must not be passed by something older under the same name. The mark, where it has one. */
export function raiseMark(
  { ref, marks, part }: Question,
  { policy }: MatchedPolicy,
  result: PolicyResult | undefined,
  proofs: readonly VerifiedSignature[],
): number | undefined {
  const key = markKey(policy, ref, part);
  if (key === undefined || result?.passed !== true) return undefined;
  const mark = markOf(policy, result.satisfiedBy, proofs);
  if (mark !== undefined) marks.raise(key, mark);
  return mark;
}
