import type { Digest } from "../crypto/digest.ts";
import type { DsseEnvelope } from "../crypto/dsse.ts";
import { envelopeContent } from "../trust/signed-content.ts";
import { type Proof, proveAttestation, proveSignature, type SignatureBundle, type TrustMaterial } from "./format.ts";
import { proveSigner, type SignerClaim } from "./prove.ts";
import { parseStatement, signaturePredicate } from "./statement.ts";

/** What of a claim a proof repeats. */
type Claim = Pick<SignatureBundle, "format" | "evidence">;

/**
 * Proves an envelope for a subject, whatever it came in: by the predicate type that is signed it is a signature or an
 * attestation. `signerClaim` and `now` as of {@link proveSigner}. Throws `untrusted` codes.
 */
export async function proveEnvelope(
  claim: Claim,
  envelope: DsseEnvelope,
  signerClaim: SignerClaim,
  subject: Digest,
  trust: TrustMaterial,
  now?: number,
): Promise<Proof> {
  const signed = { message: envelope.signed, signature: envelope.signature };
  const signer = await proveSigner(signerClaim, signed, trust, now);
  const { predicateType, annotations } = parseStatement(envelope.payloadType, envelope.payload, subject);
  const { format, evidence } = claim;
  const digest = await envelopeContent(envelope).payloadDigest("sha256");
  const payload = digest === undefined ? {} : { payload: `sha256:${digest.toString("hex")}` as const };
  const facts = { format, evidence, ...payload, subject, ...signer, annotations };
  if (predicateType === signaturePredicate) return proveSignature(facts);
  return proveAttestation({ ...facts, predicateType, statement: envelope.payload });
}
