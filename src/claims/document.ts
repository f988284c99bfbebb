import { isJsonObject } from "../crypto/json.ts";
import { signaturePredicate } from "../formats/statement.ts";
import { certificateClaims, isReadable, pemCertificateClaims } from "./certificate.ts";
import { memberOf, present, readLoosely, textOf } from "./loose.ts";
import { pemClaims } from "./pem.ts";
import { bundleClaims, envelopeClaims, jwsClaims, simpleSigningClaims } from "./signature.ts";
import { trustedRootClaims } from "./trusted-root.ts";
import { rekorBundleClaims } from "./witness.ts";

/** What some bytes are, and what they say. All of it is claims. Plain JSON. */
export interface DocumentClaims {
  readonly what: string;
  readonly says: Readonly<Record<string, unknown>>;
}

export interface DocumentHints {
  /** As whoever handed it over calls it; the content decides where it can. */
  readonly mediaType?: string | undefined;
  /** Of the layer it came in: cosign keeps signature, certificate and log entry there. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

const maxPemBytes = 4 * 1024 * 1024;

/** Tells what a file or a blob is by its content, and decodes it. Never throws. */
export function documentClaims(bytes: Uint8Array, hints: DocumentHints = {}): DocumentClaims {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length <= maxPemBytes && buffer.includes("-----BEGIN ")) {
    const text = buffer.toString("utf8");
    // A bundle may hold PEM in one of its strings.
    if (!/^\s*[{[]/.test(text)) return pemDocument(text);
  }
  if (hints.mediaType === "application/cose" || buffer[0] === 0xd2)
    return { what: "Notation signature, COSE", says: { note: "COSE is not decoded; --raw prints its bytes" } };
  if (buffer[0] === 0x30) {
    const certificate = certificateClaims(buffer);
    if (isReadable(certificate)) return { what: "certificate, DER", says: { ...certificate } };
  }
  const { value, problem } = readLoosely(bytes);
  if (value === undefined) return { what: "not known", says: present({ problem }) };
  const known = jsonDocument(value, bytes, hints);
  return known ?? { what: "JSON", says: { ...present({ problem }), content: value } };
}

function pemDocument(text: string): DocumentClaims {
  const blocks = pemClaims(text);
  const [first] = blocks;
  if (first !== undefined && blocks.length === 1) return { what: first.what, says: first.says };
  return {
    what: blocks.length === 0 ? "PEM without an end" : `PEM, ${blocks.length} blocks`,
    says: { blocks: blocks.map(({ what, says }) => ({ what, ...says })) },
  };
}

/** By the members that only one kind of document has; the first row that fits. */
function jsonDocument(value: unknown, bytes: Uint8Array, { annotations }: DocumentHints): DocumentClaims | undefined {
  if (!isJsonObject(value)) return undefined;
  const has = (...names: readonly string[]) => names.every((name) => Object.hasOwn(value, name));
  const mediaType = textOf(value["mediaType"], 200) ?? "";
  if (mediaType.includes("sigstore.bundle") || has("verificationMaterial"))
    return { what: "Sigstore bundle", says: { ...bundleClaims(bytes) } };
  if (has("payload", "payloadType", "signatures")) {
    const claims = envelopeClaims(bytes, annotations);
    return { what: `DSSE envelope, ${roleOf(claims.predicateType)}`, says: { ...claims } };
  }
  if (has("payload", "protected", "signature"))
    return { what: "Notation signature, JWS", says: { ...jwsClaims(bytes) } };
  if (has("critical")) return { what: "simple signing payload", says: { ...simpleSigningClaims(bytes, annotations) } };
  if (has("_type", "predicateType"))
    return { what: `in-toto statement, ${roleOf(textOf(value["predicateType"]))}, unsigned`, says: { content: value } };
  if (mediaType.includes("trustedroot") || has("tlogs", "certificateAuthorities"))
    return { what: "Sigstore trusted root", says: trustedRootClaims(value) };
  if (mediaType.includes("signingconfig")) return { what: "Sigstore signing configuration", says: { content: value } };
  if (has("SignedEntryTimestamp", "Payload"))
    return { what: "log entry of cosign", says: { ...rekorBundleClaims(value) } };
  if (has("rootfs", "architecture")) return { what: "image configuration", says: { content: value } };
  if (has("base64Signature")) return { what: "cosign's older bundle of a file", says: blobBundle(value) };
  return undefined;
}

function roleOf(predicateType: string | undefined): string {
  if (predicateType === undefined) return "no statement";
  return predicateType === signaturePredicate ? "a signature" : "an attestation";
}

/** `cosign sign-blob --bundle` before Sigstore bundles. */
function blobBundle(value: unknown): Readonly<Record<string, unknown>> {
  const cert = textOf(memberOf(value, "cert"), 64 * 1024);
  const pem = cert === undefined ? "" : Buffer.from(cert, "base64").toString("utf8");
  return {
    signatureBytes: Buffer.from(textOf(memberOf(value, "base64Signature")) ?? "", "base64").length,
    ...present({ publicKey: pem.includes("PUBLIC KEY") ? pemClaims(pem)[0]?.says : undefined }),
    certificates: pemCertificateClaims(pem),
    log: memberOf(value, "rekorBundle") === undefined ? [] : [rekorBundleClaims(memberOf(value, "rekorBundle"))],
  };
}
