import { describeJson } from "../crypto/describe-json.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../crypto/digest.ts";
import { type DsseEnvelope, dssePae, parseDsseEnvelope } from "../crypto/dsse.ts";
import { isJsonObject, type JsonObject, parseStrictJson } from "../crypto/json.ts";
import { TrustError, toFinding } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import { type Descriptor, emptyDescriptor, emptyJson, mediaTypes, parseManifest } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import {
  type FoundSignatures,
  type MadeSignature,
  maxSignatureBytes,
  type Proof,
  proveAttestation,
  proveSignature,
  readsAtOnce,
  type SignatureBundle,
  type SignatureFormat,
  type SignRequest,
  type TrustMaterial,
} from "./format.ts";
import { findSigner } from "./prove.ts";
import { inTotoPayloadType, parseStatement, signaturePredicate, statementV1 } from "./statement.ts";

const name = "bundle";
export const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";
const bundleMediaTypePrefix = "application/vnd.dev.sigstore.bundle";
const readableBundles = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3\+json|\+json;version=0\.[123])$/;

/** Sigstore bundles on OCI referrers: what cosign 3 writes (sigstore/protobuf-specs, sigstore_bundle.proto v0.3). */
export const sigstoreBundle: SignatureFormat = { name, find, verify, sign };

async function find(places: EvidencePlaces, subject: Digest): Promise<FoundSignatures> {
  const listing = await places.referrers(subject);
  const wanted = listing.descriptors.slice(0, places.maxSignatures);
  const located = await mapLimit(wanted, readsAtOnce, (descriptor) => locate(places, descriptor));
  // Small ones first: attestations of megabytes must not use up what may be read before the signatures are.
  const layers = located.flatMap((item) => ("layer" in item ? [item.layer] : [])).sort((a, b) => a.size - b.size);
  const found = [...located, ...(await mapLimit(layers, readsAtOnce, (layer) => read(places, layer)))];
  return {
    bundles: found.flatMap((item) => ("bundle" in item ? [item.bundle] : [])),
    findings: found.flatMap((item) => ("finding" in item ? [item.finding] : [])),
    complete: listing.complete && wanted.length === listing.descriptors.length,
  };
}

/** One referrer: the blob of a bundle, a finding that says why it cannot be read, or (another artifact) nothing. */
async function locate(places: EvidencePlaces, descriptor: Descriptor) {
  try {
    const { bytes, descriptor: fetched } = await places.manifest(descriptor);
    const manifest = parseManifest(bytes, fetched.mediaType);
    const [layer, second] = manifest.kind === "manifest" ? manifest.layers : [];
    // artifactType and annotations are not consulted: registries and clients label bundles wrongly.
    if (layer === undefined || second !== undefined || !layer.mediaType.startsWith(bundleMediaTypePrefix)) return {};
    return { layer };
  } catch (error) {
    return { finding: toFinding(missingSignature(error), { evidence: descriptor.digest }) };
  }
}

/** What is listed and gone is no image that nobody can find. */
function missingSignature(error: unknown): unknown {
  if (!(error instanceof TrustError) || error.code !== "IMAGE_NOT_FOUND") return error;
  const { message, expected, found } = error;
  return new TrustError("SIGNATURE_MISSING", message, { expected, found });
}

async function read(places: EvidencePlaces, layer: Descriptor) {
  try {
    return { bundle: bundleOf(await places.blob(layer, maxSignatureBytes), layer.digest) };
  } catch (error) {
    return { finding: toFinding(error, { evidence: layer.digest }) };
  }
}

function bundleOf(content: Uint8Array, evidence: Digest): SignatureBundle {
  return { format: name, evidence, claimId: evidence, content, annotations: {} };
}

/** A bundle's fields, decoded; still a claim. */
interface ParsedBundle {
  readonly hint: string | undefined;
  readonly envelope: DsseEnvelope;
}

function parseBundle(content: Uint8Array): ParsedBundle {
  const bundle = parseStrictJson(content, "the bundle");
  if (!isJsonObject(bundle)) throw malformed("the bundle is not an object", "an object", typeof bundle);
  const mediaType = bundle["mediaType"];
  if (typeof mediaType !== "string" || !readableBundles.test(mediaType))
    throw malformed("unknown media type of a bundle", bundleMediaType, describeJson(mediaType));
  if (bundle["dsseEnvelope"] === undefined)
    throw malformed("the bundle does not sign an image", "dsseEnvelope", Object.keys(bundle).join(", "));
  return { hint: keyHint(bundle), envelope: parseDsseEnvelope(bundle["dsseEnvelope"]) };
}

/** The key id a bundle names, in hex. Clients differ in what they put there, so a strange hint is no hint. */
function keyHint(bundle: JsonObject): string | undefined {
  const material = bundle["verificationMaterial"];
  if (!isJsonObject(material))
    throw malformed("the bundle has no verification material", "verificationMaterial", typeof material);
  const { publicKey } = material;
  if (!isJsonObject(publicKey))
    throw new TrustError(
      "SIGNER_NOT_TRUSTED",
      "the signature was made with a certificate, and only keys are trusted here",
      {
        expected: "a signature by a trusted key",
        found: Object.keys(material).slice(0, 5).join(", ").slice(0, 200),
      },
    );
  const { hint } = publicKey;
  if (typeof hint !== "string" || hint === "") return undefined;
  const bytes = Buffer.from(hint, "base64");
  return bytes.length === 32 ? bytes.toString("hex") : undefined;
}

async function verify(bundle: SignatureBundle, subject: Digest, trust: TrustMaterial): Promise<Proof> {
  const { hint, envelope } = parseBundle(bundle.content);
  const key = await findSigner(trust, dssePae(envelope.payloadType, envelope.payload), envelope.signature, hint);
  const statement = parseStatement(envelope.payloadType, envelope.payload, subject);
  const facts = {
    format: name,
    evidence: bundle.evidence,
    subject,
    signer: { kind: "key", keyId: key.keyId },
    signedAt: [],
  } as const;
  const { predicateType, annotations } = statement;
  if (predicateType !== signaturePredicate)
    return proveAttestation({ ...facts, predicateType, statement: envelope.payload });
  return proveSignature({ ...facts, annotations });
}

async function sign(request: SignRequest): Promise<MadeSignature> {
  const { digest } = request.subject;
  const statement = {
    _type: statementV1,
    subject: [{ digest: { [digestAlgorithm(digest)]: digestHex(digest) }, annotations: request.annotations }],
    predicateType: signaturePredicate,
    predicate: {},
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const signature = Buffer.from(await request.signer.sign(dssePae(inTotoPayloadType, payload)));
  const content = Buffer.from(
    JSON.stringify({
      mediaType: bundleMediaType,
      verificationMaterial: {
        publicKey: { hint: Buffer.from(request.signer.publicKey.keyId, "hex").toString("base64") },
      },
      dsseEnvelope: {
        payload: payload.toString("base64"),
        payloadType: inTotoPayloadType,
        signatures: [{ sig: signature.toString("base64") }],
      },
    }),
  );
  return { bundle: bundleOf(content, digestOf(content)), attachment: referrerOf(request, content) };
}

function referrerOf(request: SignRequest, content: Uint8Array): MadeSignature["attachment"] {
  const { mediaType, digest, size } = request.subject;
  const annotations = {
    "dev.sigstore.bundle.content": "dsse-envelope",
    "dev.sigstore.bundle.predicateType": signaturePredicate,
    "org.opencontainers.image.created": new Date(request.now).toISOString().replace(/\.\d+Z$/, "Z"),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    artifactType: bundleMediaType,
    config: emptyDescriptor,
    layers: [{ mediaType: bundleMediaType, digest: digestOf(content), size: content.length }],
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

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found: found.slice(0, 200) });
}
