import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import { formatRepository, type ImageReference } from "../oci/reference.ts";
import type { TrustException } from "./exception.ts";
import { isRevocation } from "./explain.ts";
import { formatTime } from "./facts.ts";
import { matchesGlob } from "./glob.ts";
import type { MatchedPolicy } from "./match.ts";
import type { PolicyResult } from "./verdict.ts";

/** What an exception is held to: the image it is about, by name and by content. */
export interface ExceptedSubject {
  readonly ref: ImageReference;
  readonly digest: Digest;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Lets an image pass a policy that it does not satisfy, where an exception says so; the findings stay. Pure. Never:
 * 1. what is revoked, by key, by certificate or by signature;
 * 2. where not all evidence could be read: that nothing is revoked was not seen then;
 * 3. another image than the exception names, or after it has expired, which is told.
 */
export function applyExceptions(match: MatchedPolicy, result: PolicyResult, subject: ExceptedSubject): PolicyResult {
  const { exceptions = [] } = match;
  if (result.passed || exceptions.length === 0) return result;
  if (result.findings.some((finding) => isRevocation(finding) || isGap(finding))) return result; // 1, 2
  const named = exceptions.filter((exception) => names(exception, subject)); // 3
  const valid = named.filter(({ expires }) => subject.now < expires).toSorted((a, b) => b.expires - a.expires)[0];
  if (valid === undefined)
    return { ...result, findings: [...named.map((exception) => expired(exception, subject.now)), ...result.findings] };
  const { name, reason, expires, approvedBy } = valid;
  const exception = { name, reason, expires: new Date(expires).toISOString() };
  return { ...result, passed: true, exception: approvedBy === undefined ? exception : { ...exception, approvedBy } };
}

function isGap({ code, category }: Finding): boolean {
  return code === "EVIDENCE_INCOMPLETE" || category !== "untrusted";
}

function names({ images }: TrustException, { ref, digest }: ExceptedSubject): boolean {
  const name = formatRepository(ref);
  return images.some((image) => ("digest" in image ? image.digest === digest : matchesGlob(image.glob, name)));
}

function expired({ name, expires }: TrustException, now: number): Finding {
  const message = `the exception ${name} is over`;
  const [expected, found] = [`a time before ${formatTime(expires)}`, formatTime(now)];
  return toFinding(new TrustError("EXCEPTION_EXPIRED", message, { expected, found }));
}
