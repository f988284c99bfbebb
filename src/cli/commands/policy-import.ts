import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asTrustError, TrustError } from "../../errors.ts";
import { readSmallFile } from "../../keys/files.ts";
import type { Conversion, Imported, ImportSource } from "../../policy/import/import.ts";
import type { CommandContext } from "../command.ts";
import { defineCommand } from "../command.ts";
import { openTrustedRoot } from "../identity-options.ts";
import { plain, toJson } from "../print.ts";

const languages = ["auto", "cluster-image-policy", "kyverno", "containers-policy"] as const;

export const command = defineCommand({
  name: "policy import",
  summary: "make native policies of those of other tools",
  description:
    "Reads ClusterImagePolicy and TrustRoot of policy-controller, verifyImages rules and ImageValidatingPolicy of Kyverno, and " +
    "policy.json of containers/image, and writes native policies that refuse everything the source refuses. What has no " +
    "equivalent is said, with its place and with what the result does instead: it refuses more, never less. Exits with 0 where " +
    "everything has an equivalent, with 1 where something has none; the policies are written in both cases.",
  examples: [
    { about: "To look at first", command: "trust policy import cluster-image-policy.yaml" },
    { about: "A file for each policy", command: "trust policy import --output-dir policies kyverno/*.yaml" },
    { about: "The policy of podman and skopeo", command: "trust policy import /etc/containers/policy.json" },
  ],
  arguments: { file: { summary: "a file of policies", many: true, completes: "files" } },
  options: {
    from: {
      value: "LANGUAGE",
      summary: "language of the policies; auto goes by what a document is",
      choices: languages,
      default: "auto",
    },
    "output-dir": {
      value: "DIR",
      summary: "folder for a file of each policy, which must not be there yet; - is standard output",
      default: "-",
      completes: "folders",
    },
  },
  async run(context, args, options) {
    const { importPolicies } = await import("../../policy/import/import.ts");
    const sources: ImportSource[] = [];
    for (const name of args.file) sources.push({ name, text: await textOf(context, name, "the policy file") });
    const imported = await importPolicies(sources, {
      from: options.from === "auto" ? undefined : options.from,
      readFile: (path) => textOf(context, path, "the key file"),
      openRoot: (name, tuf) => openTrustedRoot(context, name, tuf),
    });
    const folder = options["output-dir"];
    const files = folder === "-" ? undefined : await writeAll(context.resolvePath(folder), imported.conversions);
    print(context, imported, files);
    for (const { place, what, instead } of imported.losses)
      context.note(plain(`${place}: ${what}; instead: ${instead}`));
    return imported.losses.length === 0 ? 0 : 1;
  },
});

async function textOf({ resolvePath }: CommandContext, name: string, what: string): Promise<string> {
  const bytes = await readSmallFile(resolvePath(name), what);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new TrustError("FILE_UNREADABLE", `${what} ${name} is not UTF-8 text`);
  }
}

function print({ io, output }: CommandContext, imported: Imported, files: readonly string[] | undefined): void {
  const { conversions, losses } = imported;
  if (output === "table") {
    if (files === undefined) io.stdout.write(conversions.map(({ text }) => `---\n${text}`).join(""));
    else io.stdout.write(files.map((file) => `${file}\n`).join(""));
    return;
  }
  const result = {
    conversions: conversions.map((one, at) => (files === undefined ? one : { ...one, file: files[at] })),
    losses,
  };
  io.stdout.write(output === "json" ? `${toJson([result], 2)}\n` : `${toJson(result)}\n`);
}

/** Writes each document to a file of its own; never over another. */
async function writeAll(folder: string, conversions: readonly Conversion[]): Promise<readonly string[]> {
  const files: string[] = [];
  try {
    await mkdir(folder, { recursive: true });
    for (const { kind, name, namespace, text } of conversions) {
      const owner = namespace === undefined ? "" : `${namespace}.`;
      const suffix = kind === "TrustRoot" ? ".trust-root" : "";
      const file = join(folder, `${owner}${name}${suffix}.yaml`);
      await writeFile(file, text, { flag: "wx" });
      files.push(file);
    }
  } catch (cause) {
    throw new TrustError("FILE_UNWRITABLE", `${folder} cannot be written to`, {
      expected: "a folder without files of these names",
      found: asTrustError(cause).message.slice(0, 200),
      cause,
    });
  }
  return files;
}
