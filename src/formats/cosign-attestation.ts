import { type Digest, digestAlgorithm, digestHex, digestOf } from "../crypto/digest.ts";
import { parseDsseEnvelope } from "../crypto/dsse.ts";
import { envelopeContent } from "../trust/signed-content.ts";
import { annotatedSigner } from "./annotated-signer.ts";
import { claimOf, signatureAnnotation } from "./cosign-layers.ts";
import { proveEnvelope } from "./envelope.ts";
import { encodeAttestation, makeEnvelope } from "./envelope-make.ts";
import type { AttestRequest, MadeSignature, Proof, SignatureBundle, TrustMaterial } from "./format.ts";
import { materialAnnotations } from "./made-material.ts";

export const envelopeMediaType = "application/vnd.dsse.envelope.v1+json";

/** The tag that holds the attestations of a subject. */
export function attestationTag(subject: Digest): string {
  return `${digestAlgorithm(subject)}-${digestHex(subject)}.att`;
}

/** Proves an envelope of an `.att` tag; of what its layer says about it, only who signed and when is looked at. */
export async function proveTaggedEnvelope(
  bundle: SignatureBundle,
  subject: Digest,
  trust: TrustMaterial,
  now?: number,
): Promise<Proof> {
  const envelope = parseDsseEnvelope(bundle.content);
  const signer = annotatedSigner(bundle.annotations, () => envelopeContent(envelope, bundle.content));
  return proveEnvelope(bundle, envelope, signer, subject, trust, now);
}

/** Makes an attestation for the `.att` tag. */
export async function makeTaggedAttestation(request: AttestRequest): Promise<MadeSignature> {
  const { content, material } = await makeEnvelope(request, encodeAttestation(request), { stampsEnvelope: true });
  const digest = digestOf(content);
  const annotations = {
    [signatureAnnotation]: "",
    predicateType: request.predicateType,
    ...materialAnnotations(material),
  };
  return {
    bundle: claimOf(content, digest, annotations, { isEnvelope: true }),
    attachment: {
      kind: "layer",
      tag: attestationTag(request.subject.digest),
      layer: { mediaType: envelopeMediaType, size: content.length, digest, annotations },
      blob: content,
    },
  };
}
