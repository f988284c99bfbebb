import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import type { TrustRoot } from "../trust/trust-root.ts";
import { rootOfNobody } from "../trust/tuf-source.ts";
import type { ReadSecret } from "./secret-keys.ts";

/** Stands for a root of that name while a policy is checked; believes nothing. */
export function anyRoot(name: string): TrustRoot {
  return rootOfNobody(name, { kind: "policy" }, name);
}

/** PrivateKeyInfo of Ed25519 (RFC 8410) up to the 32 bytes of the key. */
const ed25519Start = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * Stands for Secrets while a policy is checked: each time another key, made of nothing secret, so that none is taken for
 * one that the policy names already. Nothing may be believed by them.
 */
export function anySecret(): ReadSecret {
  let count = 0;
  return async () => {
    const seed = createHash("sha256").update(`a key that is not looked up ${count++}`).digest();
    const key = createPrivateKey({ key: Buffer.concat([ed25519Start, seed]), format: "der", type: "pkcs8" });
    return String(createPublicKey(key).export({ type: "spki", format: "pem" }));
  };
}
