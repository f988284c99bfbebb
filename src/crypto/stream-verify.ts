import { createHash, createVerify, type Hash, type Verify } from "node:crypto";
import { TrustError } from "../errors.ts";
import { algorithms, type HashName, matchesSignature, type PublicKey } from "./public-key.ts";

/** Takes a message piece by piece; afterwards says what is true of it. */
export interface StreamCheck {
  update(piece: Uint8Array): void;
  /** The key that made the signature over the message; undefined if none did. */
  signerOf(signature: Uint8Array): Promise<PublicKey | undefined>;
  digest(hashName: HashName): Buffer;
}

/** Ed25519 is over the message itself, which must be in memory as a whole. */
const maxWholeMessage = 256 * 1024 * 1024;
const hashNames: readonly HashName[] = ["sha256", "sha384", "sha512"];

/**
 * Checks signatures over a message of any size against keys, with every hash that they are read with. `update` throws
 * `CONTENT_TOO_LARGE` where an Ed25519 key is among them and the message is larger than 256 MiB.
 */
export function createStreamCheck(keys: readonly PublicKey[]): StreamCheck {
  const hashes = new Map<HashName, Hash>(hashNames.map((name) => [name, createHash(name)]));
  const checks: readonly { readonly key: PublicKey; readonly check: Verify }[] = keys.flatMap((key) =>
    algorithms[key.algorithm].hashes.flatMap((name) =>
      name === undefined ? [] : [{ key, check: createVerify(name) }],
    ),
  );
  const whole = keys.filter((key) => key.algorithm === "ed25519");
  const pieces: Buffer[] = [];
  let size = 0;
  return {
    update(piece) {
      for (const hash of hashes.values()) hash.update(piece);
      for (const { check } of checks) check.update(piece);
      if (whole.length === 0) return;
      size += piece.length;
      if (size > maxWholeMessage)
        throw new TrustError("CONTENT_TOO_LARGE", "an Ed25519 signature of so large a file cannot be checked", {
          expected: `at most ${maxWholeMessage} bytes`,
          hint: "Sign large files with an ECDSA key",
        });
      pieces.push(Buffer.from(piece));
    },
    async signerOf(signature) {
      for (const { key, check } of checks) if (verifies(check, key, signature)) return key;
      const message = whole.length === 0 ? Buffer.of() : Buffer.concat(pieces);
      for (const key of whole) if (await matchesSignature(key, message, signature)) return key;
      return undefined;
    },
    digest: (hashName) => (hashes.get(hashName) ?? createHash(hashName)).copy().digest(),
  };
}

function verifies(check: Verify, key: PublicKey, signature: Uint8Array): boolean {
  try {
    return check.verify(key.keyObject, signature);
  } catch {
    // Malformed signatures are reported so; neither is a signature.
    return false;
  }
}
