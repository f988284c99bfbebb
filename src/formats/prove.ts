import { matchesSignature, type PublicKey } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import type { TrustMaterial } from "./format.ts";

/** How a key id is shown to people: enough to tell keys apart, short enough to read. */
export function shortKeyId(keyId: string): string {
  return `key ${keyId.slice(0, 16)}`;
}

/**
 * Finds the trusted key that made the signature. `hint` (hex key id, unproved) only orders the trial and words the error.
 * Throws `SIGNATURE_INVALID` where a trusted key is named but did not sign these bytes, else `SIGNER_NOT_TRUSTED`.
 */
export async function findSigner(
  trust: TrustMaterial,
  message: Uint8Array,
  signature: Uint8Array,
  hint: string | undefined,
): Promise<PublicKey> {
  const hinted = trust.keys.filter((key) => key.keyId === hint);
  const others = trust.keys.filter((key) => key.keyId !== hint);
  for (const key of [...hinted, ...others]) {
    if (await matchesSignature(key, message, signature)) return key;
  }
  const expected =
    trust.keys.length === 0
      ? "no key is trusted"
      : trust.keys
          .slice(0, 5)
          .map((key) => shortKeyId(key.keyId))
          .join(", ");
  if (hinted.length > 0)
    throw new TrustError(
      "SIGNATURE_INVALID",
      "the signature names a trusted key, but that key did not sign these bytes",
      {
        expected,
        found: "a signature that does not match",
      },
    );
  throw new TrustError("SIGNER_NOT_TRUSTED", "no trusted key made this signature", {
    expected,
    found:
      hint === undefined
        ? "a signature by another key, or over other bytes"
        : `a signature that names ${shortKeyId(hint)}`,
  });
}
