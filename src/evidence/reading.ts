import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import { countAttestation, type VerifiedAttestation } from "../formats/format.ts";
import { signaturePredicate } from "../formats/statement.ts";
import type { EvaluationFacts, Situation } from "../policy/facts.ts";
import type { Evidence, ResolvedTag } from "./store.ts";

/** Nothing at all was found; a digest that does not exist deserves another message than one that nobody signed. */
export function isBare(evidence: Evidence): boolean {
  return evidence.proofs.length === 0 && evidence.findings.length === 0 && evidence.staleBecause === undefined;
}

/** What the evidence says to a policy: signatures, attestations apart, and why the rest does not count. */
export function factsOf(subject: Digest, evidence: Evidence, situation: Situation): EvaluationFacts {
  const proofs = evidence.proofs.filter((proof) => proof.kind === "signature");
  const attestations = evidence.proofs.filter((proof) => proof.kind === "attestation");
  const findings = [...findingsOf(evidence), ...attestations.map(notASignature)];
  return { ...situation, subject, proofs, attestations, findings };
}

/** The same for a policy that is asked about attestations of one type: they stand where signatures do. */
export function attestationFactsOf(
  subject: Digest,
  evidence: Evidence,
  predicateType: string,
  situation: Situation,
): { readonly facts: EvaluationFacts; readonly attestations: readonly VerifiedAttestation[] } {
  const all = evidence.proofs.filter((proof) => proof.kind === "attestation");
  const attestations = all.filter((proof) => proof.predicateType === predicateType);
  const others = all.filter((proof) => proof.predicateType !== predicateType);
  const findings = [...findingsOf(evidence), ...others.map((other) => anotherType(other, predicateType))];
  return { facts: { ...situation, subject, proofs: attestations.map(countAttestation), findings }, attestations };
}

function anotherType({ predicateType, evidence }: VerifiedAttestation, wanted: string): Finding {
  const error = new TrustError("PREDICATE_TYPE_MISMATCH", "this is an attestation of another type", {
    expected: `predicateType ${wanted}`,
    found: `predicateType ${predicateType.slice(0, 200)}`,
  });
  return toFinding(error, { evidence });
}

function notASignature({ predicateType, evidence }: VerifiedAttestation): Finding {
  const error = new TrustError("NOT_A_SIGNATURE", "this is an attestation, which does not sign the image", {
    expected: `predicateType ${signaturePredicate}`,
    found: `an attestation, predicateType ${predicateType.slice(0, 200)}`,
  });
  return toFinding(error, { evidence });
}

/** Why claims were not proved, and what the reader could not see. */
function findingsOf(evidence: Evidence): readonly Finding[] {
  if (evidence.staleBecause !== undefined) return [...evidence.findings, evidence.staleBecause];
  const outOfReach = evidence.findings.some((finding) => finding.category === "unavailable");
  if (evidence.complete || outOfReach) return evidence.findings;
  return [
    ...evidence.findings,
    toFinding(new TrustError("EVIDENCE_INCOMPLETE", "not every signature could be read within the limits")),
  ];
}

/** What rests on older answers because the registry is out of reach, in words. */
export function staleness(resolved: ResolvedTag, evidence: Evidence): readonly string[] {
  const at = (time: number) => new Date(time).toISOString();
  const tag =
    resolved.staleBecause === undefined
      ? []
      : [`the registry is out of reach; the tag was resolved at ${at(resolved.resolvedAt)}`];
  const listing =
    evidence.staleBecause === undefined
      ? []
      : [`the registry is out of reach; the signatures were listed at ${at(evidence.listedAt)}`];
  const kept =
    evidence.keptFrom === undefined
      ? []
      : [`some places of signatures are out of reach; what they had was listed at ${at(evidence.keptFrom)}`];
  return [...tag, ...listing, ...kept];
}
