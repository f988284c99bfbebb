import type { Digest } from "../crypto/digest.ts";
import { type ErrorCode, errorCodes, type Finding } from "../errors.ts";
import type { SignerIdentity, VerifiedSignature } from "../formats/format.ts";
import { maximumMatching } from "./matching.ts";
import type { Authority, TrustPolicy } from "./policy.ts";
import type { PolicyResult, Satisfaction } from "./verdict.ts";

/** What is known of an image when a policy judges it. */
export interface EvaluationFacts {
  readonly subject: Digest;
  readonly proofs: readonly VerifiedSignature[];
  /** Why other claims were not proved, or places not read. */
  readonly findings: readonly Finding[];
}

/**
 * Decides one policy from proofs. Pure. The steps:
 * 1. An excluded image counts as matched and passes; without facts no other does.
 * 2. For each authority: the proofs that satisfy it, that is by one of its keys and with its annotations.
 * 3. The most authorities satisfied by distinct signers: each owner once, each signer once.
 * 4. Passed when that reaches the threshold.
 * 5. Otherwise one finding for each authority that is not satisfied, then one for each claim that was not proved.
 */
export function evaluatePolicy(
  policy: TrustPolicy,
  excluded: boolean,
  facts: EvaluationFacts | undefined,
): PolicyResult {
  const base = { name: policy.name, mode: policy.mode };
  // 1
  if (excluded) return { ...base, passed: true, satisfiedBy: [], findings: [] };
  if (facts === undefined) return { ...base, passed: false, satisfiedBy: [], findings: [] };
  // 2
  const candidates = policy.authorities.flatMap((authority) => satisfactions(authority, facts));
  // 3
  const satisfiedBy = distinctSigners(policy, candidates);
  // 4
  if (satisfiedBy.length >= policy.threshold) return { ...base, passed: true, satisfiedBy, findings: [] };
  // 5
  return { ...base, passed: false, satisfiedBy, findings: explain(policy, candidates, satisfiedBy.length, facts) };
}

function satisfactions(authority: Authority, facts: EvaluationFacts): readonly Satisfaction[] {
  return facts.proofs
    .filter(
      (proof) =>
        proof.subject === facts.subject &&
        isBy(authority, proof.signer) &&
        missingAnnotation(authority, proof) === undefined,
    )
    .map((proof) => ({ authority: authority.name, signer: proof.signer, evidence: proof.evidence, ...timeOf(proof) }));
}

function timeOf(proof: VerifiedSignature): { readonly signedAt?: string } {
  const [signedAt] = proof.signedAt;
  return signedAt === undefined ? {} : { signedAt };
}

function isBy(authority: Authority, signer: SignerIdentity): boolean {
  return signer.kind === "key" && authority.keys.some((key) => key.keyId === signer.keyId);
}

function missingAnnotation(authority: Authority, proof: VerifiedSignature): readonly [string, string] | undefined {
  const required = Object.entries(authority.annotations ?? {});
  return required.find(([key, value]) => !Object.hasOwn(proof.annotations, key) || proof.annotations[key] !== value);
}

/** One key is one signer whatever it is called; for certificates, the same issuer and subject are. */
export function signerId(signer: SignerIdentity): string {
  return signer.kind === "key" ? `key ${signer.keyId}` : `keyless ${JSON.stringify([signer.issuer, signer.subject])}`;
}

function distinctSigners(policy: TrustPolicy, candidates: readonly Satisfaction[]): readonly Satisfaction[] {
  const owners = new Map(policy.authorities.map((authority) => [authority.name, authority.owner ?? authority.name]));
  return maximumMatching(
    candidates,
    (candidate) => owners.get(candidate.authority) ?? candidate.authority,
    (candidate) => signerId(candidate.signer),
  );
}

function explain(
  policy: TrustPolicy,
  candidates: readonly Satisfaction[],
  reached: number,
  facts: EvaluationFacts,
): readonly Finding[] {
  const satisfied = new Set(candidates.map((candidate) => candidate.authority));
  const unknown = facts.findings.some((finding) => finding.category === "unavailable" || finding.category === "config");
  const perAuthority = policy.authorities
    .filter((authority) => !satisfied.has(authority.name))
    // Where a place could not be read, that no signature is there was not seen, so it is not said.
    .flatMap((authority) => (unknown && facts.proofs.length === 0 ? [] : [explainAuthority(authority, facts)]));
  const short =
    policy.threshold > 1
      ? [finding("THRESHOLD_NOT_MET", "too few distinct signers", `${policy.threshold}`, `${reached}`)]
      : [];
  return [...short, ...perAuthority, ...facts.findings];
}

function explainAuthority(authority: Authority, facts: EvaluationFacts): Finding {
  const expected = `a signature by ${authority.keys.map((key) => `key ${key.keyId.slice(0, 16)}`).join(" or ")}`;
  const own = facts.proofs.find((proof) => isBy(authority, proof.signer));
  if (own !== undefined) {
    const [key, value] = missingAnnotation(authority, own) ?? ["", ""];
    const found = Object.hasOwn(own.annotations, key) ? `${key}=${own.annotations[key]}` : `no annotation ${key}`;
    return finding(
      "ANNOTATION_MISMATCH",
      `${authority.name} signed without the annotation wanted`,
      `${key}=${value}`,
      found,
      authority.name,
    );
  }
  if (facts.proofs.length === 0 && facts.findings.length === 0)
    return finding("NO_SIGNATURE", "the image has no signature", expected, "none", authority.name);
  const found = describeSignatures(facts);
  return finding("SIGNER_NOT_TRUSTED", `not signed by ${authority.name}`, expected, found, authority.name);
}

const maxDescribed = 5;

/** Who signed instead, as far as it is proved, and what is said of the rest. */
function describeSignatures({ proofs, findings }: EvaluationFacts): string {
  const others = proofs.map(({ signer }) =>
    signer.kind === "key" ? `a signature by key ${signer.keyId.slice(0, 16)}` : signer.subject,
  );
  const unproved = findings.map(({ found, code }) => found ?? code);
  return [...new Set([...others, ...unproved])].slice(0, maxDescribed).join("; ");
}

function finding(code: ErrorCode, message: string, expected: string, found: string, authority?: string): Finding {
  const { category, hint } = errorCodes[code];
  return { code, category, message, expected, found, hint, ...(authority === undefined ? {} : { authority }) };
}
