import { isJsonObject } from "../crypto/json.ts";
import { signatureAnnotation } from "../formats/cosign-layers.ts";
import { signaturePredicate, stringValues } from "../formats/statement.ts";
import {
  type CertificateClaims,
  certificateClaims,
  pemCertificateClaims,
  type UnreadableCertificate,
} from "./certificate.ts";
import { bytesOf, memberOf, objectsOf, present, readLoosely, textOf } from "./loose.ts";
import {
  type LogEntryClaims,
  logEntryClaims,
  rekorBundleClaims,
  type TimestampClaims,
  timestampClaims,
} from "./witness.ts";

/** What a signature or attestation says of itself. Every word is a claim until a verifier has proved it. Plain JSON. */
export interface SignatureClaims {
  readonly form: "bundle" | "envelope" | "simple-signing" | "notation-jws" | "notation-cose" | "unreadable";
  readonly isAttestation: boolean;
  readonly mediaType?: string;
  readonly payloadType?: string;
  readonly predicateType?: string;
  /** Digests that it says it is about, at most 20. */
  readonly subjects: readonly string[];
  /** The image name inside simple signing. */
  readonly dockerReference?: string;
  /** Annotations inside what is signed. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Which key it names: hex where it is a key id, else as it stands. */
  readonly keyHint?: string;
  /** The leaf first. */
  readonly certificates: readonly (CertificateClaims | UnreadableCertificate)[];
  readonly log: readonly LogEntryClaims[];
  readonly timestamps: readonly TimestampClaims[];
  /** When it says it was made, inside what is signed. */
  readonly signingTime?: string;
  readonly signatures: number;
  /** What is signed, decoded. */
  readonly payload?: unknown;
  readonly problems: readonly string[];
}

const nothing = { subjects: [], annotations: {}, certificates: [], log: [], timestamps: [], problems: [] };

/** Reads a Sigstore bundle (sigstore/protobuf-specs, sigstore_bundle.proto). Never throws. */
export function bundleClaims(content: Uint8Array): SignatureClaims {
  const { value, problem } = readLoosely(content);
  const material = memberOf(value, "verificationMaterial");
  const chain = objectsOf(memberOf(material, "x509CertificateChain", "certificates"), 20);
  const leaf = memberOf(material, "certificate", "rawBytes");
  const raw = leaf === undefined ? chain.map(({ rawBytes }) => rawBytes) : [leaf];
  const tokens = objectsOf(memberOf(material, "timestampVerificationData", "rfc3161Timestamps"), 20);
  const envelope = memberOf(value, "dsseEnvelope");
  const message = memberOf(value, "messageSignature");
  const inner = envelope === undefined ? messageClaims(message) : envelopeFields(envelope);
  return {
    form: "bundle",
    ...nothing,
    ...inner,
    ...present({
      mediaType: textOf(memberOf(value, "mediaType"), 200),
      keyHint: keyHint(memberOf(material, "publicKey", "hint")),
    }),
    certificates: raw.flatMap((item) => bytesOf(item) ?? []).map(certificateClaims),
    log: logEntryClaims(memberOf(material, "tlogEntries")),
    timestamps: timestampClaims(tokens.map(({ signedTimestamp }) => signedTimestamp)),
    problems: [...(problem === undefined ? [] : [problem]), ...inner.problems],
  };
}

/** Reads a DSSE envelope, with what its layer's annotations say of the signer. Never throws. */
export function envelopeClaims(
  content: Uint8Array,
  annotations: Readonly<Record<string, string>> = {},
): SignatureClaims {
  const { value, problem } = readLoosely(content);
  const inner = envelopeFields(value);
  return {
    form: "envelope",
    ...nothing,
    ...inner,
    ...annotationClaims(annotations),
    problems: [...(problem === undefined ? [] : [problem]), ...inner.problems],
  };
}

/** Reads a simple signing payload (containers/image, docs/containers-signature.5.md). Never throws. */
export function simpleSigningClaims(
  content: Uint8Array,
  annotations: Readonly<Record<string, string>> = {},
): SignatureClaims {
  const { value, problem } = readLoosely(content);
  const digest = textOf(memberOf(value, "critical", "image", "docker-manifest-digest"), 200);
  return {
    form: "simple-signing",
    ...nothing,
    isAttestation: false,
    ...present({ dockerReference: textOf(memberOf(value, "critical", "identity", "docker-reference"), 1000) }),
    subjects: digest === undefined ? [] : [digest],
    annotations: stringValues(memberOf(value, "optional")),
    signatures: annotations[signatureAnnotation] === undefined ? 0 : 1,
    ...(value === undefined ? {} : { payload: value }),
    ...annotationClaims(annotations),
    problems: problem === undefined ? [] : [problem],
  };
}

/** Reads a Notation signature in JWS (notaryproject/specifications, signature-envelope-jws.md). Never throws. */
export function jwsClaims(content: Uint8Array): SignatureClaims {
  const { value, problem } = readLoosely(content);
  const header = memberOf(value, "header");
  const payload = readLoosely(bytesOf(memberOf(value, "payload")) ?? Buffer.of());
  const signed = readLoosely(bytesOf(memberOf(value, "protected")) ?? Buffer.of());
  const chain = memberOf(header, "x5c");
  const target = memberOf(payload.value, "targetArtifact");
  const digest = textOf(memberOf(target, "digest"), 200);
  return {
    form: "notation-jws",
    ...nothing,
    isAttestation: false,
    ...present({
      payloadType: textOf(memberOf(signed.value, "cty"), 200),
      signingTime:
        textOf(memberOf(signed.value, "io.cncf.notary.signingTime"), 100) ??
        textOf(memberOf(signed.value, "io.cncf.notary.authenticSigningTime"), 100),
    }),
    subjects: digest === undefined ? [] : [digest],
    annotations: stringValues(memberOf(target, "annotations")),
    certificates: (Array.isArray(chain) ? chain.slice(0, 20) : [])
      .flatMap((item) => bytesOf(item) ?? [])
      .map(certificateClaims),
    timestamps: timestampClaims([memberOf(header, "io.cncf.notary.timestampSignature")]),
    signatures: memberOf(value, "signature") === undefined ? 0 : 1,
    ...(payload.value === undefined ? {} : { payload: { protected: signed.value, payload: payload.value } }),
    problems: [problem, payload.problem, signed.problem].flatMap((item) => item ?? []),
  };
}

function envelopeFields(envelope: unknown) {
  const payload = bytesOf(memberOf(envelope, "payload"));
  const signatures = objectsOf(memberOf(envelope, "signatures"));
  const payloadType = textOf(memberOf(envelope, "payloadType"), 200);
  const statement = payload === undefined ? { value: undefined, problem: "no payload" } : readLoosely(payload);
  const subjects = objectsOf(memberOf(statement.value, "subject"), 20);
  const predicateType = textOf(memberOf(statement.value, "predicateType"), 1000);
  const keyid = textOf(signatures[0]?.["keyid"], 200);
  return {
    ...present({ payloadType, predicateType, keyHint: keyid === "" ? undefined : keyid }),
    isAttestation: predicateType !== undefined && predicateType !== signaturePredicate,
    subjects: subjects.flatMap(({ digest }) =>
      Object.entries(stringValues(digest)).map(([algorithm, hex]) => `${algorithm}:${hex}`.slice(0, 200)),
    ),
    annotations: Object.assign({}, ...subjects.map(({ annotations }) => stringValues(annotations))) as Readonly<
      Record<string, string>
    >,
    signatures: signatures.length,
    ...(statement.value === undefined ? {} : { payload: statement.value }),
    problems: [
      ...(statement.problem === undefined ? [] : [`the payload: ${statement.problem}`]),
      ...(signatures.length === 1 ? [] : [`${signatures.length} signatures in one envelope: verifiers want one`]),
    ],
  };
}

function messageClaims(message: unknown) {
  if (!isJsonObject(message))
    return { isAttestation: false, signatures: 0, problems: ["neither an envelope nor a signature of a file"] };
  const digest = bytesOf(memberOf(message, "messageDigest", "digest"))?.toString("hex");
  const algorithm = textOf(memberOf(message, "messageDigest", "algorithm"), 50);
  return {
    isAttestation: false,
    signatures: message["signature"] === undefined ? 0 : 1,
    subjects: digest === undefined ? [] : [`${algorithm?.toLowerCase().replace("sha2_", "sha") ?? "?"}:${digest}`],
    problems: [],
  };
}

/** What cosign puts beside a signature, in annotations of its layer. */
function annotationClaims(annotations: Readonly<Record<string, string>>) {
  const pem = [annotations["dev.sigstore.cosign/certificate"], annotations["dev.sigstore.cosign/chain"]];
  const log = annotations["dev.sigstore.cosign/bundle"];
  const timestamp = annotations["dev.sigstore.cosign/rfc3161timestamp"];
  const token = timestamp === undefined ? undefined : readLoosely(Buffer.from(timestamp)).value;
  return {
    certificates: pem.flatMap((text) => (text === undefined ? [] : pemCertificateClaims(text))),
    log: log === undefined ? [] : [rekorBundleClaims(readLoosely(Buffer.from(log)).value)],
    timestamps: timestampClaims([memberOf(token, "SignedRFC3161Timestamp")]),
  };
}

/** Key ids are 32 bytes in base64; cosign 3 writes them so, others write what they like. */
function keyHint(hint: unknown): string | undefined {
  const text = textOf(hint, 200);
  if (text === undefined || text === "") return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === 32 ? bytes.toString("hex") : text;
}
