import type { PublicKey } from "../crypto/public-key.ts";
import type { Certificate } from "../crypto/x509.ts";

/**
 * Makes signatures with a private key. `sign` covers the message itself, hashed with SHA-256 (none for Ed25519): the
 * scheme that every verifier of the field reads. EC signatures are ASN.1 DER, RSA ones PKCS #1 v1.5.
 */
export interface Signer {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Promise<Uint8Array>;
  /** The same for a message of any size, piece by piece; absent where the key cannot. */
  signStream?(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array>;
  /** The certificate of the key, for signatures that carry one. Asked for before each: short-lived ones are had anew. */
  certificate?(): Promise<SigningCertificate>;
}

/** A certificate for a key, and what issued it: intermediates in issuing order, the root last. */
export interface SigningCertificate {
  readonly leaf: Certificate;
  readonly issuers: readonly Certificate[];
}
