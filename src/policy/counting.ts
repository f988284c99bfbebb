import type { VerifiedSignature } from "../formats/format.ts";
import type { Objection, Situation } from "./facts.ts";
import { freshUntil, staleness } from "./freshness.ts";
import type { Authority, TrustPolicy } from "./policy.ts";

/**
 * Why a signature by the authority does not count for the policy; nothing where it does. The one place that decides it:
 * what `evaluatePolicy` leaves out is what `explain` gives the reason for.
 */
export function objectionTo(
  policy: TrustPolicy,
  authority: Authority,
  proof: VerifiedSignature,
  situation: Situation,
): Objection | undefined {
  return missingAnnotation(authority, proof) ?? staleness(policy, proof, situation);
}

/** When a signature that counts now stops counting, milliseconds since 1970; infinity where time alone does not end it. */
export function countsUntil(policy: TrustPolicy, _authority: Authority, proof: VerifiedSignature): number {
  return freshUntil(policy, proof);
}

/** The first annotation that the authority wants and the signature does not carry. */
function missingAnnotation(authority: Authority, { annotations }: VerifiedSignature): Objection | undefined {
  const missing = Object.entries(authority.annotations ?? {}).find(
    ([key, value]) => !Object.hasOwn(annotations, key) || annotations[key] !== value,
  );
  if (missing === undefined) return undefined;
  const [key, value] = missing;
  return {
    code: "ANNOTATION_MISMATCH",
    message: `${authority.name} signed without the annotation wanted`,
    expected: `${key}=${value}`,
    found: Object.hasOwn(annotations, key) ? `${key}=${annotations[key]}` : `no annotation ${key}`,
  };
}
