import { verify as cryptoVerify, type KeyObject, type VerifyKeyObjectInput } from "node:crypto";
import type { HashName } from "./public-key.ts";

/**
 * Small verifications that one turn of the event loop does by itself: each takes about 50 µs, and asking another thread costs
 * as much again. Enough for a bundle; whatever comes with hundreds of signatures goes to other threads after them.
 */
const herePerTurn = 8;
const maxBytesHere = 64 * 1024;
let doneHere = 0;

/**
 * Whether the signature verifies; a hash of `null` stands for a signature over the message itself. Keys that take long (P-384,
 * P-521, RSA) and long messages are verified off the main thread. Never throws.
 */
export function verifySignature(
  hash: HashName | null,
  message: Uint8Array,
  key: KeyObject | VerifyKeyObjectInput,
  signature: Uint8Array,
): Promise<boolean> {
  if (message.length <= maxBytesHere && isQuick(key) && mayVerifyHere())
    return Promise.resolve(verifyHere(hash, message, key, signature));
  return new Promise((resolve) => {
    // Node reports some malformed signatures as an error instead of false; neither is a valid signature.
    cryptoVerify(hash, message, key, signature, (error, valid) => resolve(error === null && valid === true));
  });
}

/** The same at once, keeping everybody waiting. */
export function verifyHere(
  hash: HashName | null,
  message: Uint8Array,
  key: KeyObject | VerifyKeyObjectInput,
  signature: Uint8Array,
): boolean {
  try {
    return cryptoVerify(hash, message, key, signature);
  } catch {
    return false;
  }
}

function mayVerifyHere(): boolean {
  if (doneHere === 0)
    setImmediate(() => {
      doneHere = 0;
    });
  return ++doneHere <= herePerTurn;
}

/** RSA is not among them: its exponent, and so its time, is up to who made the key. */
function isQuick(key: KeyObject | VerifyKeyObjectInput): boolean {
  if (!("asymmetricKeyType" in key)) return false;
  return key.asymmetricKeyType === "ed25519" || key.asymmetricKeyDetails?.namedCurve === "prime256v1";
}
