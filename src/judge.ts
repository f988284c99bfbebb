import type { Digest } from "./crypto/digest.ts";
import { type Finding, toFinding } from "./errors.ts";
import { withDeadline } from "./evidence/deadline.ts";
import { factsOf, isBare, staleness } from "./evidence/reading.ts";
import type { EvidenceStore, ResolvedTag } from "./evidence/store.ts";
import type { TrustMaterial } from "./formats/format.ts";
import type { ImageReference } from "./oci/reference.ts";
import { evaluatePolicy } from "./policy/evaluate.ts";
import type { EvaluationFacts, Situation } from "./policy/facts.ts";
import { type HighWaterMarks, markKey, markOf } from "./policy/marks.ts";
import type { MatchedPolicy } from "./policy/match.ts";
import type { PolicyResult } from "./policy/verdict.ts";

/** What is asked about one image, of the policies that matched it. */
export interface Question {
  readonly ref: ImageReference;
  readonly matched: readonly MatchedPolicy[];
  readonly trust: TrustMaterial;
  readonly store: EvidenceStore;
  readonly marks: HighWaterMarks;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly signal: AbortSignal | undefined;
}

/** What the policies say, and how old the facts are that they say it from; milliseconds since 1970. */
export interface Judgement {
  readonly digest?: Digest;
  readonly policies: readonly PolicyResult[];
  readonly failure?: Finding;
  readonly unsafe: readonly string[];
  readonly askedAt: number;
  readonly listedAt?: number;
}

/** Resolves, collects, evaluates: steps 3 to 5 of a decision. What keeps the evidence from being known fails every policy that is not passed by exclusion. */
export async function judge(question: Question, tagAge: number, evidenceAge: number): Promise<Judgement> {
  const { ref, matched, trust, store, signal } = question;
  let resolved: ResolvedTag | undefined;
  try {
    resolved = await withDeadline(store.resolve(ref, tagAge), signal);
    const evidence = await withDeadline(store.collect(ref, resolved.digest, trust, evidenceAge), signal);
    if (isBare(evidence) && ref.digest !== undefined) await withDeadline(store.confirm(ref, evidenceAge), signal);
    const facts = factsOf(resolved.digest, evidence, situationOf(question));
    const policies = evaluateAll(matched, facts);
    raiseMarks(question, policies, facts);
    return {
      digest: resolved.digest,
      policies,
      unsafe: staleness(resolved, evidence),
      askedAt: Math.min(resolved.resolvedAt, evidence.askedAt),
      listedAt: evidence.listedAt,
    };
  } catch (error) {
    const failure = toFinding(error);
    const digest = resolved === undefined ? {} : { digest: resolved.digest };
    return {
      ...digest,
      policies: evaluateAll(matched, undefined),
      failure,
      unsafe: [],
      askedAt: Number.POSITIVE_INFINITY,
    };
  }
}

function situationOf({ ref, now, marks }: Question): Situation {
  return {
    ref,
    now,
    markOf(policy) {
      const key = markKey(policy, ref);
      return key === undefined ? undefined : marks.get(key);
    },
  };
}

/** What a policy has passed must not be passed by something older under the same name. */
function raiseMarks({ matched, ref, marks }: Question, results: readonly PolicyResult[], facts: EvaluationFacts): void {
  for (const [index, { policy }] of matched.entries()) {
    const key = markKey(policy, ref);
    const result = results[index];
    if (key === undefined || result?.passed !== true) continue;
    const mark = markOf(policy, result.satisfiedBy, facts.proofs);
    if (mark !== undefined) marks.raise(key, mark);
  }
}

export function evaluateAll(
  matched: readonly MatchedPolicy[],
  facts: EvaluationFacts | undefined,
): readonly PolicyResult[] {
  return matched.map(({ policy, excluded }) => evaluatePolicy(policy, excluded, facts));
}

/** Whether the image is refused; that a policy only warns or watches refuses nothing. */
export function isDenied(judgement: Judgement): boolean {
  return judgement.policies.some((policy) => policy.mode === "enforce" && !policy.passed);
}
