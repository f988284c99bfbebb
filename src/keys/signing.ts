import { createPublicKey, createSign, sign as cryptoSign, type KeyObject } from "node:crypto";
import { toPublicKey } from "../crypto/public-key.ts";
import type { PasswordSource } from "./password.ts";
import type { Signer } from "./signer.ts";

/**
 * A signer from the text of an encrypted key file; the password is asked only once the file is known to be readable.
 * Throws `KEY_INVALID`, `KEY_UNSUPPORTED`, `KEY_PASSWORD_WRONG`, `KEY_PASSWORD_REQUIRED`.
 */
export async function openKeyText(text: string, what: string, password: PasswordSource): Promise<Signer> {
  // Verifying reaches this folder too, and must not pay for the cipher.
  const { parseKeyFile } = await import("./keyfile.ts");
  const keyFile = parseKeyFile(text);
  return signerOf(await keyFile.decrypt(await password({ what })));
}

const maxCopied = 16 * 1024 * 1024;

/** A signer that holds its private key. Throws `KEY_UNSUPPORTED`. */
export function signerOf(privateKey: KeyObject): Signer {
  const publicKey = toPublicKey(createPublicKey(privateKey));
  // RSA is PKCS #1 v1.5 and EC is DER by default, which is what the field reads.
  const hashName = publicKey.algorithm === "ed25519" ? null : "sha256";
  return {
    publicKey,
    sign: (message) =>
      new Promise((resolve, reject) => {
        // For another thread the message is copied, which megabytes should not be.
        if (message.length > maxCopied) return resolve(cryptoSign(hashName, message, privateKey));
        cryptoSign(hashName, message, privateKey, (error, signature) =>
          error === null ? resolve(signature) : reject(error),
        );
      }),
    ...(hashName === null ? {} : { signStream: (pieces) => signPieces(hashName, privateKey, pieces) }),
  };
}

async function signPieces(
  hashName: string,
  privateKey: KeyObject,
  pieces: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const signing = createSign(hashName);
  for await (const piece of pieces) signing.update(piece);
  return signing.sign(privateKey);
}
