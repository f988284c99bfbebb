import { TrustError } from "../errors.ts";
import { namesCertificate, readSignedData, type SignedData } from "./cms.ts";
import {
  contextTag,
  type DerFields,
  type DerNode,
  derChildren,
  derContent,
  derError,
  derFields,
  derTags,
  expectTag,
  parseDer,
} from "./der.ts";
import { derGeneralizedTime } from "./der-generalized-time.ts";
import { derInteger, derOid, derSmallInteger } from "./der-values.ts";
import type { HashName } from "./public-key.ts";
import { type Certificate, publicKeyOf } from "./x509.ts";
import { isSignedWith, readHash } from "./x509-signature.ts";

/** A time-stamp token (RFC 3161 §2.4.2): claims, until {@link isTokenSignedBy} and the path of that certificate prove them. */
export interface TimestampToken {
  readonly signedData: SignedData;
  /** The digest of what is stamped. */
  readonly imprint: { readonly hash: HashName; readonly digest: Buffer };
  /** Milliseconds since 1970, fractions included. */
  readonly at: number;
  /** How far the time may be off, in milliseconds; 0 where the token does not say. */
  readonly accuracy: number;
  /** Object identifier. */
  readonly policy: string;
  /** Hex. */
  readonly serial: string;
}

const tstInfoOid = "1.2.840.113549.1.9.16.1.4";
const maxBytes = 128 * 1024;
const maxNumberBytes = 32;
const what = "the timestamp";
const code = "TIMESTAMP_INVALID";

/** Reads a TimeStampResp (RFC 3161 §2.4.2), what Sigstore keeps: granted, with its token. Throws `TIMESTAMP_INVALID`. */
export function parseTimestampResponse(der: Uint8Array): TimestampToken {
  const fields = derFields(expectTag(parseDer(der, { what, code, maxBytes }), derTags.sequence, "the response"));
  const statusInfo = fields.take(derTags.sequence, "the status");
  const status = derSmallInteger(derFields(statusInfo).take(derTags.integer, "the status"));
  // 0 granted, 1 granted with modifications; in every other case there is no token.
  if (status > 1) throw derError(statusInfo, "the timestamp was not granted", "status 0 or 1", `${status}`);
  const token = fields.take(derTags.sequence, "the token");
  fields.end();
  return readToken(token);
}

/** Reads a bare TimeStampToken, what Notation keeps. Throws `TIMESTAMP_INVALID`. */
export function parseTimestampToken(der: Uint8Array): TimestampToken {
  return readToken(parseDer(der, { what, code, maxBytes }));
}

function readToken(node: DerNode): TimestampToken {
  const signedData = readSignedData(node);
  if (signedData.contentType !== tstInfoOid)
    throw derError(node, "it does not hold a timestamp", tstInfoOid, signedData.contentType);
  return { signedData, ...readTstInfo(parseDer(signedData.content, { what, code, maxBytes })) };
}

function readTstInfo(node: DerNode): Omit<TimestampToken, "signedData"> {
  const fields = derFields(expectTag(node, derTags.sequence, "the timestamp"));
  const version = derSmallInteger(fields.take(derTags.integer, "the version"));
  if (version !== 1) throw derError(node, "the version is not known", "1", `${version}`);
  const policy = derOid(fields.take(derTags.oid, "the policy"));
  const imprint = readImprint(fields.take(derTags.sequence, "the imprint"));
  const serial = number(fields.take(derTags.integer, "the serial number"));
  const at = derGeneralizedTime(fields.take(derTags.generalizedTime, "the time"));
  const accuracy = readAccuracy(fields.optional(derTags.sequence));
  fields.optional(derTags.boolean);
  readOptionals(fields);
  fields.end();
  return { imprint, at, accuracy, policy, serial };
}

/** Nonce and name of the authority say nothing that is believed; extensions that are critical would. */
function readOptionals(fields: DerFields): void {
  const nonce = fields.optional(derTags.integer);
  if (nonce !== undefined) number(nonce);
  fields.optional(contextTag(0, "constructed"));
  const extensions = fields.optional(contextTag(1, "constructed"));
  if (extensions === undefined) return;
  const critical = derChildren(extensions).find((extension) => derChildren(extension)[1]?.tag === derTags.boolean);
  if (critical !== undefined)
    throw derError(critical, "it has an extension that is critical, and not understood", "none");
}

function number(node: DerNode): string {
  const bytes = derInteger(node);
  if (bytes.length > maxNumberBytes) throw derError(node, "a number is too long", `at most ${maxNumberBytes} bytes`);
  return bytes.toString("hex");
}

function readImprint(node: DerNode): TimestampToken["imprint"] {
  const fields = derFields(node);
  const algorithm = fields.take(derTags.sequence, "the hash algorithm");
  const hash = readHash(algorithm);
  const digest = derContent(fields.take(derTags.octetString, "the hash"));
  fields.end();
  if (hash === undefined)
    throw derError(algorithm, "the hash of the imprint is not supported", "SHA-256, SHA-384 or SHA-512");
  return { hash, digest };
}

/** Accuracy (RFC 3161 §2.4.2): seconds, and milli- and microseconds up to 999. */
function readAccuracy(node: DerNode | undefined): number {
  if (node === undefined) return 0;
  const fields = derFields(node);
  const seconds = fields.optional(derTags.integer);
  const [millis = 0, micros = 0] = [0, 1].map((tag) => {
    const part = fields.optional(contextTag(tag, "primitive"));
    const value = part === undefined ? 0 : derSmallInteger(part);
    if (part !== undefined && value > 999) throw derError(part, "the accuracy is out of range", "0 to 999", `${value}`);
    return value;
  });
  fields.end();
  return (seconds === undefined ? 0 : derSmallInteger(seconds)) * 1000 + millis + micros / 1000;
}

/** Whether the token names that certificate as its signer's: by issuer and serial number, or by key identifier. */
export function isSignerOf({ signedData: { signer } }: TimestampToken, certificate: Certificate): boolean {
  if (signer.kind === "keyId") return certificate.subjectKeyId === signer.keyId;
  return certificate.issuer.raw.equals(signer.issuer) && certificate.serial === signer.serial;
}

const extendedKeyUsageOid = "2.5.29.37";
const timeStamping = "1.3.6.1.5.5.7.3.8";

/**
 * Proves that the key of that certificate made the token: the token names the certificate, the certificate is for timestamps
 * and nothing else, critically (RFC 3161 §2.3), and the signature is valid. The path of the certificate is another matter.
 * Throws `TIMESTAMP_INVALID` or `CERTIFICATE_INVALID`.
 */
export async function checkTokenSigner(token: TimestampToken, certificate: Certificate): Promise<void> {
  const { signedData } = token;
  if (!isSignerOf(token, certificate) || !namesCertificate(signedData, certificate))
    throw invalid(
      "the timestamp names another certificate as its signer's",
      "the certificate of its authority",
      "another",
    );
  const { extendedKeyUsage = [] } = certificate;
  const isAlone = extendedKeyUsage.length === 1 && extendedKeyUsage[0] === timeStamping;
  if (!isAlone || certificate.extensions.get(extendedKeyUsageOid)?.critical !== true)
    throw invalid(
      "the certificate of the timestamp authority is not for timestamps alone",
      "extended key usage timeStamping, critical, and no other",
      extendedKeyUsage.slice(0, 10).join(", ") || "none",
    );
  const { algorithm, signedAttributes, signature } = signedData;
  if (!(await isSignedWith(algorithm, publicKeyOf(certificate).keyObject, signedAttributes, signature)))
    throw invalid("the signature of the timestamp is not valid", "a signature of its authority", "another");
}

function invalid(message: string, expected: string, found: string): TrustError {
  return new TrustError(code, message, { expected, found });
}
