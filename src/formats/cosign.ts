import { decodeBase64 } from "../crypto/base64.ts";
import { describeJson } from "../crypto/describe-json.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../crypto/digest.ts";
import { isJsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError, toFinding } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import { type Descriptor, parseManifest } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { dockerHub, type ImageReference } from "../oci/reference.ts";
import {
  type FoundSignatures,
  type MadeSignature,
  maxSignatureBytes,
  proveSignature,
  readsAtOnce,
  type SignatureBundle,
  type SignatureFormat,
  type SignRequest,
  type TrustMaterial,
  type VerifiedSignature,
} from "./format.ts";
import { findSigner } from "./prove.ts";
import { stringValues } from "./statement.ts";

const name = "cosign";
export const simpleSigningMediaType = "application/vnd.dev.cosign.simplesigning.v1+json";
const signatureAnnotation = "dev.cosignproject.cosign/signature";
const payloadType = "cosign container image signature";
const maxSignatureText = 16 * 1024;

/** Simple signing under the `.sig` tag: what cosign 1 and 2 and skopeo write (sigstore/cosign, specs/SIGNATURE_SPEC.md). */
export const cosign: SignatureFormat = { name, find, verify, sign };

/** The tag that holds the signatures of a subject. */
export function signatureTag(subject: Digest): string {
  return `${digestAlgorithm(subject)}-${digestHex(subject)}.sig`;
}

async function find(places: EvidencePlaces, subject: Digest): Promise<FoundSignatures> {
  const tagged = await places.taggedManifest(signatureTag(subject));
  if (tagged === undefined) return { bundles: [], findings: [], complete: true };
  const manifest = parseManifest(tagged.bytes, tagged.descriptor.mediaType);
  if (manifest.kind === "index")
    throw new TrustError("SIGNATURE_MALFORMED", `the tag ${signatureTag(subject)} holds an index`, {
      expected: "an image manifest",
    });
  const wanted = manifest.layers.slice(0, places.maxSignatures);
  const found = await mapLimit(wanted, readsAtOnce, (layer) => read(places, layer));
  return {
    bundles: distinct(found.flatMap((item) => ("bundle" in item ? [item.bundle] : []))),
    findings: found.flatMap((item) => ("finding" in item ? [item.finding] : [])),
    complete: wanted.length === manifest.layers.length,
  };
}

async function read(places: EvidencePlaces, layer: Descriptor) {
  try {
    if ((layer.annotations?.[signatureAnnotation] ?? "").length > maxSignatureText)
      throw new TrustError("SIGNATURE_MALFORMED", "the signature annotation is too long", {
        expected: `at most ${maxSignatureText} characters`,
      });
    const content = await places.blob(layer, maxSignatureBytes);
    return { bundle: bundleOf(content, layer.digest, layer.annotations ?? {}) };
  } catch (error) {
    return { finding: toFinding(error, { evidence: layer.digest }) };
  }
}

function bundleOf(
  content: Uint8Array,
  evidence: Digest,
  annotations: Readonly<Record<string, string>>,
): SignatureBundle {
  // Payloads of equal claims are equal bytes, so the blob alone does not tell two signatures apart.
  const claimId = digestOf(Buffer.from(`${evidence}\n${annotations[signatureAnnotation] ?? ""}`));
  return { format: name, evidence, claimId, content, annotations };
}

function distinct(bundles: readonly SignatureBundle[]): readonly SignatureBundle[] {
  return [...new Map(bundles.map((bundle) => [bundle.claimId, bundle])).values()];
}

async function verify(bundle: SignatureBundle, subject: Digest, trust: TrustMaterial): Promise<VerifiedSignature> {
  const signature = decodeBase64(bundle.annotations[signatureAnnotation] || undefined, "the signature annotation");
  const key = await findSigner(trust, bundle.content, signature, undefined);
  const payload = parsePayload(bundle.content);
  if (payload.digest !== subject)
    throw new TrustError("SUBJECT_MISMATCH", "the signature covers another image", {
      expected: subject,
      found: payload.digest,
    });
  return proveSignature({
    format: name,
    evidence: bundle.evidence,
    subject,
    signer: { kind: "key", keyId: key.keyId },
    signedAt: [],
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

async function sign(request: SignRequest): Promise<MadeSignature> {
  const content = Buffer.from(JSON.stringify(payloadOf(request)));
  const signature = Buffer.from(await request.signer.sign(content)).toString("base64");
  const annotations = { [signatureAnnotation]: signature };
  const digest = digestOf(content);
  return {
    bundle: bundleOf(content, digest, annotations),
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
      identity: { "docker-reference": dockerReferenceOf(request.image) },
      image: { "docker-manifest-digest": request.subject.digest },
      type: payloadType,
    },
    optional: entries.length === 0 ? null : Object.fromEntries(entries),
  };
}

/** cosign writes Docker Hub as `index.docker.io`. */
function dockerReferenceOf(image: ImageReference): string {
  return `${image.registry === dockerHub ? "index.docker.io" : image.registry}/${image.repository}`;
}

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found: found.slice(0, 200) });
}
