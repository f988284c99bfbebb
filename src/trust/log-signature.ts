import type { PublicKey } from "../crypto/public-key.ts";
import { isSignedWith } from "../crypto/x509-signature.ts";
import type { SignatureScheme } from "./trust-root.ts";

/** Whether the key of a log made the signature, with the one scheme that the trust root names. Never throws. */
export async function isSignedByLog(
  { key, scheme }: { readonly key: PublicKey; readonly scheme: SignatureScheme },
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const { kind, hash } = scheme;
  if (kind === "ed25519") return isSignedWith({ kind }, key.keyObject, data, signature);
  if (kind !== "ed25519ph") return hash !== undefined && isSignedWith({ kind, hash }, key.keyObject, data, signature);
  if (key.algorithm !== "ed25519") return false;
  const { matchesEd25519ph } = await import("../crypto/ed25519ph.ts");
  return matchesEd25519ph(key.spki, data, signature);
}
