import { TrustError } from "../errors.ts";
import { createPasswordSource } from "../keys/password.ts";
import type { CommandContext } from "./command.ts";

/** Flags for a password of a user; never the password itself, which every process could read. */
export const secretOptions = {
  "password-file": {
    value: "FILE",
    summary: "file with the password; one newline at its end does not count",
    completes: "files",
  },
  "password-stdin": { summary: "read the password from standard input" },
} as const;

interface SecretFlags {
  readonly "password-file": string | undefined;
  readonly "password-stdin": boolean;
}

/** The password of a user: from the flags, or asked for. Throws `USAGE` where it can come from nowhere. */
export async function readSecret(
  { io, resolvePath }: CommandContext,
  flags: SecretFlags,
  request: { readonly what: string; readonly isNew?: boolean },
): Promise<string> {
  const file = flags["password-file"];
  if (file !== undefined && flags["password-stdin"])
    throw new TrustError("USAGE", "the password can come from one place only", {
      expected: "one of --password-file and --password-stdin",
    });
  if (flags["password-stdin"]) return (await io.readStdin()).toString().replace(/\r?\n$/, "");
  const prompt = file === undefined ? io.prompt : undefined;
  if (file === undefined && prompt === undefined)
    throw new TrustError("USAGE", `the ${request.what} needs a password and nobody can be asked`, {
      expected: "--password-file FILE, --password-stdin, or a terminal",
    });
  const path = file === undefined ? undefined : resolvePath(file);
  const source = createPasswordSource({ env: {}, variables: [], file: path, prompt });
  return Buffer.from(await source(request)).toString();
}
