import { constants, type KeyObject } from "node:crypto";
import { contextTag, type DerNode, derFields, derTags, expectTag } from "./der.ts";
import { derOid, derSmallInteger } from "./der-values.ts";
import type { HashName } from "./public-key.ts";
import { verifySignature } from "./verify-signature.ts";

/** How a certificate, list or token is signed. What we do not verify is `unsupported`: readable, never valid. */
export type SignatureAlgorithm =
  | { readonly kind: "ecdsa" | "rsa-pkcs1" | "rsa-pss"; readonly hash: HashName }
  | { readonly kind: "ed25519" }
  | { readonly kind: "unsupported"; readonly oid: string };

const rsaPss = "1.2.840.113549.1.1.10";
const mgf1 = "1.2.840.113549.1.1.8";

/** RFC 5758 §3.2, RFC 8017 §A.2.4, RFC 8410 §3. One line each; SHA-1 and MD5 are left out on purpose. */
const algorithmsByOid: Readonly<Record<string, SignatureAlgorithm>> = {
  "1.2.840.10045.4.3.2": { kind: "ecdsa", hash: "sha256" },
  "1.2.840.10045.4.3.3": { kind: "ecdsa", hash: "sha384" },
  "1.2.840.10045.4.3.4": { kind: "ecdsa", hash: "sha512" },
  "1.2.840.113549.1.1.11": { kind: "rsa-pkcs1", hash: "sha256" },
  "1.2.840.113549.1.1.12": { kind: "rsa-pkcs1", hash: "sha384" },
  "1.2.840.113549.1.1.13": { kind: "rsa-pkcs1", hash: "sha512" },
  "1.3.101.112": { kind: "ed25519" },
};

const hashesByOid: Readonly<Record<string, HashName>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};
const digestLengths: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** Reads an AlgorithmIdentifier of a signature. Unknown algorithms and parameters make an `unsupported` one. */
export function readSignatureAlgorithm(node: DerNode): SignatureAlgorithm {
  const fields = derFields(expectTag(node, derTags.sequence, "the signature algorithm"));
  const oid = derOid(fields.take(derTags.oid, "the signature algorithm"));
  const absent = fields.optional(derTags.null) === undefined;
  if (oid === rsaPss) return readPss(fields.optional(derTags.sequence)) ?? { kind: "unsupported", oid };
  const algorithm = Object.hasOwn(algorithmsByOid, oid) ? algorithmsByOid[oid] : undefined;
  if (algorithm === undefined) return { kind: "unsupported", oid };
  // RFC 4055 §5 wants NULL for RSA and bears its absence; the others have no parameters.
  fields.end();
  return absent || algorithm.kind === "rsa-pkcs1" ? algorithm : { kind: "unsupported", oid };
}

/** RFC 4055 §3.1, as everybody writes it: one hash for message and mask, a salt as long as the hash. */
function readPss(parameters: DerNode | undefined): SignatureAlgorithm | undefined {
  if (parameters === undefined) return undefined;
  const fields = derFields(parameters);
  const hash = readHash(explicit(fields.optional(contextTag(0, "constructed"))));
  const mask = readMask(explicit(fields.optional(contextTag(1, "constructed"))));
  const salt = explicit(fields.optional(contextTag(2, "constructed")));
  fields.end();
  if (hash === undefined || mask !== hash || salt?.tag !== derTags.integer) return undefined;
  return derSmallInteger(salt) === digestLengths[hash] ? { kind: "rsa-pss", hash } : undefined;
}

function explicit(node: DerNode | undefined): DerNode | undefined {
  if (node === undefined) return undefined;
  const fields = derFields(node);
  const inner = fields.takeAny("a parameter");
  fields.end();
  return inner;
}

function readMask(node: DerNode | undefined): HashName | undefined {
  if (node === undefined) return undefined;
  const fields = derFields(node);
  const isMgf1 = derOid(fields.take(derTags.oid, "the mask generation function")) === mgf1;
  const hash = readHash(fields.optional(derTags.sequence));
  fields.end();
  return isMgf1 ? hash : undefined;
}

/** Reads an AlgorithmIdentifier of a hash function; undefined for one that is not used here. */
export function readHash(node: DerNode | undefined): HashName | undefined {
  if (node === undefined) return undefined;
  const fields = derFields(node);
  const oid = derOid(fields.take(derTags.oid, "the hash algorithm"));
  fields.optional(derTags.null);
  fields.end();
  return Object.hasOwn(hashesByOid, oid) ? hashesByOid[oid] : undefined;
}

/** A signature algorithm for people: `ecdsa with sha256`. */
export function signatureAlgorithmName(algorithm: SignatureAlgorithm): string {
  if (algorithm.kind === "unsupported") return algorithm.oid;
  return algorithm.kind === "ed25519" ? algorithm.kind : `${algorithm.kind} with ${algorithm.hash}`;
}

const keyTypes: Readonly<Record<Exclude<SignatureAlgorithm["kind"], "unsupported">, string>> = {
  ecdsa: "ec",
  "rsa-pkcs1": "rsa",
  "rsa-pss": "rsa",
  ed25519: "ed25519",
};

/** Whether the key made the signature over the data with exactly that algorithm. Never keeps others waiting; never throws. */
export function isSignedWith(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (algorithm.kind === "unsupported" || keyTypes[algorithm.kind] !== key.asymmetricKeyType)
    return Promise.resolve(false);
  const hash = algorithm.kind === "ed25519" ? null : algorithm.hash;
  const options =
    algorithm.kind === "rsa-pss"
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: digestLengths[algorithm.hash] }
      : key;
  return verifySignature(hash, data, options, signature);
}
