import { generateKey, keyTypes } from "../../keys/import.ts";
import { defineCommand } from "../command.ts";
import { keyPairOptions, writeKeyPair } from "../key-pair.ts";

export const command = defineCommand({
  name: "key generate",
  summary: "make a key pair",
  description:
    "Makes a key pair and writes it to PREFIX.key and PREFIX.pub. The private key is encrypted with a password, in " +
    "the format of cosign, which can sign with it too. The password comes from --password-file, TRUST_PASSWORD or " +
    "COSIGN_PASSWORD, or is asked for. Keep the .key file secret; give the .pub file to everybody who verifies.",
  examples: [
    { about: "A key pair trust.key and trust.pub", command: "trust key generate" },
    {
      about: "A key pair for releases, where nobody can be asked",
      command: "TRUST_PASSWORD=… trust key generate --output-prefix release",
    },
  ],
  arguments: {},
  options: {
    ...keyPairOptions,
    type: { value: "TYPE", summary: "kind of key", choices: keyTypes, default: "ecdsa-p256" },
  },
  async run(context, _args, options) {
    await writeKeyPair(context, options, () => generateKey(options.type));
    return 0;
  },
});
