import {
  contextTag,
  type DerNode,
  derBytes,
  derChildren,
  derContent,
  derError,
  derFields,
  derTags,
  expectTag,
  parseDerInside,
} from "./der.ts";
import { derBitString, derBoolean, derInteger, derOid, derSmallInteger } from "./der-values.ts";
import { type AlternativeName, readAlternativeNames } from "./x509-general-names.ts";
import { type NameConstraints, readNameConstraints } from "./x509-name-constraints.ts";

/** An extension as it stands. `value` is the content of its OCTET STRING, `raw` the whole Extension; both views. */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Buffer;
  readonly raw: Buffer;
}

export interface BasicConstraints {
  readonly ca: boolean;
  /** How many intermediates that are not self-issued may stand between this certificate and the leaf. */
  readonly pathLength?: number;
}

const keyUsages = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;
export type KeyUsage = (typeof keyUsages)[number];

/** What the extensions that we know say; a field is absent where the extension is. */
export interface KnownExtensions {
  readonly basicConstraints?: BasicConstraints;
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  /** Object identifiers, at least one. */
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAlternativeNames?: readonly AlternativeName[];
  readonly nameConstraints?: NameConstraints;
  /** Hex. */
  readonly subjectKeyId?: string;
  /** Hex; absent also where the extension names the issuer in another way. */
  readonly authorityKeyId?: string;
}

type Reader = (value: DerNode) => KnownExtensions;

/** Extensions whose meaning is enforced, and may therefore be critical (RFC 5280 §4.2). One line each. */
const readers: Readonly<Record<string, Reader>> = {
  "2.5.29.14": (value) => ({
    subjectKeyId: keyIdOf(expectTag(value, derTags.octetString, "the subject key identifier")),
  }),
  "2.5.29.15": (value) => ({ keyUsage: readKeyUsage(value) }),
  "2.5.29.17": (value) => ({ subjectAlternativeNames: readAlternativeNames(value) }),
  "2.5.29.19": (value) => ({ basicConstraints: readBasicConstraints(value) }),
  "2.5.29.30": (value) => ({ nameConstraints: readNameConstraints(value) }),
  "2.5.29.35": readAuthorityKeyId,
  "2.5.29.37": (value) => ({ extendedKeyUsage: readExtendedKeyUsage(value) }),
};

/** The object identifier of SubjectAltName. */
export const subjectAltNameOid = "2.5.29.17";

/** Whether the meaning of the extension is enforced here; a critical one that is not makes its certificate unusable. */
export function isKnownExtension(oid: string): boolean {
  return Object.hasOwn(readers, oid);
}

/** Reads the Extensions of a certificate: at least one, each identifier once, the known ones decoded. */
export function readExtensions(node: DerNode): {
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly known: KnownExtensions;
} {
  const extensions = new Map<string, Extension>();
  const known: KnownExtensions = {};
  for (const child of derChildren(expectTag(node, derTags.sequence, "the list of extensions"))) {
    const { extension, value } = readExtension(child);
    if (extensions.has(extension.oid)) throw derError(child, "an extension is there twice", "each once", extension.oid);
    extensions.set(extension.oid, extension);
    const read = readers[extension.oid];
    if (read !== undefined) Object.assign(known, read(parseDerInside(value)));
  }
  if (extensions.size === 0) throw derError(node, "the list of extensions is empty", "at least one extension");
  return { extensions, known };
}

function readExtension(node: DerNode): { readonly extension: Extension; readonly value: DerNode } {
  const fields = derFields(expectTag(node, derTags.sequence, "an extension"));
  const oid = derOid(fields.take(derTags.oid, "the identifier of an extension"));
  const critical = readDefaultFalse(fields.optional(derTags.boolean));
  const value = fields.take(derTags.octetString, "the value of an extension");
  fields.end();
  return { extension: { oid, critical, value: derContent(value), raw: derBytes(node) }, value };
}

/** BOOLEAN DEFAULT FALSE: DER leaves the default out (X.690 §11.5). */
function readDefaultFalse(node: DerNode | undefined): boolean {
  if (node === undefined) return false;
  if (!derBoolean(node)) throw derError(node, "a default value is written out", "no BOOLEAN, or TRUE");
  return true;
}

function readBasicConstraints(value: DerNode): BasicConstraints {
  const fields = derFields(expectTag(value, derTags.sequence, "the basic constraints"));
  const ca = readDefaultFalse(fields.optional(derTags.boolean));
  const length = fields.optional(derTags.integer);
  fields.end();
  if (length === undefined) return { ca };
  if (!ca) throw derError(length, "a path length stands without CA", "CA:TRUE before a path length");
  return { ca, pathLength: derSmallInteger(length) };
}

function readKeyUsage(value: DerNode): ReadonlySet<KeyUsage> {
  const { bytes, unused } = derBitString(expectTag(value, derTags.bitString, "the key usage"));
  // Zero bits at the end, which DER leaves out, mean nothing and are written by authorities in use.
  const isSet = (bit: number) => ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
  const bits = Array.from({ length: bytes.length * 8 - unused }, (_, bit) => bit).filter(isSet);
  const usages = bits.map((bit) => keyUsages[bit]).filter((usage) => usage !== undefined);
  if (usages.length !== bits.length) throw derError(value, "a key usage is not known", keyUsages.join(", "));
  if (usages.length === 0) throw derError(value, "the key usage is empty", "at least one usage");
  return new Set(usages);
}

function readExtendedKeyUsage(value: DerNode): readonly string[] {
  const purposes = derChildren(expectTag(value, derTags.sequence, "the extended key usage"));
  if (purposes.length === 0) throw derError(value, "the extended key usage is empty", "at least one purpose");
  return purposes.map((purpose) => derOid(expectTag(purpose, derTags.oid, "a purpose")));
}

function readAuthorityKeyId(value: DerNode): KnownExtensions {
  const fields = derFields(expectTag(value, derTags.sequence, "the authority key identifier"));
  const keyId = fields.optional(contextTag(0, "primitive"));
  const issuer = fields.optional(contextTag(1, "constructed"));
  const serial = fields.optional(contextTag(2, "primitive"));
  fields.end();
  if ((issuer === undefined) !== (serial === undefined))
    throw derError(value, "the authority key identifier has issuer or serial number alone", "both or none");
  if (serial !== undefined) derInteger(serial);
  return keyId === undefined ? {} : { authorityKeyId: keyIdOf(keyId) };
}

function keyIdOf(node: DerNode): string {
  if (node.content === node.end) throw derError(node, "a key identifier is empty", "at least one byte");
  return derContent(node).toString("hex");
}
