import { LRUCache } from "lru-cache";
import { type PublicKey, parsePublicKeys } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import type { NonEmpty } from "./policy.ts";

/** A policy is checked, then read, and again when files change: the same keys each time. */
const known = new LRUCache<string, NonEmpty<PublicKey>>({ max: 2000 });

/**
 * The public keys of one authority, each once, from PEM. Every block must be readable: a key that is written down and
 * not read would be missed on the day it is needed. Throws `KEY_INVALID` or `KEY_UNSUPPORTED`.
 */
export function parsePolicyKeys(pem: string): NonEmpty<PublicKey> {
  const keys = known.get(pem) ?? parse(pem);
  known.set(pem, keys);
  return keys;
}

function parse(pem: string): NonEmpty<PublicKey> {
  const keys = parsePublicKeys(pem);
  const begun = pem.split("-----BEGIN ").length - 1;
  if (begun !== keys.length)
    throw new TrustError("KEY_INVALID", "not every PEM block can be read", {
      expected: `${begun} public keys`,
      found: `${keys.length}`,
    });
  const [first, ...rest] = new Map(keys.map((key) => [key.keyId, key])).values();
  if (first === undefined) throw new TrustError("KEY_INVALID", "the text holds no public key");
  return [first, ...rest];
}
