import { errorCodes, type Finding, TrustError, toFinding } from "./errors.ts";
import { withDeadline } from "./evidence/deadline.ts";
import { createStores } from "./evidence/mirrored-stores.ts";
import { attestationFactsOf, staleness } from "./evidence/reading.ts";
import { countAttestation, type VerifiedAttestation } from "./formats/format.ts";
import { formats } from "./formats/index.ts";
import { parseReference } from "./oci/reference.ts";
import { countedFor } from "./policy/authority.ts";
import { authorityWarnings } from "./policy/authority-warnings.ts";
import { objectionTo } from "./policy/counting.ts";
import { evaluatePolicy } from "./policy/evaluate.ts";
import type { EvaluationFacts } from "./policy/facts.ts";
import { isMatchedByEnforcingClusterPolicy, type MatchedPolicy, matchPolicies } from "./policy/match.ts";
import { whereaboutsOf } from "./policy/mirrors.ts";
import type { TrustPolicy } from "./policy/policy.ts";
import { rootWarnings } from "./policy/root-facts.ts";
import { trustOf } from "./policy/trust-material.ts";
import { type PolicyResult, type Verdict, verdictOf } from "./policy/verdict.ts";
import type { VerifierOptions } from "./verify.ts";

export interface AttestationRequest {
  readonly image: string;
  /** The URI that an attestation must have been signed with to count. */
  readonly predicateType: string;
  readonly signal?: AbortSignal | undefined;
}

/** A verdict about attestations of one type, and those that count. */
export interface AttestationVerdict {
  readonly verdict: Verdict;
  readonly attestations: readonly VerifiedAttestation[];
}

/** Decides whether authorities attested to images. Always answers, like `Verifier`. */
export interface AttestationVerifier {
  verify(request: AttestationRequest): Promise<AttestationVerdict>;
}

export function createAttestationVerifier(options: VerifierOptions): AttestationVerifier {
  const storeOf = createStores({ ...options, formats });
  return { verify: (request) => decide(options, storeOf, request) };
}

/**
 * The steps of a decision, as of `Verifier`, but that attestations are counted where signatures are:
 * 1. Parse the name; match policies; where none matches, the default decides.
 * 2. Resolve the tag to a digest.
 * 3. Collect evidence on the digest, attestations included; prove each by itself.
 * 4. Of the type that is asked for, by what was signed: whose are they? All matching policies must find enough of their
 *    authorities; what they say about freshness of signatures is not asked.
 * 5. Say the outcome, and which attestations count.
 */
async function decide(
  options: VerifierOptions,
  storeOf: ReturnType<typeof createStores>,
  { image, predicateType, signal }: AttestationRequest,
): Promise<AttestationVerdict> {
  const { settings, referenceOf = parseReference } = options;
  const decidedAt = options.now();
  const base = { image: image.slice(0, 1000), decidedAt };
  try {
    const ref = referenceOf(image); // 1
    const matched = matchPolicies(options.policies(), ref, undefined).map((match) =>
      forAttestations(match, predicateType),
    );
    const noMatch = isMatchedByEnforcingClusterPolicy(matched) ? undefined : settings.noMatch;
    if (matched.every(({ excluded }) => excluded)) {
      const policies = matched.map(({ policy, excluded }) => evaluatePolicy(policy, excluded, undefined));
      return { verdict: verdictOf({ ...base, noMatch, exempt: matched.length > 0, policies }), attestations: [] };
    }
    const store = storeOf(whereaboutsOf(matched));
    const resolved = await withDeadline(store.resolve(ref, settings.tagTtl), signal); // 2
    const { digest } = resolved;
    const search = { attestations: true, predicateType };
    const collected = store.collect(ref, digest, trustOf(matched), settings.evidenceTtl, search);
    const evidence = await withDeadline(collected, signal); // 3
    const { attestations, facts } = attestationFactsOf(digest, evidence, predicateType, { ref, now: decidedAt });
    const policies = matched.map((match) => evaluate(match, { ...facts, attestations }, predicateType)); // 4
    const counting = attestations.filter((proof) => matched.some(({ policy }) => counts(policy, proof, facts)));
    const unsafe = [
      ...staleness(resolved, evidence),
      ...rootWarnings(matched, policies, decidedAt),
      ...authorityWarnings(matched, policies),
    ];
    return { verdict: verdictOf({ ...base, digest, noMatch, policies, unsafe }), attestations: counting }; // 5
  } catch (error) {
    return { verdict: verdictOf({ ...base, policies: [], failure: toFinding(error) }), attestations: [] };
  }
}

/** The policy as it speaks about attestations of the type: whose they are, how many distinct signers, what they must say. */
function forAttestations({ policy, ...match }: MatchedPolicy, type: string): MatchedPolicy {
  const { freshness, signedIdentity, attestations = [], statics, condition, ...rest } = policy;
  const [first, ...others] = attestations.filter(({ predicateType }) => predicateType === type);
  const asked: Pick<TrustPolicy, "attestations"> = first === undefined ? {} : { attestations: [first, ...others] };
  return { ...match, policy: { ...rest, ...asked, threshold: Math.max(1, policy.threshold) } };
}

function counts(policy: TrustPolicy, attestation: VerifiedAttestation, facts: EvaluationFacts): boolean {
  const proof = countAttestation(attestation);
  return policy.authorities.some((authority) => {
    const counted = countedFor(authority, proof);
    return counted !== undefined && objectionTo(policy, authority, counted.proof, facts) === undefined;
  });
}

function evaluate({ policy, excluded }: MatchedPolicy, facts: EvaluationFacts, predicateType: string): PolicyResult {
  const result = evaluatePolicy(policy, excluded, facts);
  return { ...result, findings: result.findings.map((finding) => inWordsOfAttestations(finding, predicateType)) };
}

/** What is missing is an attestation, not a signature. */
function inWordsOfAttestations(finding: Finding, predicateType: string): Finding {
  const { authority, code } = finding;
  const isMissing = code === "NO_SIGNATURE" || (code === "SIGNER_NOT_TRUSTED" && authority !== undefined);
  if (!isMissing) return finding;
  const error = new TrustError("NO_ATTESTATION", `not attested by ${authority}`, {
    expected: `${predicateType}, ${(finding.expected ?? "").replace("a signature by", "signed by")}`,
    found: finding.found,
    hint: errorCodes.NO_ATTESTATION.hint,
  });
  return toFinding(error, { authority });
}
