import { formatPublicKey } from "../crypto/public-key.ts";
import { refuseExisting, writeNewFiles } from "../keys/files.ts";
import type { PrivateKey } from "../keys/import.ts";
import { formatKeyFile } from "../keys/keyfile.ts";
import { createPasswordSource, type PasswordSource } from "../keys/password.ts";
import type { CommandContext } from "./command.ts";
import { createResults } from "./results.ts";

/** The flag that names a file with the password of a key. */
export const passwordOption = {
  "password-file": {
    value: "FILE",
    summary: "file with the password of the key; one newline at its end does not count",
    completes: "files",
  },
} as const;

/** Flags of the commands that write a key pair. */
export const keyPairOptions = {
  "output-prefix": {
    value: "PREFIX",
    summary: "write PREFIX.key and PREFIX.pub",
    default: "trust",
    completes: "files",
  },
  ...passwordOption,
  force: { summary: "replace the files if they exist" },
} as const;

interface KeyPairOptions {
  readonly "output-prefix": string;
  readonly "password-file": string | undefined;
  readonly force: boolean;
}

/** Where the password of a key comes from: the flag, the environment, a person. */
export function passwordSource(
  { io, resolvePath }: CommandContext,
  file: string | undefined,
  variables?: readonly string[],
): PasswordSource {
  const path = file === undefined ? undefined : resolvePath(file);
  return (request) => createPasswordSource({ env: io.env, variables, file: path, prompt: io.prompt })(request);
}

/** Gets a key, encrypts it, writes both halves, and says where they are. Existing files are refused before any question. */
export async function writeKeyPair(
  context: CommandContext,
  options: KeyPairOptions,
  makeKey: () => Promise<PrivateKey>,
): Promise<void> {
  const prefix = context.resolvePath(options["output-prefix"]);
  const [privatePath, publicPath] = [`${prefix}.key`, `${prefix}.pub`];
  if (!options.force) await refuseExisting([privatePath, publicPath]);
  const { privateKey, publicKey } = await makeKey();
  const password = await passwordSource(
    context,
    options["password-file"],
  )({ what: `key file ${privatePath}`, isNew: true });
  const files = [
    { path: privatePath, content: await formatKeyFile(privateKey, password), mode: 0o600 },
    { path: publicPath, content: formatPublicKey(publicKey), mode: 0o644 },
  ];
  await writeNewFiles(files, { replace: options.force });
  const result = {
    privateKey: privatePath,
    publicKey: publicPath,
    algorithm: publicKey.algorithm,
    keyId: publicKey.keyId,
  };
  const results = createResults<typeof result>(
    context,
    (made) => `private key  ${made.privateKey}\npublic key   ${made.publicKey}\nkey ID       ${made.keyId}\n`,
  );
  results.add(result, 0);
  results.end();
}
