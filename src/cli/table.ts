import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's own file, and only that: start-up is paid by each command for itself. */
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** Every command, in the order of help. */
export const commandTable: Readonly<Record<string, CommandEntry>> = {
  "key generate": { summary: "make a key pair", load: () => import("./commands/key-generate.ts") },
  "key import": {
    summary: "make an encrypted key file of a private key",
    load: () => import("./commands/key-import.ts"),
  },
  "key public": { summary: "print the public key of a key", load: () => import("./commands/key-public.ts") },
  completion: { summary: "print a completion script for a shell", load: () => import("./commands/completion.ts") },
  version: { summary: "print the version", load: () => import("./commands/version.ts") },
};

/** Groups of commands, for the help of the group. */
export const groups: Readonly<Record<string, string>> = {
  audit: "list images with their verdicts",
  key: "make and look at keys",
  registry: "the built-in OCI registry",
  "registry user": "users of the built-in registry",
  webhook: "the Kubernetes admission webhook",
};
