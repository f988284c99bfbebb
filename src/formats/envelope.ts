import type { Digest } from "../crypto/digest.ts";
import type { DsseEnvelope } from "../crypto/dsse.ts";
import { type Proof, proveAttestation, proveSignature, type SignatureBundle, type TrustMaterial } from "./format.ts";
import { findSigner } from "./prove.ts";
import { parseStatement, signaturePredicate } from "./statement.ts";

/** What of a claim a proof repeats. */
type Claim = Pick<SignatureBundle, "format" | "evidence">;

/**
 * Proves an envelope for a subject, whatever it came in: by the predicate type that is signed it is a signature or an
 * attestation. `hint` as of {@link findSigner}. Throws `untrusted` codes.
 */
export async function proveEnvelope(
  claim: Claim,
  envelope: DsseEnvelope,
  hint: string | undefined,
  subject: Digest,
  trust: TrustMaterial,
): Promise<Proof> {
  const key = await findSigner(trust, envelope.signed, envelope.signature, hint);
  const { predicateType, annotations } = parseStatement(envelope.payloadType, envelope.payload, subject);
  const { format, evidence } = claim;
  const facts = {
    format,
    evidence,
    subject,
    signer: { kind: "key", keyId: key.keyId },
    signedAt: [],
    annotations,
  } as const;
  if (predicateType === signaturePredicate) return proveSignature(facts);
  return proveAttestation({ ...facts, predicateType, statement: envelope.payload });
}
