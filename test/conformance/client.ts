// The conformance protocol of Sigstore clients (github.com/sigstore/sigstore-conformance, docs/cli_protocol.md) over the command
// line of trust. Exit code 0 only on success; nothing is asked of a network but what signing needs.
//
//   client verify-bundle [--staging] --bundle F (--certificate-identity I --certificate-oidc-issuer U | --key PEM)
//                        [--trusted-root F] FILE_OR_DIGEST
//   client sign-bundle   [--staging] [--in-toto] --identity-token T --bundle F [--trusted-root F] [--signing-config F] FILE

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runCli } from "../../src/cli/run.ts";

const options = {
  staging: { type: "boolean" },
  "in-toto": { type: "boolean" },
  bundle: { type: "string" },
  key: { type: "string" },
  "certificate-identity": { type: "string" },
  "certificate-oidc-issuer": { type: "string" },
  "identity-token": { type: "string" },
  "trusted-root": { type: "string" },
  "signing-config": { type: "string" },
} as const;

type Values = ReturnType<typeof parse>["values"];

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
}

/** The same flag for trust, where it is given. */
function passed(values: Values, ...names: readonly (keyof Values)[]): readonly string[] {
  return names.flatMap((name) => (typeof values[name] === "string" ? [`--${name}=${values[name]}`] : []));
}

const beside = (name: string) => join(import.meta.dirname, name);

/** Without a file: what is known of staging, else the root that is part of the program. */
function rootOf({ staging, "trusted-root": given }: Values): string {
  // A path to trust, whatever it looks like.
  if (given !== undefined) return `--trusted-root=${/[/\\]/.test(given) ? given : `./${given}`}`;
  return `--trusted-root=${staging === true ? beside("../fixtures/sigstore/staging-trusted-root.json") : "public-good"}`;
}

function servicesOf({ staging, "signing-config": given }: Values): readonly string[] {
  if (given !== undefined) return [`--signing-config=${given}`];
  return staging === true ? [`--signing-config=${beside("staging-signing-config.json")}`] : [];
}

function commandOf(command: string | undefined, values: Values, file: string): readonly string[] {
  if (command === "verify-bundle") {
    const who = passed(values, "key", "certificate-identity", "certificate-oidc-issuer");
    return ["verify-blob", ...passed(values, "bundle"), ...who, rootOf(values), "--", named(file)];
  }
  if (command !== "sign-bundle") throw new Error("say what to do: verify-bundle or sign-bundle");
  if (values.bundle === undefined || values["identity-token"] === undefined)
    throw new Error("sign-bundle needs --bundle and --identity-token");
  const services = [...passed(values, "bundle"), ...servicesOf(values), rootOf(values)];
  const kind = values["in-toto"] ? ["--statement"] : [];
  return ["sign-blob", "--yes", "--force", "--identity-token=-", ...kind, ...services, "--", named(file)];
}

/** A file goes before a digest of the same spelling. */
function named(file: string): string {
  return existsSync(file) && file.startsWith("-") ? `./${file}` : file;
}

async function main(): Promise<number> {
  const [command, ...rest] = process.argv.slice(2);
  const { values, positionals } = parse(rest);
  const [file, second] = positionals;
  if (file === undefined || second !== undefined) throw new Error("one file or digest is wanted");
  const token = values["identity-token"] ?? "";
  const output = (stream: NodeJS.WriteStream) => ({
    write: (text: string | Uint8Array) => void stream.write(text),
    isTerminal: false,
    hasColors: false,
  });
  return runCli(commandOf(command, values, file), {
    env: { HOME: homedir(), HTTPS_PROXY: process.env["HTTPS_PROXY"], NO_PROXY: process.env["NO_PROXY"] },
    homeFolder: homedir(),
    folder: process.cwd(),
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    readStdin: async () => Buffer.from(token),
    async *streamStdin() {
      yield Buffer.from(token);
    },
    now: Date.now,
    nodeVersion: process.versions.node,
    signal: new AbortController().signal,
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : "failed"}\n`);
  process.exitCode = 2;
}
