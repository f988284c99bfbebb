import type { Digest } from "./crypto/digest.ts";
import { type Finding, toFinding } from "./errors.ts";
import { withDeadline } from "./evidence/deadline.ts";
import { findingsOf, isBare, staleness } from "./evidence/reading.ts";
import { createEvidenceStore, type EvidenceStore, type ResolvedTag } from "./evidence/store.ts";
import type { TrustMaterial } from "./formats/format.ts";
import { formats } from "./formats/index.ts";
import { type ImageReference, parseReference } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";
import { type EvaluationFacts, evaluatePolicy } from "./policy/evaluate.ts";
import { isMatchedByEnforcingClusterPolicy, type MatchedPolicy, matchPolicies } from "./policy/match.ts";
import type { ObjectContext, PolicySet } from "./policy/policy.ts";
import type { VerifierSettings } from "./policy/settings.ts";
import { trustOf } from "./policy/trust-material.ts";
import { type PolicyResult, type Verdict, verdictOf } from "./policy/verdict.ts";

export interface VerifyRequest {
  readonly image: string;
  /** The Kubernetes object that names the image; without one, `match` of a policy is taken as true. */
  readonly object?: ObjectContext | undefined;
  /** The caller's deadline: what is unknown then is denied. It ends no request that others wait for. */
  readonly signal?: AbortSignal | undefined;
}

/** Decides about images. `verify` always answers; an error is a denial that says why. */
export interface Verifier {
  verify(request: VerifyRequest): Promise<Verdict>;
}

export interface VerifierOptions {
  readonly registry: Registry;
  /** The policies in force now; asked at every decision. */
  readonly policies: () => PolicySet;
  readonly settings: VerifierSettings;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export function createVerifier(options: VerifierOptions): Verifier {
  const store = createEvidenceStore({ ...options, formats });
  return { verify: (request) => decide(options, store, request) };
}

/**
 * The steps of a decision:
 * 1. Parse the name; what is not a name is refused.
 * 2. Match policies. Where none matches, the default decides, and no request leaves.
 * 3. Resolve the tag to a digest; everything after speaks of that digest.
 * 4. Collect evidence on the digest: find in all places, prove each claim by itself.
 * 5. Evaluate every matching policy; all must pass, each in its own mode.
 * 6. Before a denial, ask again what is older than `denyRelist`: a signature may have come since.
 * 7. Say the outcome, and what it rests on.
 */
async function decide(options: VerifierOptions, store: EvidenceStore, request: VerifyRequest): Promise<Verdict> {
  const { settings } = options;
  const decidedAt = options.now();
  const base = { image: request.image.slice(0, 1000), decidedAt };
  try {
    const ref = parseReference(request.image); // 1
    const matched = matchPolicies(options.policies(), ref, request.object); // 2
    const noMatch = isMatchedByEnforcingClusterPolicy(matched) ? undefined : settings.noMatch;
    if (matched.every((match) => match.excluded))
      return verdictOf({ ...base, noMatch, exempt: matched.length > 0, policies: evaluateAll(matched, undefined) });
    const question = { ref, matched, trust: trustOf(matched), store, signal: request.signal };
    const first = await judge(question, settings.tagTtl, settings.evidenceTtl); // 3, 4, 5
    const again = isDenied(first) && first.askedAt < decidedAt - settings.denyRelist;
    const last = again ? await judge(question, settings.denyRelist, settings.denyRelist) : first; // 6
    const { askedAt, listedAt, ...rest } = last;
    return verdictOf({
      ...base,
      noMatch,
      ...rest,
      validUntil: listedAt === undefined ? undefined : listedAt + settings.evidenceTtl,
    }); // 7
  } catch (error) {
    return verdictOf({ ...base, policies: [], failure: toFinding(error) });
  }
}

interface Question {
  readonly ref: ImageReference;
  readonly matched: readonly MatchedPolicy[];
  readonly trust: TrustMaterial;
  readonly store: EvidenceStore;
  readonly signal: AbortSignal | undefined;
}

interface Judgement {
  readonly digest?: Digest;
  readonly policies: readonly PolicyResult[];
  readonly failure?: Finding;
  readonly unsafe: readonly string[];
  readonly askedAt: number;
  readonly listedAt?: number;
}

/** Steps 3 to 5. What keeps the evidence from being known fails every policy that is not passed by exclusion. */
async function judge(question: Question, tagAge: number, evidenceAge: number): Promise<Judgement> {
  const { ref, matched, trust, store, signal } = question;
  let resolved: ResolvedTag | undefined;
  try {
    resolved = await withDeadline(store.resolve(ref, tagAge), signal);
    const evidence = await withDeadline(store.collect(ref, resolved.digest, trust, evidenceAge), signal);
    if (isBare(evidence) && ref.digest !== undefined) await withDeadline(store.confirm(ref, evidenceAge), signal);
    return {
      digest: resolved.digest,
      policies: evaluateAll(matched, {
        subject: resolved.digest,
        proofs: evidence.proofs,
        findings: findingsOf(evidence),
      }),
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

function evaluateAll(matched: readonly MatchedPolicy[], facts: EvaluationFacts | undefined): readonly PolicyResult[] {
  return matched.map(({ policy, excluded }) => evaluatePolicy(policy, excluded, facts));
}

function isDenied(judgement: Judgement): boolean {
  return judgement.policies.some((policy) => !policy.passed);
}
