import type { PublicKey } from "../crypto/public-key.ts";

/**
 * Makes signatures with a private key. `sign` covers the message itself, hashed with SHA-256 (none for Ed25519): the
 * scheme that every verifier of the field reads. EC signatures are ASN.1 DER, RSA ones PKCS #1 v1.5.
 */
export interface Signer {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Promise<Uint8Array>;
  /** The same for a message of any size, piece by piece; absent where the key cannot. */
  signStream?(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array>;
}
