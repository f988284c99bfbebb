import { type ErrorCode, type Finding, TrustError, toFinding } from "../errors.ts";
import { countAttestation, type VerifiedAttestation, type VerifiedSignature } from "../formats/format.ts";
import { countedFor, expectedOf } from "./authority.ts";
import { bindingOf, timeOf } from "./binding.ts";
import { askAttestation } from "./condition-facts.ts";
import { countsUntil, objectionTo } from "./counting.ts";
import { type EvaluationFacts, formatTime, type Objection } from "./facts.ts";
import type { AttestationRequirement, Authority, TrustPolicy } from "./policy.ts";
import { predicateTime } from "./predicate-values.ts";
import { purseOf } from "./purse.ts";
import type { Satisfaction } from "./verdict.ts";

/** What a requirement came to: what meets it, or why nothing does. */
export interface AttestationResult {
  readonly satisfaction?: Satisfaction;
  readonly findings: readonly Finding[];
}

/** An attestation of the type, by an authority. */
interface Entry {
  readonly attestation: VerifiedAttestation;
  readonly authority: Authority;
  /** As the authority counts it. */
  readonly proof: VerifiedSignature;
  readonly objection: Objection | undefined;
}

/** How far the clocks of an attester and of its verifier may be apart, in milliseconds. */
const clockSkew = 5 * 60 * 1000;
const maxExplained = 20;

/**
 * Decides one requirement. Pure. The steps:
 * 1. The attestations of that type about the image, by one of the authorities. What others attest is not looked at.
 * 2. Without those that do not count: revoked, expired, by a key whose time is over.
 * 3. `latest`: of the rest the youngest, by verified time, else by the time that was signed, and with it the youngest by
 *    all times, and every one of which no time says how old it is; all of them must meet what follows. `any`: one of
 *    the rest must.
 * 4. Not older than `maxAge`, by the earliest time there is; one without any fails.
 * 5. The condition holds. What cannot be evaluated does not.
 */
export function evaluateAttestation(
  policy: TrustPolicy,
  requirement: AttestationRequirement,
  facts: EvaluationFacts,
): AttestationResult {
  const authorities = policy.authorities.filter(({ name }) => requirement.authorities?.includes(name) ?? true);
  const entries = entriesOf(policy, requirement, authorities, facts); // 1
  if (entries.length === 0) return { findings: [noAttestation(requirement, authorities, facts)] };
  const counting = entries.filter(({ objection }) => objection === undefined); // 2
  if (counting.length === 0) return { findings: entries.slice(0, maxExplained).flatMap(findingOfEntry) };
  const chosen = requirement.select === "latest" ? latestOf(counting) : counting; // 3
  const failing = chosen.flatMap((entry) => shortcomings(policy, requirement, entry, facts)); // 4, 5
  const good = chosen.find((entry) => !failing.some((one) => one.entry === entry));
  const met = requirement.select === "latest" ? failing.length === 0 : good !== undefined;
  if (!met || good === undefined) return { findings: failing.slice(0, maxExplained).map(({ finding }) => finding) };
  return { satisfaction: satisfactionOf(policy, requirement, good), findings: [] };
}

/** The policy as it speaks about attestations: freshness and names are those of signatures. */
function forAttestations({ freshness: _, signedIdentity: __, ...rest }: TrustPolicy): TrustPolicy {
  return rest;
}

function entriesOf(
  policy: TrustPolicy,
  { predicateType }: AttestationRequirement,
  authorities: readonly Authority[],
  facts: EvaluationFacts,
): readonly Entry[] {
  const bare = forAttestations(policy);
  return (facts.attestations ?? [])
    .filter((attestation) => attestation.subject === facts.subject && attestation.predicateType === predicateType)
    .flatMap((attestation) => {
      const counted = authorities.flatMap((authority) => {
        const proof = countedFor(authority, countAttestation(attestation))?.proof;
        if (proof === undefined) return [];
        return [{ attestation, authority, proof, objection: objectionTo(bare, authority, proof, facts) }];
      });
      return counted.find(({ objection }) => objection === undefined) ?? counted[0] ?? [];
    });
}

/** Milliseconds since 1970; what a log or timestamp proves goes before what the signer says. */
function timeOfEntry({ attestation, proof }: Entry): number | undefined {
  const verified = proof.signedAt.map(timeOf).filter((time) => !Number.isNaN(time));
  if (verified.length > 0) return Math.min(...verified);
  const { created } = bindingOf(proof);
  return created === undefined || Number.isNaN(created) ? predicateTime(attestation) : created;
}

/**
 * By verified time, and by what was signed or verified first: anybody may have an old attestation witnessed once more, which
 * proves that it was there by then, and not that nothing younger is.
 */
function latestOf(entries: readonly Entry[]): readonly Entry[] {
  if (entries.length === 1) return entries;
  const newest = new Set([...newestBy(entries, timeOfEntry), ...newestBy(entries, createdOf)]);
  return entries.filter((entry) => newest.has(entry));
}

function newestBy(entries: readonly Entry[], timeIn: (entry: Entry) => number | undefined): readonly Entry[] {
  const times = entries.map(timeIn).map((time) => (Number.isNaN(time) ? undefined : time));
  const newest = Math.max(...times.map((time) => time ?? Number.NEGATIVE_INFINITY));
  return entries.filter((_, index) => times[index] === undefined || times[index] === newest);
}

/** The earliest of all times that were signed or verified: nothing is younger than any of them. */
function createdOf({ attestation, proof }: Entry): number | undefined {
  const { created } = bindingOf(proof);
  const times = [created, predicateTime(attestation)].filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

function shortcomings(
  policy: TrustPolicy,
  requirement: AttestationRequirement,
  entry: Entry,
  facts: EvaluationFacts,
): readonly { readonly entry: Entry; readonly finding: Finding }[] {
  const objection =
    ageObjection(requirement, entry, facts.now) ?? conditionObjection(policy, requirement, entry, facts);
  return objection === undefined ? [] : [{ entry, finding: findingAbout(entry, objection) }];
}

function ageObjection({ name, maxAge }: AttestationRequirement, entry: Entry, now: number): Objection | undefined {
  if (maxAge === undefined) return undefined;
  const created = createdOf(entry);
  if (created !== undefined && now - created <= maxAge && created <= now + clockSkew) return undefined;
  return {
    code: "ATTESTATION_TOO_OLD",
    message: `the attestation ${name} is older than the policy allows, or does not say how old it is`,
    expected: `created after ${formatTime(now - maxAge)}`,
    found: created === undefined ? "no creation time" : `created at ${formatTime(created)}`,
  };
}

function conditionObjection(
  policy: TrustPolicy,
  { name, condition }: AttestationRequirement,
  { attestation }: Entry,
  facts: EvaluationFacts,
): Objection | undefined {
  if (condition === undefined) return undefined;
  const { holds, error } = askAttestation(condition, attestation, facts, purseOf(policy, facts));
  if (holds) return undefined;
  const expected = condition.expression.slice(0, 500);
  if (error === undefined)
    return { code: "CONDITION_NOT_MET", message: `the condition of ${name} does not hold`, expected, found: "false" };
  return { code: "CONDITION_ERROR", message: `the condition of ${name} cannot be evaluated`, expected, found: error };
}

function satisfactionOf(policy: TrustPolicy, { name, maxAge }: AttestationRequirement, entry: Entry): Satisfaction {
  const { proof, authority } = entry;
  const [signedAt] = proof.signedAt;
  const aged = maxAge === undefined ? Number.POSITIVE_INFINITY : (createdOf(entry) ?? 0) + maxAge;
  const until = Math.min(aged, countsUntil(forAttestations(policy), authority, proof));
  return {
    authority: authority.name,
    attestation: name,
    signer: proof.signer,
    evidence: proof.evidence,
    ...(signedAt === undefined ? {} : { signedAt }),
    ...(Number.isFinite(until) ? { expiresAt: new Date(until).toISOString() } : {}),
  };
}

function findingOfEntry(entry: Entry): readonly Finding[] {
  return entry.objection === undefined ? [] : [findingAbout(entry, entry.objection)];
}

function findingAbout({ authority, proof }: Entry, { code, message, expected, found }: Objection): Finding {
  return toFinding(new TrustError(code, message, { expected, found }), {
    authority: authority.name,
    evidence: proof.evidence,
  });
}

function noAttestation(
  { name, predicateType }: AttestationRequirement,
  authorities: readonly Authority[],
  { attestations = [], findings }: EvaluationFacts,
): Finding {
  const ofType = attestations.filter((attestation) => attestation.predicateType === predicateType);
  const others = [...new Set(attestations.map((attestation) => attestation.predicateType.slice(0, 200)))];
  const strangers = ofType.map(({ signer }) =>
    signer.kind === "key" ? `one by key ${signer.keyId.slice(0, 16)}` : `one by ${signer.subject}`,
  );
  const unproved = findings.map(({ found, code }) => found ?? code);
  const seen = ofType.length > 0 ? strangers : [...others, ...unproved];
  const by = authorities.map((authority) => expectedOf(authority).replace("a signature by", "signed by"));
  const code: ErrorCode = "NO_ATTESTATION";
  return toFinding(
    new TrustError(code, `the image has no attestation ${name} by those who may give it`, {
      expected: `${predicateType}, ${by.slice(0, 5).join(" or ")}`,
      found: seen.length === 0 ? "none" : [...new Set(seen)].slice(0, 5).join("; "),
    }),
  );
}
