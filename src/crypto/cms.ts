import { createHash, hash } from "node:crypto";
import {
  contextTag,
  type DerFields,
  type DerNode,
  derBytes,
  derChildren,
  derContent,
  derError,
  derFields,
  derTags,
  expectTag,
} from "./der.ts";
import { derOid, derSmallInteger } from "./der-values.ts";
import type { HashName } from "./public-key.ts";
import { type Certificate, parseCertificate } from "./x509.ts";
import { readHash, readSignatureAlgorithm, type SignatureAlgorithm } from "./x509-signature.ts";

/** Whom a SignerInfo names: issuer (DER of the name) and serial number (hex), or a subject key identifier (hex). */
export type SignerReference =
  | { readonly kind: "issuer"; readonly issuer: Buffer; readonly serial: string }
  | { readonly kind: "keyId"; readonly keyId: string };

/** A CMS SignedData with one signer and signed attributes (RFC 5652 §5): claims, until the signature is verified. */
export interface SignedData {
  /** Object identifier of what is signed. */
  readonly contentType: string;
  readonly content: Buffer;
  /** Claims, in the order they stand; read when asked for, which is where a root does not name the signer. */
  readonly certificates: readonly Certificate[];
  readonly signer: SignerReference;
  /** What the digest attribute is made with. */
  readonly hash: HashName;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Buffer;
  /** The bytes that are signed: the attributes as a SET. */
  readonly signedAttributes: Buffer;
  /** The values of the signed attributes by object identifier; each has exactly one. */
  readonly attributes: ReadonlyMap<string, DerNode>;
}

const signedDataOid = "1.2.840.113549.1.7.2";
const maxCertificates = 16;
const maxAttributes = 32;

/** The attributes that tie the signature to the content (RFC 5652 §11.1, §11.2). */
const contentTypeOid = "1.2.840.113549.1.9.3";
const messageDigestOid = "1.2.840.113549.1.9.4";

/**
 * Reads a ContentInfo that holds SignedData with encapsulated content, exactly one signer, and signed attributes whose content
 * type and digest are those of the content. Throws with the code of the source.
 */
export function readSignedData(contentInfo: DerNode): SignedData {
  const outer = derFields(expectTag(contentInfo, derTags.sequence, "the ContentInfo"));
  const type = outer.take(derTags.oid, "the content type");
  if (derOid(type) !== signedDataOid) throw derError(type, "it is not SignedData", signedDataOid, derOid(type));
  const fields = derFields(explicit(outer.take(contextTag(0, "constructed"), "the content")));
  outer.end();
  const version = derSmallInteger(fields.take(derTags.integer, "the version"));
  if (version < 1 || version > 5) throw derError(contentInfo, "the version is not known", "1 to 5", `${version}`);
  // Named once more by the signer, where it counts.
  fields.take(derTags.set, "the digest algorithms");
  const { contentType, content } = readContent(fields.take(derTags.sequence, "the encapsulated content"));
  const certificates = certificateNodes(fields.optional(contextTag(0, "constructed")));
  fields.optional(contextTag(1, "constructed"));
  const signers = fields.take(derTags.set, "the signers");
  fields.end();
  const [signerInfo, second] = derChildren(signers);
  if (signerInfo === undefined || second !== undefined)
    throw derError(signers, "it does not have one signer", "1 signer", `${derChildren(signers).length}`);
  const signer = readSigner(signerInfo);
  checkAttributes(signerInfo, signer, contentType, content);
  return {
    contentType,
    content,
    get certificates() {
      return readCertificates(certificates);
    },
    ...signer,
  };
}

function readContent(node: DerNode): { readonly contentType: string; readonly content: Buffer } {
  const fields = derFields(node);
  const contentType = derOid(fields.take(derTags.oid, "the type of the content"));
  const content = explicit(fields.take(contextTag(0, "constructed"), "the content"));
  fields.end();
  return { contentType, content: derContent(expectTag(content, derTags.octetString, "the content")) };
}

/** Kinds other than X.509 have tags of their own. */
function certificateNodes(node: DerNode | undefined): readonly DerNode[] {
  const all = node === undefined ? [] : derChildren(node).filter(({ tag }) => tag === derTags.sequence);
  if (node !== undefined && all.length > maxCertificates)
    throw derError(node, "there are too many certificates", `at most ${maxCertificates}`, `${all.length}`);
  return all;
}

/** Those that can be read: they are hints that help to find a path, and what cannot be read helps nobody. */
function readCertificates(nodes: readonly DerNode[]): readonly Certificate[] {
  return nodes.flatMap((certificate) => {
    try {
      return [parseCertificate(derBytes(certificate))];
    } catch {
      return [];
    }
  });
}

function readSigner(node: DerNode) {
  const fields = derFields(expectTag(node, derTags.sequence, "the signer"));
  const version = derSmallInteger(fields.take(derTags.integer, "the version of the signer"));
  const signer = readReference(fields);
  if (version !== (signer.kind === "issuer" ? 1 : 3))
    throw derError(node, "the version of the signer does not fit how it is named", "1 or 3", `${version}`);
  const hashNode = fields.take(derTags.sequence, "the digest algorithm");
  const hash = readHash(hashNode);
  if (hash === undefined)
    throw derError(hashNode, "the digest algorithm is not supported", "SHA-256, SHA-384, SHA-512");
  const attributesNode = fields.optional(contextTag(0, "constructed"));
  if (attributesNode === undefined) throw derError(node, "there are no signed attributes", "signed attributes", "none");
  const algorithm = readAlgorithm(fields.take(derTags.sequence, "the signature algorithm"), hash);
  const signature = derContent(fields.take(derTags.octetString, "the signature"));
  fields.optional(contextTag(1, "constructed"));
  fields.end();
  const signedAttributes = Buffer.from(derBytes(attributesNode));
  // Signed as a SET, not under the tag that they are sent with (RFC 5652 §5.4).
  signedAttributes[0] = derTags.set;
  return { signer, hash, algorithm, signature, signedAttributes, attributes: readAttributes(attributesNode) };
}

function readReference(fields: DerFields): SignerReference {
  const keyId = fields.optional(contextTag(0, "primitive"));
  if (keyId !== undefined) return { kind: "keyId", keyId: derContent(keyId).toString("hex") };
  const inner = derFields(fields.take(derTags.sequence, "the issuer and serial number"));
  const issuer = derBytes(inner.take(derTags.sequence, "the issuer"));
  const serial = derContent(inner.take(derTags.integer, "the serial number"))
    .toString("hex")
    .replace(/^00(?=.)/, "");
  inner.end();
  return { kind: "issuer", issuer, serial };
}

const keyAlgorithms: Readonly<Record<string, "rsa-pkcs1" | "ecdsa">> = {
  "1.2.840.113549.1.1.1": "rsa-pkcs1",
  "1.2.840.10045.2.1": "ecdsa",
};

/** Some name the kind of key alone; the hash is then that of the digest (RFC 3370 §3.2, RFC 5754 §3.2). */
function readAlgorithm(node: DerNode, hash: HashName): SignatureAlgorithm {
  const oid = derOid(derFields(node).take(derTags.oid, "the signature algorithm"));
  const kind = Object.hasOwn(keyAlgorithms, oid) ? keyAlgorithms[oid] : undefined;
  return kind === undefined ? readSignatureAlgorithm(node) : { kind, hash };
}

function readAttributes(node: DerNode): ReadonlyMap<string, DerNode> {
  const attributes = new Map<string, DerNode>();
  const all = derChildren(node);
  if (all.length > maxAttributes)
    throw derError(node, "there are too many attributes", `at most ${maxAttributes}`, `${all.length}`);
  for (const attribute of all) {
    const fields = derFields(expectTag(attribute, derTags.sequence, "an attribute"));
    const oid = derOid(fields.take(derTags.oid, "the type of an attribute"));
    const [value, second] = derChildren(fields.take(derTags.set, "the values of an attribute"));
    fields.end();
    if (value === undefined || second !== undefined || attributes.has(oid))
      throw derError(attribute, "an attribute does not have one value", "one value, once", oid);
    attributes.set(oid, value);
  }
  return attributes;
}

function checkAttributes(
  node: DerNode,
  signer: Pick<SignedData, "attributes" | "hash">,
  contentType: string,
  content: Buffer,
): void {
  const type = signer.attributes.get(contentTypeOid);
  if (type?.tag !== derTags.oid || derOid(type) !== contentType)
    throw derError(
      node,
      "another type of content is signed",
      contentType,
      type?.tag === derTags.oid ? derOid(type) : "none",
    );
  const digest = signer.attributes.get(messageDigestOid);
  if (digest?.tag !== derTags.octetString || !derContent(digest).equals(hash(signer.hash, content, "buffer")))
    throw derError(node, "another content is signed", `the ${signer.hash} of the content`, "another digest");
}

/** The inner value of an explicit tag: exactly one. */
export function explicit(node: DerNode): DerNode {
  const fields = derFields(node);
  const inner = fields.takeAny("a value");
  fields.end();
  return inner;
}

const signingCertificateOid = "1.2.840.113549.1.9.16.2.12";
const signingCertificateV2Oid = "1.2.840.113549.1.9.16.2.47";

/**
 * Whether the signed attributes name exactly that certificate as the signer's (RFC 2634 §5.4, RFC 5816 §2.2.1): at least one
 * of the two attributes, and every one that is there, in its first entry. Throws with the code of the source.
 */
export function namesCertificate({ attributes }: SignedData, certificate: Certificate): boolean {
  const v1 = attributes.get(signingCertificateOid);
  const v2 = attributes.get(signingCertificateV2Oid);
  if (v1 === undefined && v2 === undefined) return false;
  // SHA-1 is what the first attribute has; the certificate is also proved by its path, so a collision gains nothing.
  const fits1 =
    v1 === undefined || certificateHash(v1, false).equals(createHash("sha1").update(certificate.raw).digest());
  return fits1 && (v2 === undefined || fitsV2(v2, certificate));
}

function fitsV2(value: DerNode, certificate: Certificate): boolean {
  const entry = derFields(firstEntry(value));
  const algorithm = entry.optional(derTags.sequence);
  const name = algorithm === undefined ? "sha256" : readHash(algorithm);
  return name !== undefined && certificateHash(value, true).equals(hash(name, certificate.raw, "buffer"));
}

function firstEntry(value: DerNode): DerNode {
  const list = derFields(expectTag(value, derTags.sequence, "the signing certificate")).take(
    derTags.sequence,
    "the certificates",
  );
  return expectTag(derFields(list).takeAny("the first certificate"), derTags.sequence, "the first certificate");
}

function certificateHash(value: DerNode, withAlgorithm: boolean): Buffer {
  const entry = derFields(firstEntry(value));
  if (withAlgorithm) entry.optional(derTags.sequence);
  return derContent(entry.take(derTags.octetString, "the hash of the certificate"));
}
