import type { Digest } from "../crypto/digest.ts";
import { toFinding } from "../errors.ts";
import { withDeadline } from "../evidence/deadline.ts";
import type { EvidenceStore } from "../evidence/store.ts";
import type { Search, TrustMaterial, VerifiedSignature } from "../formats/format.ts";
import type { Platform } from "../oci/manifest.ts";
import type { ImageReference } from "../oci/reference.ts";
import type { EvaluationFacts, Situation } from "../policy/facts.ts";
import { type HighWaterMarks, markKey, markOf } from "../policy/marks.ts";
import type { MatchedPolicy } from "../policy/match.ts";
import type { ObjectContext } from "../policy/policy.ts";
import type { Purse } from "../policy/purse.ts";
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
  /** The Kubernetes object that names the image. */
  readonly object?: ObjectContext | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly signal: AbortSignal | undefined;
  /** See `Situation`. */
  readonly purse?: Purse | undefined;
}

/** What a policy is told beside the evidence. */
export function situationOf({ ref, now, marks, part, object, purse }: Question): Situation {
  return {
    ref,
    now,
    object,
    purse,
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

/** What the policies make necessary to look for: attestations only where one asks for them. */
export function searchOf(matched: readonly MatchedPolicy[]): Search {
  const wanted = matched.flatMap(({ policy, excluded }) => (excluded ? [] : (policy.attestations ?? [])));
  if (wanted.length === 0) return {};
  const types = new Set(wanted.map(({ predicateType }) => predicateType));
  const [only] = types;
  return { attestations: true, ...(types.size === 1 ? { predicateType: only } : {}) };
}

/** The configs that conditions speak of, or why they are not known; nothing where no condition does. */
export async function configsOf(
  { ref, matched, store, signal }: Question,
  digest: Digest,
): Promise<Pick<EvaluationFacts, "configs" | "configFailure">> {
  const asked = matched.some(({ policy, excluded }) => !excluded && policy.condition?.needs.includes("config"));
  if (!asked) return {};
  try {
    return { configs: await withDeadline(store.configs(ref, digest), signal) };
  } catch (error) {
    return { configFailure: toFinding(error) };
  }
}
