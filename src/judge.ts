import type { Digest } from "./crypto/digest.ts";
import { type Finding, toFinding } from "./errors.ts";
import { withDeadline } from "./evidence/deadline.ts";
import { factsOf, isBare, staleness } from "./evidence/reading.ts";
import type { ResolvedTag } from "./evidence/store.ts";
import { judgePlatforms } from "./judging/platforms.ts";
import { configsOf, type Question, raiseMark, searchOf, situationOf } from "./judging/question.ts";
import { chooseChild } from "./oci/children.ts";
import { authorityWarnings } from "./policy/authority-warnings.ts";
import { evaluatePolicy } from "./policy/evaluate.ts";
import { applyExceptions } from "./policy/except.ts";
import type { EvaluationFacts } from "./policy/facts.ts";
import type { MatchedPolicy } from "./policy/match.ts";
import { createPurse } from "./policy/purse.ts";
import { rootWarnings } from "./policy/root-facts.ts";
import type { PolicyResult } from "./policy/verdict.ts";

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
export async function judge(asked: Question, tagAge: number, evidenceAge: number): Promise<Judgement> {
  const question = { ...asked, purse: createPurse() };
  const { ref, matched, trust, store, now, signal } = question;
  let resolved: ResolvedTag | undefined;
  try {
    resolved = await resolveSubject(question, tagAge);
    const { digest } = resolved;
    const evidence = await withDeadline(store.collect(ref, digest, trust, evidenceAge, searchOf(matched)), signal);
    if (isBare(evidence) && ref.digest !== undefined) await withDeadline(store.confirm(ref, evidenceAge), signal);
    const facts = { ...factsOf(digest, evidence, situationOf(question)), ...(await configsOf(question, digest)) };
    const results = evaluateAll(matched, facts);
    // Where every platform is asked, what the index says is not what the image is accepted for.
    for (const [index, match] of matched.entries())
      if (match.policy.platforms !== "each") raiseMark(question, match, results[index], facts.proofs);
    const platforms = await judgePlatforms(question, digest, results, evidenceAge);
    return {
      digest,
      policies: platforms.policies.map((result, index) => {
        const match = matched[index];
        return match === undefined ? result : applyExceptions(match, result, { ref, digest, now });
      }),
      unsafe: [
        ...new Set([
          ...staleness(resolved, evidence),
          ...platforms.unsafe,
          ...rootWarnings(matched, platforms.policies, now),
          ...authorityWarnings(matched, platforms.policies),
        ]),
      ],
      askedAt: Math.min(resolved.resolvedAt, evidence.askedAt, platforms.askedAt),
      listedAt: Math.min(evidence.listedAt, platforms.listedAt),
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

/** The digest that is judged: what the name stands for, or of that the image for the platform. */
async function resolveSubject({ ref, platform, store, signal }: Question, tagAge: number): Promise<ResolvedTag> {
  const resolved = await withDeadline(store.resolve(ref, tagAge), signal);
  if (platform === undefined) return resolved;
  const children = await withDeadline(store.children(ref, resolved.digest), signal);
  if (children === undefined) return resolved;
  return { ...resolved, digest: chooseChild(children, platform).descriptor.digest };
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
