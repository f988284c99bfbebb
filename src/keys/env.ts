import { parsePublicKeys } from "../crypto/public-key.ts";
import { TrustError } from "../errors.ts";
import type { KeyContext, KeyProvider } from "./provider.ts";
import { openKeyText } from "./signing.ts";

const prefix = "env://";

/** Keys in environment variables, as cosign has them: `env://COSIGN_PRIVATE_KEY` holds the text of a key file. */
export const envKeys: KeyProvider = {
  scheme: "env",
  example: "env://NAME",
  async open(reference, context) {
    return openKeyText(readKey(reference, context), `key in ${reference}`, context.password);
  },
  async publicKeys(reference, context) {
    return parsePublicKeys(readKey(reference, context));
  },
};

function readKey(reference: string, { env }: Pick<KeyContext, "env">): string {
  const name = reference.slice(prefix.length);
  const text = env[name];
  if (text !== undefined && text !== "") return text;
  throw new TrustError("KEY_NOT_FOUND", `the environment variable ${JSON.stringify(name)} holds no key`, {
    expected: "the text of a PEM key",
    found: text === undefined ? "not set" : "empty",
    hint: `Put the text of the key file into the variable: export ${/^\w+$/.test(name) ? name : "NAME"}="$(cat FILE)"`,
  });
}
