import { readSmallFile } from "../../keys/files.ts";
import { importPrivateKey } from "../../keys/import.ts";
import { defineCommand } from "../command.ts";
import { keyPairOptions, passwordSource, writeKeyPair } from "../key-pair.ts";

export const command = defineCommand({
  name: "key import",
  summary: "make an encrypted key file of a private key",
  description:
    "Reads a private key that another tool made (PEM or DER; PKCS #8, SEC 1, PKCS #1 or a key file of cosign or " +
    "skopeo; ECDSA P-256, P-384, P-521, Ed25519, RSA of 2048 bits and more) and writes PREFIX.key, encrypted with a " +
    "new password, and PREFIX.pub. The file that is read stays as it is.",
  examples: [
    {
      about: "A key that openssl made",
      command: "trust key import --key release.pem --output-prefix release",
    },
    {
      about: "Another password for a key file",
      command: "trust key import --key old.key --import-password-file old.txt --output-prefix new",
    },
  ],
  arguments: {},
  options: {
    key: { short: "k", value: "FILE", summary: "the private key to import", required: true, completes: "files" },
    "import-password-file": {
      value: "FILE",
      summary: "file with the password of the key to import; else TRUST_IMPORT_PASSWORD, else it is asked for",
      completes: "files",
    },
    ...keyPairOptions,
  },
  async run(context, _args, options) {
    const password = passwordSource(context, options["import-password-file"], ["TRUST_IMPORT_PASSWORD"]);
    await writeKeyPair(context, options, async () => {
      const bytes = await readSmallFile(context.resolvePath(options.key), "key file");
      return importPrivateKey(bytes, () => password({ what: `key to import, ${options.key},` }));
    });
    return 0;
  },
});
