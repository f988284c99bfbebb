import { constants, publicDecrypt } from "node:crypto";
import { TrustError } from "../errors.ts";
import type { PublicKey } from "./public-key.ts";
import type { StreamCheck } from "./stream-verify.ts";

// Node gives OpenSSL a message, never a digest in its place; so ECDSA over a digest is @noble/curves', loaded where it is needed.

/** DigestInfo of SHA-256, up to the digest (RFC 8017 §9.2). */
const sha256Info = Buffer.from("3031300d060960864801650304020105000420", "hex");

/**
 * The check of a message of which only the SHA-256 is known: ECDSA (FIPS 186-5 §6.4.2) and RSA PKCS #1 v1.5 with that hash.
 * Ed25519 needs the message: its signatures are nobody's here. Any other digest is unknown, and equals nothing.
 */
export function createDigestCheck(keys: readonly PublicKey[], sha256: Uint8Array): StreamCheck {
  return {
    update() {
      throw new TrustError("INTERNAL", "the message of a known digest is not read");
    },
    async signerOf(signature) {
      for (const key of keys) if (await matchesDigest(key, sha256, signature)) return key;
      return undefined;
    },
    digest: (hashName) => (hashName === "sha256" ? Buffer.from(sha256) : Buffer.of()),
  };
}

/** Whether the key made the signature over the message with that SHA-256. */
export async function matchesDigest(key: PublicKey, sha256: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (sha256.length !== 32) return false;
  if (key.algorithm === "ed25519") return false;
  return key.algorithm === "rsa" ? matchesRsa(key, sha256, signature) : matchesEcdsa(key, sha256, signature);
}

/** PKCS #1 is compared as a whole, so that nothing hides in it (RFC 8017 §8.2.2). */
function matchesRsa({ keyObject }: PublicKey, sha256: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length * 8 < (keyObject.asymmetricKeyDetails?.modulusLength ?? Number.POSITIVE_INFINITY)) return false;
  try {
    const padding = constants.RSA_PKCS1_PADDING;
    return publicDecrypt({ key: keyObject, padding }, signature).equals(Buffer.concat([sha256Info, sha256]));
  } catch {
    return false;
  }
}

const pointBytes = { "ecdsa-p256": 65, "ecdsa-p384": 97, "ecdsa-p521": 133 } as const;

async function matchesEcdsa(
  { algorithm, spki }: PublicKey,
  sha256: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (algorithm === "rsa" || algorithm === "ed25519") return false;
  const { p256, p384, p521 } = await import("@noble/curves/nist.js");
  const curve = { "ecdsa-p256": p256, "ecdsa-p384": p384, "ecdsa-p521": p521 }[algorithm];
  try {
    // The last bytes of a canonical SubjectPublicKeyInfo are the point, not compressed.
    const point = spki.subarray(-pointBytes[algorithm]);
    return curve.verify(signature, sha256, point, { prehash: false, lowS: false, format: "der" });
  } catch {
    return false;
  }
}
