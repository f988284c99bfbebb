import { type ErrorCode, errorCodes, type Finding, toFinding } from "../errors.ts";
import { countAttestation } from "../formats/format.ts";
import { stalenessOf } from "../trust/staleness.ts";
import { claimedFor, countedFor, expectedOf, signingFlags } from "./authority.ts";
import { objectionTo } from "./counting.ts";
import type { EvaluationFacts } from "./facts.ts";
import type { Authority, TrustPolicy } from "./policy.ts";
import { rootOf } from "./root-facts.ts";
import type { Satisfaction } from "./verdict.ts";

/** Why an image is not signed as a policy asks: for each authority that is not satisfied a finding, or one for each of its signatures that does not count. */
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
    .flatMap((authority) => (unknown && facts.proofs.length === 0 ? [] : explainAuthority(policy, authority, facts)));
  const short =
    policy.threshold > 1
      ? [finding("THRESHOLD_NOT_MET", "too few distinct signers", `${policy.threshold}`, `${reached}`)]
      : [];
  return [...short, ...perAuthority];
}

/**
 * A finding for each claim that is not proved, and each place that was not read. That attestations are no signatures is
 * only told where signatures are missing.
 */
export function explainGaps({ findings }: EvaluationFacts, isSigned: boolean): readonly Finding[] {
  return isSigned ? findings.filter(({ code }) => code !== "NOT_A_SIGNATURE") : findings;
}

/** What an authority has signed or attested and is revoked, told first of all that does not count: nothing may hide it. */
export function explainRevoked(policy: TrustPolicy, facts: EvaluationFacts): readonly Finding[] {
  const attested = (facts.attestations ?? []).map(countAttestation);
  const proofs = [...facts.proofs, ...attested].filter((proof) => proof.subject === facts.subject);
  return policy.authorities.flatMap((authority) =>
    proofs.flatMap((item) => {
      const proof = countedFor(authority, item)?.proof;
      const objection = proof === undefined ? undefined : objectionTo(policy, authority, proof, facts);
      if (objection === undefined || !isRevocation(objection)) return [];
      const { code, message, expected, found } = objection;
      return [{ ...finding(code, message, expected, found, authority.name), evidence: item.evidence }];
    }),
  );
}

/** The authorities whose trust root was never fetched: nothing is known of what they signed, or attested. */
export function explainUnfetched({ authorities }: TrustPolicy, { now }: EvaluationFacts): readonly Finding[] {
  return authorities.flatMap((authority) => {
    const root = rootOf(authority);
    const stale = root?.source.kind === "unfetched" ? stalenessOf(root, now) : undefined;
    return stale === undefined ? [] : [toFinding(stale.error, { authority: authority.name })];
  });
}

/** Whether it is because of a revocation that something does not count. */
export function isRevocation({ code }: { readonly code: ErrorCode }): boolean {
  return code.endsWith("_REVOKED");
}

/** Each finding once. */
export function distinctFindings(findings: readonly Finding[]): readonly Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ code, authority, evidence, expected, found }) => {
    const key = JSON.stringify([code, authority, evidence, expected, found]);
    return !seen.has(key) && seen.add(key);
  });
}

function explainAuthority(policy: TrustPolicy, authority: Authority, facts: EvaluationFacts): readonly Finding[] {
  // Told by `explainUnfetched`.
  if (rootOf(authority)?.source.kind === "unfetched") return [];
  const expected = expectedOf(authority);
  const own = facts.proofs
    .filter((proof) => proof.subject === facts.subject)
    .flatMap((proof) => countedFor(authority, proof)?.proof ?? [])
    .slice(0, maxExplained)
    .flatMap((proof) => {
      const objection = objectionTo(policy, authority, proof, facts);
      if (objection === undefined) return [];
      const { code, message, expected, found } = objection;
      return [{ ...finding(code, message, expected, found, authority.name), evidence: proof.evidence }];
    });
  // That ten signatures have one fault is one thing to say.
  if (own.length > 0) return own.filter((item, index) => own.findIndex((other) => saysSame(item, other)) === index);
  if (facts.proofs.length === 0 && facts.findings.length === 0)
    return [
      signedAs(authority, finding("NO_SIGNATURE", "the image has no signature", expected, "none", authority.name)),
    ];
  const found = describeSignatures(authority, facts);
  return [finding("SIGNER_NOT_TRUSTED", `not signed by ${authority.name}`, expected, found, authority.name)];
}

/** With the next step for those who can take it. */
function signedAs(authority: Authority, told: Finding): Finding {
  return { ...told, hint: told.hint.replace("--key KEY ", signingFlags(authority)) };
}

function saysSame(one: Finding, other: Finding): boolean {
  return one.code === other.code && one.expected === other.expected && one.found === other.found;
}

const maxExplained = 20;
const maxDescribed = 5;

/** Who signed instead, as far as it is proved, and what is said of the rest. */
function describeSignatures(authority: Authority, { proofs, findings }: EvaluationFacts): string {
  const others = proofs.map((proof) =>
    proof.signer.kind === "key"
      ? `a signature by key ${proof.signer.keyId.slice(0, 16)}`
      : `a signature by ${proof.signer.subject} of ${proof.signer.issuer}${claimedFor(authority, proof)}`,
  );
  // What else was found is only of use beside what was expected of it; what was wrong says more.
  const unproved = findings.map(({ found = "", code, message, evidence }) => {
    if (/^(?:an?|predicateType) /.test(found)) return found;
    return evidence === undefined ? code : `one that does not count: ${message}`;
  });
  return [...new Set([...others, ...unproved])].slice(0, maxDescribed).join("; ");
}

function finding(code: ErrorCode, message: string, expected: string, found: string, authority?: string): Finding {
  const { category, hint } = errorCodes[code];
  return { code, category, message, expected, found, hint, ...(authority === undefined ? {} : { authority }) };
}
