import { createPublicKey, hash } from "node:crypto";
import { TrustError } from "../errors.ts";
import {
  contextTag,
  type DerFields,
  type DerNode,
  derBytes,
  derError,
  derFields,
  derTags,
  expectTag,
  parseDer,
} from "./der.ts";
import { derBitStringOctets, derInteger, derOid, derSmallInteger, derTime } from "./der-values.ts";
import { type PublicKey, readCanonicalKey, toPublicKey } from "./public-key.ts";
import {
  type BasicConstraints,
  type Extension,
  type KeyUsage,
  type KnownExtensions,
  readExtensions,
  subjectAltNameOid,
} from "./x509-extensions.ts";
import type { AlternativeName } from "./x509-general-names.ts";
import { type DistinguishedName, readName } from "./x509-name.ts";
import type { NameConstraints } from "./x509-name-constraints.ts";
import { readSignatureAlgorithm, type SignatureAlgorithm } from "./x509-signature.ts";

/**
 * A certificate as it stands (RFC 5280 §4.1): a claim, until a path to a root proves it. All buffers are views of `raw`,
 * which is its own copy.
 */
export interface Certificate {
  readonly raw: Buffer;
  /** Hex SHA-256 of `raw`. */
  readonly fingerprint: string;
  /** The bytes that are signed. */
  readonly tbs: Buffer;
  readonly version: 1 | 3;
  /** Hex, without leading zeros. */
  readonly serial: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  /** First and last moment of validity, milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo as it stands; see {@link publicKeyOf}. */
  readonly spki: Buffer;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Buffer;
  /** By object identifier. */
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly basicConstraints?: BasicConstraints;
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  /** Object identifiers, at least one. */
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAlternativeNames: readonly AlternativeName[];
  readonly nameConstraints?: NameConstraints;
  /** Hex. */
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: string;
}

const maxBytes = 64 * 1024;
const maxSerialBytes = 20;

/** Reads one certificate in DER, all of it, strictly; bounded at 64 KiB. Throws `CERTIFICATE_INVALID`. */
export function parseCertificate(der: Uint8Array): Certificate {
  const root = parseDer(der.length > maxBytes ? der : Buffer.from(der), {
    what: "the certificate",
    code: "CERTIFICATE_INVALID",
    maxBytes,
  });
  const fields = derFields(expectTag(root, derTags.sequence, "the certificate"));
  const tbs = fields.take(derTags.sequence, "the signed part");
  const algorithm = fields.take(derTags.sequence, "the signature algorithm");
  const signature = derBitStringOctets(fields.take(derTags.bitString, "the signature"));
  fields.end();
  return {
    raw: derBytes(root),
    fingerprint: hash("sha256", derBytes(root), "hex"),
    tbs: derBytes(tbs),
    signature,
    ...readSignedPart(tbs, algorithm),
  };
}

function readSignedPart(tbs: DerNode, outerAlgorithm: DerNode) {
  const fields = derFields(tbs);
  const version = readVersion(fields.optional(contextTag(0, "constructed")));
  const serial = readSerial(fields.take(derTags.integer, "the serial number"));
  const algorithm = fields.take(derTags.sequence, "the signature algorithm");
  if (!derBytes(algorithm).equals(derBytes(outerAlgorithm)))
    throw derError(algorithm, "two signature algorithms are named", "the algorithm outside the signed part", "another");
  const issuerNode = fields.take(derTags.sequence, "the issuer");
  const issuer = readName(issuerNode);
  if (issuer.rdns.length === 0) throw derError(issuerNode, "the issuer is empty", "a name");
  const validity = readValidity(fields.take(derTags.sequence, "the validity"));
  const subjectNode = fields.take(derTags.sequence, "the subject");
  const subject = readName(subjectNode);
  const spki = fields.take(derTags.sequence, "the public key");
  checkSpki(spki);
  const { extensions, known } = readOptionalExtensions(fields, version);
  fields.end();
  checkSubject(subjectNode, subject, extensions, known);
  return {
    version,
    serial,
    signatureAlgorithm: readSignatureAlgorithm(algorithm),
    issuer,
    ...validity,
    subject,
    spki: derBytes(spki),
    extensions,
    subjectAlternativeNames: [],
    ...known,
  };
}

/** v1 is the default, and so never written out; v2 was never used. */
function readVersion(node: DerNode | undefined): 1 | 3 {
  if (node === undefined) return 1;
  const fields = derFields(node);
  const version = derSmallInteger(fields.take(derTags.integer, "the version"));
  fields.end();
  if (version !== 2) throw derError(node, "the version is not known", "v3, or v1 by default", `v${version + 1}`);
  return 3;
}

/** RFC 5280 §4.1.2.2, but for zero, which roots in use have. */
function readSerial(node: DerNode): string {
  const bytes = derInteger(node);
  if ((bytes[0] ?? 0) >= 0x80) throw derError(node, "the serial number is negative", "0 or more");
  if (bytes.length > maxSerialBytes)
    throw derError(node, "the serial number is too long", `at most ${maxSerialBytes} bytes`, `${bytes.length} bytes`);
  return bytes.toString("hex").replace(/^00(?=.)/, "");
}

function readValidity(node: DerNode): { readonly notBefore: number; readonly notAfter: number } {
  const fields = derFields(node);
  const notBefore = derTime(fields.takeAny("the start of the validity"));
  const notAfter = derTime(fields.takeAny("the end of the validity"));
  fields.end();
  if (notAfter < notBefore) throw derError(node, "the validity ends before it starts", "an end at or after the start");
  return { notBefore, notAfter };
}

/** The form alone: a list of roots may hold keys of kinds that are never used. */
function checkSpki(node: DerNode): void {
  const fields = derFields(node);
  derFields(fields.take(derTags.sequence, "the algorithm of the key")).take(derTags.oid, "the algorithm of the key");
  derBitStringOctets(fields.take(derTags.bitString, "the key"));
  fields.end();
}

/** Unique identifiers ([1], [2]) are not read: no certificate may have them (RFC 5280 §4.1.2.8). */
function readOptionalExtensions(fields: DerFields, version: 1 | 3): ReturnType<typeof readExtensions> {
  const node = fields.optional(contextTag(3, "constructed"));
  if (node === undefined) return { extensions: new Map(), known: {} };
  if (version !== 3) throw derError(node, "extensions are in a certificate that cannot have them", "v3", "v1");
  const inner = derFields(node);
  const list = inner.take(derTags.sequence, "the list of extensions");
  inner.end();
  return readExtensions(list);
}

/** RFC 5280 §4.1.2.6: an authority has a name, and whoever has none is named by a critical alternative name. */
function checkSubject(
  node: DerNode,
  subject: DistinguishedName,
  extensions: ReadonlyMap<string, Extension>,
  known: KnownExtensions,
): void {
  if (subject.rdns.length > 0) return;
  if (known.basicConstraints?.ca === true) throw derError(node, "the subject of an authority is empty", "a name");
  if (extensions.get(subjectAltNameOid)?.critical !== true)
    throw derError(node, "nobody is named", "a subject, or a critical subject alternative name");
}

const keyAlgorithms: Readonly<Record<string, (parameters: DerNode | undefined) => boolean>> = {
  "1.2.840.10045.2.1": (parameters) => parameters?.tag === derTags.oid,
  "1.2.840.113549.1.1.1": (parameters) => parameters?.tag === derTags.null,
  "1.3.101.112": (parameters) => parameters === undefined,
};

const publicKeys = new WeakMap<Certificate, PublicKey>();

/**
 * The key of the certificate in canonical form, read once. Throws `CERTIFICATE_INVALID` for keys that are malformed or not
 * supported: curves by other than their name, RSA below 2048 bits, other kinds.
 */
export function publicKeyOf(certificate: Certificate): PublicKey {
  const known = publicKeys.get(certificate);
  if (known !== undefined) return known;
  const key = readKey(certificate.spki);
  publicKeys.set(certificate, key);
  return key;
}

function readKey(spki: Buffer): PublicKey {
  const root = parseDer(spki, { what: "the key of the certificate", code: "CERTIFICATE_INVALID", maxBytes });
  const algorithm = derFields(derFields(root).take(derTags.sequence, "the algorithm of the key"));
  const oid = derOid(algorithm.take(derTags.oid, "the algorithm of the key"));
  const isPlain = Object.hasOwn(keyAlgorithms, oid) ? keyAlgorithms[oid] : undefined;
  const parameters = algorithm.optional(derTags.oid) ?? algorithm.optional(derTags.null);
  // Curves given by their numbers never reach OpenSSL.
  if (isPlain?.(parameters) !== true) throw derError(root, "its algorithm is not supported", supportedKeys, oid);
  algorithm.end();
  try {
    return readCanonicalKey(spki) ?? toPublicKey(createPublicKey({ key: spki, format: "der", type: "spki" }));
  } catch (cause) {
    const found = cause instanceof TrustError ? cause.found : undefined;
    throw new TrustError("CERTIFICATE_INVALID", "the key of the certificate cannot be used", {
      expected: supportedKeys,
      found,
      cause,
    });
  }
}

const supportedKeys = "ECDSA P-256, P-384 or P-521 by name, Ed25519, RSA of 2048 to 16384 bits";

/** A name for messages: the subject, else the first alternative name, and the start of the fingerprint. */
export function describeCertificate({ subject, subjectAlternativeNames, fingerprint }: Certificate): string {
  const name = subject.text || subjectAlternativeNames.find(({ value }) => value !== undefined)?.value || "no name";
  return `${name.slice(0, 200)} (sha256 ${fingerprint.slice(0, 16)}…)`;
}
