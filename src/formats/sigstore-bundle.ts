import { describeJson } from "../crypto/describe-json.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf } from "../crypto/digest.ts";
import {
  type DsseEnvelope,
  dssePae,
  type EnvelopeFrame,
  formatDsseEnvelope,
  parseDsseEnvelope,
} from "../crypto/dsse.ts";
import { isJsonObject, parseMember, readJsonMembers } from "../crypto/json.ts";
import { TrustError, toFinding } from "../errors.ts";
import type { EvidencePlaces } from "../oci/evidence-places.ts";
import { type Descriptor, emptyDescriptor, emptyJson, type ImageManifest, mediaTypes } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { makeAttestation, proveEnvelope } from "./envelope.ts";
import {
  type AttestRequest,
  type FoundSignatures,
  type MadeSignature,
  maxAttestationBytes,
  maxSignatureBytes,
  type Proof,
  readsAtOnce,
  type Search,
  type SignatureBundle,
  type SignatureFormat,
  type SignRequest,
  type TrustMaterial,
} from "./format.ts";
import { findReferrers } from "./referring.ts";
import { inTotoPayloadType, signaturePredicate, statementV1 } from "./statement.ts";

const name = "bundle";
export const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";
const predicateTypeAnnotation = "dev.sigstore.bundle.predicateType";
const bundleMediaTypePrefix = "application/vnd.dev.sigstore.bundle";
export const readableBundles = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3\+json|\+json;version=0\.[123])$/;

/** Sigstore bundles on OCI referrers: what cosign 3 writes (sigstore/protobuf-specs, sigstore_bundle.proto v0.3). */
export const sigstoreBundle: SignatureFormat = { name, find, verify, sign, attest };

async function find(places: EvidencePlaces, subject: Digest, search: Search = {}): Promise<FoundSignatures> {
  const { manifests, findings, complete } = await findReferrers(places, subject);
  const located = manifests.flatMap(({ manifest }) => bundleIn(manifest));
  const isWanted = ({ predicateType }: Located) => predicateType === search.predicateType;
  // Small ones first: attestations of megabytes must not use up what may be read before the signatures are.
  const layers = located.sort((a, b) => Number(isWanted(b)) - Number(isWanted(a)) || a.layer.size - b.layer.size);
  const maxBytes = search.attestations === true ? maxAttestationBytes : maxSignatureBytes;
  const found = await mapLimit(layers, readsAtOnce, ({ layer }) => read(places, layer, maxBytes));
  return {
    bundles: found.flatMap((item) => ("bundle" in item ? [item.bundle] : [])),
    findings: [...findings, ...found.flatMap((item) => ("finding" in item ? [item.finding] : []))],
    complete,
  };
}

interface Located {
  readonly layer: Descriptor;
  /** What the manifest says of it; not signed. */
  readonly predicateType: string | undefined;
}

function bundleIn({ layers, annotations }: ImageManifest): readonly Located[] {
  const [layer, second] = layers;
  if (layer === undefined || second !== undefined || !layer.mediaType.startsWith(bundleMediaTypePrefix)) return [];
  return [{ layer, predicateType: annotations[predicateTypeAnnotation] }];
}

async function read(places: EvidencePlaces, layer: Descriptor, maxBytes: number) {
  try {
    return { bundle: bundleOf(await places.blob(layer, maxBytes), layer.digest) };
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
  const bundle = readJsonMembers(content, "the bundle");
  const mediaType = parseMember(bundle, "mediaType");
  if (typeof mediaType !== "string" || !readableBundles.test(mediaType))
    throw malformed("unknown media type of a bundle", bundleMediaType, describeJson(mediaType));
  const envelope = bundle.get("dsseEnvelope");
  if (envelope === undefined)
    throw malformed("the bundle does not sign an image", "dsseEnvelope", [...bundle.keys()].slice(0, 10).join(", "));
  return { hint: keyHint(parseMember(bundle, "verificationMaterial")), envelope: parseDsseEnvelope(envelope) };
}

/** The key id a bundle names, in hex. Clients differ in what they put there, so a strange hint is no hint. */
function keyHint(material: unknown): string | undefined {
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
  return proveEnvelope(bundle, envelope, hint, subject, trust);
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
  const signature = await request.signer.sign(dssePae(inTotoPayloadType, payload));
  const content = formatDsseEnvelope(inTotoPayloadType, payload, signature, frameOf(request));
  return made(request, signaturePredicate, content);
}

async function attest(request: AttestRequest): Promise<MadeSignature> {
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

function malformed(message: string, expected: string, found: string): TrustError {
  return new TrustError("SIGNATURE_MALFORMED", message, { expected, found: found.slice(0, 200) });
}
