import { createPublicKey, sign as cryptoSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { toPublicKey } from "../../src/crypto/public-key.ts";
import type { TrustMaterial } from "../../src/formats/format.ts";
import type { Signer } from "../../src/keys/signer.ts";

export const keyKinds = ["p256", "p384", "p521", "ed25519", "rsa"] as const;
export type KeyKind = (typeof keyKinds)[number];

/** A new private key of that kind. */
export function newPrivateKey(kind: KeyKind = "p256"): KeyObject {
  switch (kind) {
    case "p256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    case "p384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
    case "p521":
      return generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey;
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "rsa":
      return newRsaKey(2048);
  }
}

/** A new RSA key of that many bits. */
export function newRsaKey(modulusLength: number): KeyObject {
  return generateKeyPairSync("rsa", { modulusLength }).privateKey;
}

/** A signer with a new key; the key never leaves the process. */
export function newSigner(kind: KeyKind = "p256"): Signer {
  return signerOf(newPrivateKey(kind));
}

/** A signer with that private key. */
export function signerOf(privateKey: KeyObject): Signer {
  const algorithm = privateKey.asymmetricKeyType === "ed25519" ? null : "sha256";
  return {
    publicKey: toPublicKey(createPublicKey(privateKey)),
    sign: async (message) => cryptoSign(algorithm, message, privateKey),
  };
}

/** Trust in these signers and nobody else. */
export function trusting(...signers: readonly Signer[]): TrustMaterial {
  return {
    revision: signers.map((signer) => signer.publicKey.keyId).join(" "),
    keys: signers.map((signer) => signer.publicKey),
  };
}
