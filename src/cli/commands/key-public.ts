import { formatPublicKey, type KeyAlgorithm, type PublicKey } from "../../crypto/public-key.ts";
import { TrustError } from "../../errors.ts";
import { loadPublicKeys, openSigner } from "../../keys/index.ts";
import type { CommandContext } from "../command.ts";
import { defineCommand } from "../command.ts";
import { passwordOption, passwordSource } from "../key-pair.ts";
import { createResults } from "../results.ts";

export const command = defineCommand({
  name: "key public",
  summary: "print the public key of a key",
  description:
    "Prints the public key, in PEM, of a private key file or of a public one. With --output json also its kind and its ID, which is the hex SHA-256 of the key in DER.",
  examples: [
    { about: "The public half of a key file", command: "trust key public --key trust.key > trust.pub" },
    { about: "The ID of a public key", command: "trust key public --key trust.pub --output json" },
  ],
  arguments: {},
  options: {
    key: {
      short: "k",
      value: "KEY",
      summary: "the key: a file, or env://NAME",
      required: true,
      completes: "files",
    },
    ...passwordOption,
  },
  async run(context, _args, options) {
    const keys = await publicKeysOf(context, options.key, options["password-file"]);
    const results = createResults<PrintedKey>(context, ({ pem }) => pem);
    for (const [index, key] of keys.entries())
      results.add({ keyId: key.keyId, algorithm: key.algorithm, pem: formatPublicKey(key) }, index);
    results.end();
    return 0;
  },
});

interface PrintedKey {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly pem: string;
}

async function publicKeysOf(
  context: CommandContext,
  reference: string,
  passwordFile: string | undefined,
): Promise<readonly PublicKey[]> {
  const keyContext = { env: context.io.env, resolvePath: context.resolvePath };
  try {
    return await loadPublicKeys(reference, keyContext);
  } catch (error) {
    const isPrivate = error instanceof TrustError && error.code === "KEY_INVALID" && error.found?.includes("PRIVATE");
    if (isPrivate !== true) throw error;
    const signer = await openSigner(reference, { ...keyContext, password: passwordSource(context, passwordFile) });
    return [signer.publicKey];
  }
}
