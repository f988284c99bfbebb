import { createPublicKey, hash, type KeyObject } from "node:crypto";
import { TrustError } from "../errors.ts";
import { verifyHere, verifySignature } from "./verify-signature.ts";

export type KeyAlgorithm = "ecdsa-p256" | "ecdsa-p384" | "ecdsa-p521" | "ed25519" | "rsa";
export type HashName = "sha256" | "sha384" | "sha512";

/** A public key in canonical form. `keyId` is the hex SHA-256 of its canonical SubjectPublicKeyInfo DER: one key, one id. */
export interface PublicKey {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly spki: Buffer;
  readonly keyObject: KeyObject;
}

interface AlgorithmRow {
  /** Hashes accepted when reading: what Sigstore clients write (formats differ on EC curves larger than P-256). */
  readonly hashes: readonly (HashName | undefined)[];
}

/**
 * The one table of algorithms. `undefined` stands for a signature over the message itself (Ed25519, RFC 8032); its
 * prehashed variant is read as well.
 */
export const algorithms: Readonly<Record<KeyAlgorithm, AlgorithmRow>> = {
  "ecdsa-p256": { hashes: ["sha256"] },
  "ecdsa-p384": { hashes: ["sha256", "sha384"] },
  "ecdsa-p521": { hashes: ["sha256", "sha512"] },
  ed25519: { hashes: [undefined] },
  rsa: { hashes: ["sha256"] },
};

const curves: Readonly<Record<string, KeyAlgorithm>> = {
  prime256v1: "ecdsa-p256",
  secp384r1: "ecdsa-p384",
  secp521r1: "ecdsa-p521",
};
const minRsaBits = 2048;
const maxRsaBits = 16_384;
const maxCopied = 16 * 1024 * 1024;
const maxPemLength = 64 * 1024;
const pemBlock = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g;

/** Parses one PEM public key ("PUBLIC KEY", RFC 7468 §13). Throws `KEY_INVALID` or `KEY_UNSUPPORTED`; never repeats the text. */
export function parsePublicKey(pem: string): PublicKey {
  const keys = parsePublicKeys(pem);
  const [key, second] = keys;
  if (key === undefined || second !== undefined)
    throw new TrustError("KEY_INVALID", "one public key is wanted", {
      expected: "one PEM block PUBLIC KEY",
      found: `${keys.length} blocks`,
    });
  return key;
}

/** Parses every PEM public key in a text; at least one. Throws like {@link parsePublicKey}. */
export function parsePublicKeys(pem: string): readonly PublicKey[] {
  const blocks = pem.length > maxPemLength ? [] : [...pem.matchAll(pemBlock)];
  if (blocks.length === 0)
    throw new TrustError("KEY_INVALID", "the text holds no PEM public key", { expected: "-----BEGIN PUBLIC KEY-----" });
  return blocks.map(([block, label]) => parseBlock(block, label ?? ""));
}

function parseBlock(block: string, label: string): PublicKey {
  if (label !== "PUBLIC KEY") {
    const hint = label.includes("PRIVATE") ? "A public key is wanted here; make it with: trust key public" : undefined;
    throw new TrustError("KEY_INVALID", "the PEM block is not a public key", {
      expected: "PUBLIC KEY",
      found: label,
      hint,
    });
  }
  try {
    return toPublicKey(createPublicKey(block));
  } catch (cause) {
    if (cause instanceof TrustError) throw cause;
    throw new TrustError("KEY_INVALID", "the public key cannot be read", {
      expected: "a SubjectPublicKeyInfo in PEM",
      cause,
    });
  }
}

/** Puts a public key into canonical form. Throws `KEY_UNSUPPORTED` for kinds and sizes that are not verified here. */
export function toPublicKey(keyObject: KeyObject): PublicKey {
  const algorithm = algorithmOf(keyObject);
  const encoded = keyObject.export({ type: "spki", format: "der" });
  if (isCanonical(encoded, algorithm)) return { keyId: keyIdOf(encoded), algorithm, spki: encoded, keyObject };
  // Encoded again from its numbers, so that one key has one id however its point or parameters were written.
  const canonical = createPublicKey({ key: keyObject.export({ format: "jwk" }), format: "jwk" });
  const spki = canonical.export({ type: "spki", format: "der" });
  return { keyId: keyIdOf(spki), algorithm, spki, keyObject: canonical };
}

function keyIdOf(spki: Buffer): string {
  return hash("sha256", spki, "hex");
}

/** SubjectPublicKeyInfo up to the numbers of the point: a named curve, the point not compressed (RFC 5480 §2). */
const canonicalStarts: Readonly<Partial<Record<KeyAlgorithm, { readonly start: Buffer; readonly length: number }>>> = {
  "ecdsa-p256": { start: Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex"), length: 91 },
  "ecdsa-p384": { start: Buffer.from("3076301006072a8648ce3d020106052b8104002203620004", "hex"), length: 120 },
};

/** Saves the common keys an encoding; any other goes the long way. */
function isCanonical(spki: Buffer, algorithm: KeyAlgorithm): boolean {
  const form = canonicalStarts[algorithm];
  return form !== undefined && spki.length === form.length && spki.subarray(0, form.start.length).equals(form.start);
}

/**
 * A key from its SubjectPublicKeyInfo if that is the canonical form of a common kind, else undefined; saves the encoding that
 * would tell. Throws what `createPublicKey` does for a point that is not on the curve.
 */
export function readCanonicalKey(spki: Buffer): PublicKey | undefined {
  const algorithm = (["ecdsa-p256", "ecdsa-p384"] as const).find((one) => isCanonical(spki, one));
  if (algorithm === undefined) return undefined;
  const keyObject = createPublicKey({ key: spki, format: "der", type: "spki" });
  return { keyId: keyIdOf(spki), algorithm, spki, keyObject };
}

/** Which algorithm a key object is for, public or private. Throws `KEY_UNSUPPORTED`. */
export function algorithmOf(keyObject: KeyObject): KeyAlgorithm {
  const details = keyObject.asymmetricKeyDetails ?? {};
  const kind = keyObject.asymmetricKeyType ?? "unknown";
  if (kind === "ed25519") return "ed25519";
  if (kind === "ec") {
    const algorithm = curves[details.namedCurve ?? ""];
    if (algorithm !== undefined) return algorithm;
    throw unsupported(`curve ${details.namedCurve ?? "unknown"}`);
  }
  if (kind !== "rsa") throw unsupported(kind);
  const bits = details.modulusLength ?? 0;
  if (bits < minRsaBits || bits > maxRsaBits) throw unsupported(`RSA of ${bits} bits`);
  if ((details.publicExponent ?? 0n) < 3n) throw unsupported("RSA with exponent 1");
  return "rsa";
}

function unsupported(found: string): TrustError {
  return new TrustError("KEY_UNSUPPORTED", "the kind of key is not supported", {
    expected: `ECDSA P-256, P-384 or P-521, Ed25519, RSA of ${minRsaBits} to ${maxRsaBits} bits`,
    found,
  });
}

/** The key as PEM, "PUBLIC KEY". */
export function formatPublicKey(key: PublicKey): string {
  return key.keyObject.export({ type: "spki", format: "pem" }).toString();
}

/** Whether the key made the signature over the message, with any hash that its algorithm is read with; see {@link verifySignature}. */
export async function matchesSignature(key: PublicKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  for (const hashName of algorithms[key.algorithm].hashes) {
    if (await verifyWith(key, hashName, message, signature)) return true;
  }
  if (key.algorithm !== "ed25519") return false;
  const { matchesEd25519ph } = await import("./ed25519ph.ts");
  return matchesEd25519ph(key.spki, message, signature);
}

function verifyWith(
  key: PublicKey,
  hashName: HashName | undefined,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const name = hashName ?? null;
  // For another thread the message is copied.
  if (message.length > maxCopied) return Promise.resolve(verifyHere(name, message, key.keyObject, signature));
  return verifySignature(name, message, key.keyObject, signature);
}
