import type { Digest } from "../crypto/digest.ts";
import { type DsseEnvelope, type EnvelopeFrame, formatDsseEnvelope, paeHead } from "../crypto/dsse.ts";
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
import { frameStatement, inTotoPayloadType, parseStatement, signaturePredicate } from "./statement.ts";

/** Room for what is around the payload: names, the signature, a bundle's other members. */
const maxFrameBytes = 16 * 1024;

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

/**
 * The envelope of a new attestation, within a frame if there is one. The predicate is copied once: it may have megabytes.
 * Throws `CONTENT_TOO_LARGE` where verifiers would not read it.
 */
export async function makeAttestation(request: AttestRequest, frame?: EnvelopeFrame): Promise<Buffer> {
  const { image, subject, signer, predicateType, predicate } = request;
  const { before, after } = frameStatement(image, subject.digest, predicateType);
  const length = before.length + predicate.length + after.length;
  const size = Math.ceil(length / 3) * 4 + maxFrameBytes;
  if (size > maxAttestationBytes)
    throw new TrustError("CONTENT_TOO_LARGE", "the predicate is too large for an attestation", {
      expected: `at most ${maxAttestationBytes} bytes, in base64`,
      found: `${size} bytes`,
      hint: "Attest a smaller document that names the large one by its digest",
    });
  const signed = Buffer.concat([paeHead(inTotoPayloadType, length), before, predicate, after]);
  const signature = await signer.sign(signed);
  return formatDsseEnvelope(inTotoPayloadType, signed.subarray(-length), signature, frame);
}
