import { digestAlgorithm, digestHex, digestOf } from "../crypto/digest.ts";
import type { EnvelopeFrame } from "../crypto/dsse.ts";
import { emptyDescriptor, emptyJson, mediaTypes } from "../oci/manifest.ts";
import { type EncodedStatement, encodeAttestation, encodeStatement, makeEnvelope } from "./envelope-make.ts";
import type { AttestRequest, MadeSignature, SignatureBundle, SignRequest } from "./format.ts";
import { type MadeMaterial, verificationMaterial } from "./made-material.ts";
import { bundleMediaType, bundleOf } from "./sigstore-bundle-parse.ts";
import { signaturePredicate, statementV1 } from "./statement.ts";

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
  return made(request, signaturePredicate, encodeStatement(Buffer.from(JSON.stringify(statement))));
}

/** Makes the bundle of an attestation. Throws `CONTENT_TOO_LARGE`. */
export async function makeAttestationBundle(request: AttestRequest): Promise<MadeSignature> {
  return made(request, request.predicateType, encodeAttestation(request));
}

type MakeRequest = Pick<SignRequest, "subject" | "signer" | "testify" | "now">;

/** What of a bundle stands around its envelope. */
export function bundleFrame(material: MadeMaterial): EnvelopeFrame {
  const head = JSON.stringify({ mediaType: bundleMediaType, verificationMaterial: verificationMaterial(material) });
  return { before: `${head.slice(0, -1)},"dsseEnvelope":`, after: "}" };
}

async function made(request: MakeRequest, predicateType: string, statement: EncodedStatement): Promise<MadeSignature> {
  const { content } = await makeEnvelope(request, statement, { frame: bundleFrame });
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
