import { digestAlgorithm, digestHex, digestOf } from "../crypto/digest.ts";
import { dssePae, type EnvelopeFrame, formatDsseEnvelope } from "../crypto/dsse.ts";
import { emptyDescriptor, emptyJson, mediaTypes } from "../oci/manifest.ts";
import { makeAttestation } from "./envelope.ts";
import type { AttestRequest, MadeSignature, SignatureBundle, SignRequest } from "./format.ts";
import { bundleMediaType, bundleOf } from "./sigstore-bundle-parse.ts";
import { inTotoPayloadType, signaturePredicate, statementV1 } from "./statement.ts";

export const predicateTypeAnnotation = "dev.sigstore.bundle.predicateType";

/** Makes the bundle of a signature, and the referrer that holds it. */
export async function makeSignatureBundle(request: SignRequest): Promise<MadeSignature> {
  const { digest } = request.subject;
  const statement = {
    _type: statementV1,
    subject: [{ digest: { [digestAlgorithm(digest)]: digestHex(digest) }, annotations: request.annotations }],
    predicateType: signaturePredicate,
    predicate: {},
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const signature = await request.signer.sign(dssePae(inTotoPayloadType, payload));
  const content = formatDsseEnvelope(inTotoPayloadType, payload, signature, frameOf(request));
  return made(request, signaturePredicate, content);
}

/** Makes the bundle of an attestation. Throws `CONTENT_TOO_LARGE`. */
export async function makeAttestationBundle(request: AttestRequest): Promise<MadeSignature> {
  return made(request, request.predicateType, await makeAttestation(request, frameOf(request)));
}

type MakeRequest = Pick<SignRequest, "subject" | "signer" | "now">;

/** What of a bundle stands around its envelope. */
function frameOf({ signer }: MakeRequest): EnvelopeFrame {
  const hint = Buffer.from(signer.publicKey.keyId, "hex").toString("base64");
  const head = JSON.stringify({ mediaType: bundleMediaType, verificationMaterial: { publicKey: { hint } } });
  return { before: `${head.slice(0, -1)},"dsseEnvelope":`, after: "}" };
}

function made(request: MakeRequest, predicateType: string, content: Uint8Array): MadeSignature {
  const bundle = bundleOf(content, digestOf(content));
  return { bundle, attachment: referrerOf(request, predicateType, bundle) };
}

function referrerOf(
  request: MakeRequest,
  predicateType: string,
  { content, evidence }: SignatureBundle,
): MadeSignature["attachment"] {
  const { mediaType, digest, size } = request.subject;
  const annotations = {
    "dev.sigstore.bundle.content": "dsse-envelope",
    [predicateTypeAnnotation]: predicateType,
    "org.opencontainers.image.created": new Date(request.now).toISOString().replace(/\.\d+Z$/, "Z"),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    artifactType: bundleMediaType,
    config: emptyDescriptor,
    layers: [{ mediaType: bundleMediaType, digest: evidence, size: content.length }],
    subject: { mediaType, digest, size },
    annotations,
  };
  return {
    kind: "referrer",
    bytes: Buffer.from(JSON.stringify(manifest)),
    artifactType: bundleMediaType,
    annotations,
    blobs: [emptyJson, content],
  };
}
