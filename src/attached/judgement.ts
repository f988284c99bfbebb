import type { Digest } from "../crypto/digest.ts";
import { type Finding, toFinding } from "../errors.ts";
import { signatureAnnotation } from "../formats/cosign-layers.ts";
import {
  countAttestation,
  type Proof,
  type SignatureBundle,
  type SignatureFormat,
  type SignerIdentity,
  type TrustMaterial,
} from "../formats/format.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import { mapLimit } from "../oci/parallel.ts";
import type { ImageReference } from "../oci/reference.ts";
import { evaluatePolicy } from "../policy/evaluate.ts";
import type { MatchedPolicy } from "../policy/match.ts";
import type { TrustPolicy } from "../policy/policy.ts";
import { trustOf } from "../policy/trust-material.ts";

/** Whether one signature counts, judged by itself. `untrusted`: nobody who is trusted made it. Plain JSON. */
export type Judgement =
  | {
      readonly state: "valid";
      readonly signer: SignerIdentity;
      readonly authority: string;
      readonly policy: string;
      /** Only a proved time. */
      readonly signedAt?: string;
      readonly expiresAt?: string;
    }
  | { readonly state: "invalid" | "untrusted"; readonly finding: Finding }
  | { readonly state: "not-judged"; readonly reason: string };

/** Whom to trust, and when. */
export interface Judge {
  readonly matched: readonly MatchedPolicy[];
  readonly formats: readonly SignatureFormat[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The signatures of one subject, by {@link judgementKey}. */
export type Judgements = ReadonlyMap<string, Judgement>;

/** One blob may hold the payload of several signatures, which stand in annotations. */
export function judgementKey(evidence: Digest, annotations: Readonly<Record<string, string>> | undefined): string {
  return `${evidence} ${annotations?.[signatureAnnotation] ?? ""}`;
}

const proofsAtOnce = 8;

/**
 * Judges every signature and attestation of a subject by itself, with the code that verifies. Valid is what at least one
 * authority of a policy counts now; whether it is enough for the image is another question. Never throws for what is
 * found there.
 */
export async function judgeSignatures(
  places: EvidencePlaces,
  ref: ImageReference,
  subject: Digest,
  judge: Judge,
): Promise<Judgements> {
  const trust = trustOf(judge.matched);
  const judgements = new Map<string, Judgement>();
  for (const format of judge.formats) {
    const { bundles, findings } = await findAll(format, places, subject);
    const judged = await mapLimit(bundles, proofsAtOnce, (bundle) =>
      judgeOne(format, bundle, { ref, subject, trust, judge }),
    );
    for (const [i, bundle] of bundles.entries())
      keep(judgements, judgementKey(bundle.evidence, bundle.annotations), judged[i]);
    for (const finding of findings)
      if (finding.evidence !== undefined) keep(judgements, `${finding.evidence} `, refusal(finding));
  }
  return judgements;
}

async function findAll(format: SignatureFormat, places: EvidencePlaces, subject: Digest) {
  try {
    return await format.find(places, subject, { attestations: true });
  } catch (error) {
    return { bundles: [], findings: [toFinding(error)] };
  }
}

/** What one format proves, no other takes back. */
function keep(judgements: Map<string, Judgement>, key: string, judgement: Judgement | undefined): void {
  if (judgement === undefined || judgements.get(key)?.state === "valid") return;
  judgements.set(key, judgement);
}

interface Question {
  readonly ref: ImageReference;
  readonly subject: Digest;
  readonly trust: TrustMaterial;
  readonly judge: Judge;
}

async function judgeOne(format: SignatureFormat, bundle: SignatureBundle, question: Question): Promise<Judgement> {
  try {
    const proof = await format.verify(bundle, question.subject, question.trust, question.judge.now);
    return weigh(proof, question);
  } catch (error) {
    return refusal(toFinding(error, { evidence: bundle.evidence }));
  }
}

/** Asks each policy about this proof alone. */
function weigh(proof: Proof, { ref, subject, judge }: Question): Judgement {
  const signature = proof.kind === "attestation" ? countAttestation(proof) : proof;
  const facts = { ref, now: judge.now, subject, proofs: [signature], findings: [] };
  const results = judge.matched
    .filter(({ excluded }) => !excluded)
    .map(({ policy }) => evaluatePolicy(aboutOne(policy, proof.kind), false, facts));
  for (const { name, satisfiedBy } of results) {
    const [first] = satisfiedBy;
    if (first === undefined) continue;
    const { authority, signer, signedAt, expiresAt } = first;
    return {
      state: "valid",
      signer,
      authority,
      policy: name,
      ...(signedAt === undefined ? {} : { signedAt }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
  }
  const findings = results.flatMap((result) => result.findings);
  const telling = findings.find(({ evidence }) => evidence === proof.evidence) ?? findings[0];
  return telling === undefined
    ? { state: "not-judged", reason: "no policy speaks about this image" }
    : refusal(telling);
}

/** The policy as it speaks about one signature; of attestations neither freshness nor the signed name is asked. */
function aboutOne(policy: TrustPolicy, kind: Proof["kind"]): TrustPolicy {
  const { attestations: _, condition: __, statics: _____, ...about } = policy;
  if (kind === "signature") return { ...about, threshold: 1 };
  const { freshness: ___, signedIdentity: ____, ...rest } = about;
  return { ...rest, threshold: 1 };
}

const untrustedCodes = new Set(["SIGNER_NOT_TRUSTED", "CERTIFICATE_UNTRUSTED"]);

/** What could not be read is not judged: an outage is no fault of the signature. */
function refusal(finding: Finding): Judgement {
  if (finding.category !== "untrusted" || finding.code === "EVIDENCE_INCOMPLETE")
    return { state: "not-judged", reason: `${finding.code}: ${finding.message}` };
  return { state: untrustedCodes.has(finding.code) ? "untrusted" : "invalid", finding };
}
