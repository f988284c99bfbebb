import { type ErrorCode, errorCodes, type Finding } from "../errors.ts";
import { type EvaluationFacts, isBy, missingAnnotation } from "./facts.ts";
import type { Authority, TrustPolicy } from "./policy.ts";
import type { Satisfaction } from "./verdict.ts";

/** Why a policy did not pass: one finding for each authority that is not satisfied, then one for each claim not proved. */
export function explain(
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
