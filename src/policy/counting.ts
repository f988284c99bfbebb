import type { TrustError } from "../errors.ts";
import type { VerifiedSignature } from "../formats/format.ts";
import { defaultMaxStale, expiryOf, stalenessOf } from "../trust/staleness.ts";
import { formatTime, type Objection, type Situation } from "./facts.ts";
import { freshUntil, staleness } from "./freshness.ts";
import { identityObjection } from "./identity.ts";
import { keyCountsUntil, keyObjection } from "./key-lifetime.ts";
import type { Authority, TrustPolicy } from "./policy.ts";
import { rootOf } from "./root-facts.ts";

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
  return (
    revoked(policy, proof) ??
    authorityObjection(authority, proof, situation.now) ??
    missingAnnotation(authority, proof) ??
    identityObjection(policy, proof, situation.ref) ??
    staleness(policy, proof, situation)
  );
}

/** The same for the authority alone, whatever the policy: evidence, roots, and the time of keys and certificates. */
export function authorityObjection(authority: Authority, proof: VerifiedSignature, now: number): Objection | undefined {
  return refused(proof) ?? outdatedRoot(authority, now) ?? keyObjection(authority, proof, now) ?? outOfTime(proof, now);
}

/** When a signature that counts now stops counting, milliseconds since 1970; infinity where time alone does not end it. */
export function countsUntil(policy: TrustPolicy, authority: Authority, proof: VerifiedSignature): number {
  const certified = proof.validity?.notAfter ?? Number.POSITIVE_INFINITY;
  const root = rootOf(authority);
  const renewed = (root && expiryOf(root)) ?? Number.POSITIVE_INFINITY;
  return Math.min(freshUntil(policy, proof), keyCountsUntil(authority, proof), certified, renewed + defaultMaxStale);
}

/** What came with the signature is not as the trust root wants it. */
function refused({ refusal }: VerifiedSignature): Objection | undefined {
  return refusal && inWordsOf(refusal);
}

/** A trust root that was not renewed for so long proves nothing: what it believed may have been withdrawn since. */
function outdatedRoot(authority: Authority, now: number): Objection | undefined {
  const root = rootOf(authority);
  const stale = root && stalenessOf(root, now);
  return stale === undefined || stale.usable ? undefined : inWordsOf(stale.error);
}

function inWordsOf({ code, message, expected = "evidence that verifies", found = "none" }: TrustError): Objection {
  return { code, message, expected, found };
}

/** A certificate that no verified time speaks for is judged by now. */
function outOfTime({ validity }: VerifiedSignature, now: number): Objection | undefined {
  if (validity === undefined || (now >= validity.notBefore && now <= validity.notAfter)) return undefined;
  return {
    code: "CERTIFICATE_EXPIRED",
    message: "the certificate is not valid now, and no time is verified at which it was",
    expected: `a time from ${formatTime(validity.notBefore)} to ${formatTime(validity.notAfter)}`,
    found: formatTime(now),
  };
}

function revoked({ revokedSignatures }: TrustPolicy, { evidence, payload }: VerifiedSignature): Objection | undefined {
  const isRevoked = revokedSignatures?.some((digest) => digest === evidence || digest === payload);
  if (isRevoked !== true) return undefined;
  const message = "the policy revokes this signature";
  return { code: "SIGNATURE_REVOKED", message, expected: "a signature that is not revoked", found: evidence };
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
