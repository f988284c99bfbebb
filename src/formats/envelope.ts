import type { Digest } from "../crypto/digest.ts";
import { type DsseEnvelope, dssePae, formatDsseEnvelope } from "../crypto/dsse.ts";
import { TrustError } from "../errors.ts";
import {
  type AttestRequest,
  maxAttestationBytes,
  type Proof,
  proveAttestation,
  proveSignature,
  type SignatureBundle,
  type TrustMaterial,
} from "./format.ts";
import { findSigner } from "./prove.ts";
import { formatStatement, inTotoPayloadType, parseStatement, signaturePredicate } from "./statement.ts";

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

/** The envelope of a new attestation. Throws `CONTENT_TOO_LARGE` where verifiers would not read it. */
export async function makeAttestation(request: AttestRequest): Promise<Buffer> {
  const { image, subject, signer, predicateType, predicate } = request;
  const statement = formatStatement(image, subject.digest, predicateType, predicate);
  const size = Math.ceil(statement.length / 3) * 4 + 4096;
  if (size > maxAttestationBytes)
    throw new TrustError("CONTENT_TOO_LARGE", "the predicate is too large for an attestation", {
      expected: `at most ${maxAttestationBytes} bytes, in base64`,
      found: `${size} bytes`,
      hint: "Attest a smaller document that names the large one by its digest",
    });
  const signature = await signer.sign(dssePae(inTotoPayloadType, statement));
  return formatDsseEnvelope(inTotoPayloadType, statement, signature);
}
