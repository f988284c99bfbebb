import { hash } from "node:crypto";

const publicKeyLength = 32;

/**
 * Whether an Ed25519 key made the signature over the SHA-512 of the message (Ed25519ph, RFC 8032 §5.1, no context).
 * OpenSSL 3.0 cannot, so this is the one scheme proved without it; the code that can is loaded when it is first needed.
 */
export async function matchesEd25519ph(spki: Buffer, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (signature.length !== 64) return false;
  const { ed25519 } = await import("@noble/curves/ed25519.js");
  const { eddsa } = await import("@noble/curves/abstract/edwards.js");
  const ph = eddsa(ed25519.Point, sha512, { domain: dom2, prehash: sha512, zip215: false });
  try {
    return ph.verify(signature, message, spki.subarray(-publicKeyLength));
  } catch {
    // A point or number that is none: not a signature.
    return false;
  }
}

/** The message may have megabytes: OpenSSL hashes it. */
function sha512(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash("sha512", bytes, "buffer"));
}

/** RFC 8032 §2, dom2(1, ""), before what is hashed. */
function dom2(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...Buffer.from("SigEd25519 no Ed25519 collisions"), 1, 0, ...data]);
}
