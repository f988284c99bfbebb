import { parsePublicKeys } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import { readSmallFile } from "./files.ts";
import type { KeyContext, KeyProvider } from "./provider.ts";
import { openKeyText } from "./signing.ts";

/** Keys in files: encrypted key files to sign with, PEM public keys to verify with. */
export const fileKeys: KeyProvider = {
  scheme: "",
  example: "FILE",
  async open(reference, context) {
    return openKeyText(await readKey(reference, context), `key file ${reference}`, context.password);
  },
  async publicKeys(reference, context) {
    const text = await readKey(reference, context);
    try {
      return parsePublicKeys(text);
    } catch (cause) {
      if (!(cause instanceof TrustError)) throw cause;
      const { code, message, expected, found, hint } = cause;
      throw new TrustError(code, `${reference}: ${message}`, { expected, found, hint, cause });
    }
  },
};

async function readKey(reference: string, context: Pick<KeyContext, "resolvePath">): Promise<string> {
  const path = context.resolvePath(reference);
  try {
    return (await readSmallFile(path, "key file")).toString("latin1");
  } catch (cause) {
    if (!(cause instanceof TrustError && cause.code === "FILE_NOT_FOUND")) throw cause;
    throw new TrustError("KEY_NOT_FOUND", `there is no key file ${path}`, {
      hint: "Check the path, or make a key pair with: trust key generate",
      cause,
    });
  }
}
