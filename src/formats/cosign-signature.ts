import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../crypto/digest.ts";
import { isJsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { bytesContent } from "../trust/signed-content.ts";
import { noTestimony } from "../witness/witness.ts";
import { annotatedSigner } from "./annotated-signer.ts";
import { claimOf, cosignName, signatureAnnotation } from "./cosign-layers.ts";
import {
  type MadeSignature,
  proveSignature,
  type SignatureBundle,
  type SignRequest,
  type TrustMaterial,
  type VerifiedSignature,
} from "./format.ts";
import { materialAnnotations } from "./made-material.ts";
import { proveSigner } from "./prove.ts";
import { signedRepositoryName, stringValues } from "./statement.ts";

export const simpleSigningMediaType = "application/vnd.dev.cosign.simplesigning.v1+json";
const payloadType = "cosign container image signature";

/** The tag that holds the signatures of a subject. */
export function signatureTag(subject: Digest): string {
  return `${digestAlgorithm(subject)}-${digestHex(subject)}.sig`;
}

/** Proves a simple signing payload, whose signature stands in an annotation of its layer. */
export async function proveSimpleSigning(
  bundle: SignatureBundle,
  subject: Digest,
  trust: TrustMaterial,
  now?: number,
): Promise<VerifiedSignature> {
  const signature = decodeBase64(bundle.annotations[signatureAnnotation] || undefined, "the signature annotation");
  const claim = annotatedSigner(bundle.annotations, () => bytesContent(signature, bundle.content));
  const signer = await proveSigner(claim, { message: bundle.content, signature }, trust, now);
  const payload = parsePayload(bundle.content);
  if (payload.digest !== subject)
    throw new TrustError("SUBJECT_MISMATCH", "the signature covers another image", {
      expected: subject,
      found: payload.digest,
    });
  return proveSignature({
    format: cosignName,
    evidence: bundle.evidence,
    subject,
    ...signer,
    annotations: payload.annotations,
    dockerReference: payload.dockerReference,
  });
}

/** Parses a simple signing payload (containers/image, docs/containers-signature.5.md, "JSON data format"). */
function parsePayload(content: Uint8Array) {
  const payload = parseStrictJson(content, "the signature payload");
  const critical = isJsonObject(payload) ? payload["critical"] : undefined;
  if (!isJsonObject(payload) || !isJsonObject(critical))
    throw malformed("the payload has no critical part", "critical", typeof critical);
  if (critical["type"] !== payloadType)
    throw malformed("the payload is of another type", payloadType, describeJson(critical["type"]));
  const image = critical["image"];
  const digest = isJsonObject(image) ? image["docker-manifest-digest"] : undefined;
  if (typeof digest !== "string")
    throw malformed("the payload names no digest", "docker-manifest-digest", typeof digest);
  const identity = critical["identity"];
  const dockerReference = isJsonObject(identity) ? identity["docker-reference"] : undefined;
  return {
    digest: digest.slice(0, 200),
    dockerReference: typeof dockerReference === "string" ? dockerReference : "",
    annotations: stringValues(payload["optional"]),
  };
}

/** Makes a signature for the `.sig` tag. */
export async function makeSimpleSigning(request: SignRequest): Promise<MadeSignature> {
  const { signer, testify } = request;
  const content = Buffer.from(JSON.stringify(payloadOf(request)));
  const digest = digestOf(content);
  const certificate = await signer.certificate?.();
  const signature = await signer.sign(content);
  const testimony = await testify?.({
    signature,
    sha256: Buffer.from(digestHex(digest), "hex"),
    publicKey: signer.publicKey,
    certificate: certificate?.leaf.raw,
  });
  const annotations = {
    [signatureAnnotation]: Buffer.from(signature).toString("base64"),
    ...materialAnnotations({ signer, certificate, testimony: testimony ?? noTestimony }),
  };
  return {
    bundle: claimOf(content, digest, annotations),
    attachment: {
      kind: "layer",
      tag: signatureTag(request.subject.digest),
      layer: { mediaType: simpleSigningMediaType, size: content.length, digest, annotations },
      blob: content,
    },
  };
}

/** Keys in the order that cosign's own encoder sorts them, so that equal claims are equal bytes. */
function payloadOf(request: SignRequest) {
  const entries = Object.entries(request.annotations).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    critical: {
      identity: { "docker-reference": request.identity ?? signedRepositoryName(request.image) },
      image: { "docker-manifest-digest": request.subject.digest },
      type: payloadType,
    },
    optional: entries.length === 0 ? null : Object.fromEntries(entries),
  };
}

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found: found.slice(0, 200) });
}
