/**
 * Writes the pages that are made from the code: docs/cli.md, docs/errors.md, docs/policy.md, policies/schema.json,
 * policies/test.schema.json and policies/crds/.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ArgumentSpec, Command, OptionSpec } from "../src/cli/command.ts";
import { globalOptions } from "../src/cli/command.ts";
import { aboutOption, flagsOf, usageOf } from "../src/cli/help.ts";
import { commandTable } from "../src/cli/table.ts";
import { type ErrorCategory, errorCodes, exitCodes } from "../src/errors.ts";
import { policyJsonSchema } from "../src/policy/schema.ts";
import { policyTestJsonSchema } from "../src/policy-tools/test-schema.ts";
import { crdPages } from "./crds.ts";
import { fieldTable } from "./fields.ts";
import { foreignCrdPages } from "./foreign-crds.ts";

const note = "<!-- Made by `npm run docs`; edit the code instead. -->";

/** Every generated page, by its path from the project's root. */
export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  const commands = await Promise.all(Object.values(commandTable).map(async ({ load }) => (await load()).command));
  return new Map([
    ["docs/cli.md", cliPage(commands)],
    ["docs/errors.md", errorsPage()],
    ["docs/policy.md", policyPage()],
    ...crdPages("Made by `npm run docs`; edit the code instead."),
    ...foreignCrdPages("Made by `npm run docs`; edit the code instead."),
    ["policies/schema.json", `${JSON.stringify(policyJsonSchema(), undefined, 2)}\n`],
    ["policies/test.schema.json", `${JSON.stringify(policyTestJsonSchema(), undefined, 2)}\n`],
  ]);
}

const meanings: Readonly<Record<ErrorCategory, string>> = {
  untrusted: "the answer is no: an image is not trusted, not there, or not the one expected",
  usage: "the command line is wrong",
  config: "a file, key, password, policy or credential is wrong or missing",
  unavailable: "a registry could not be asked; nothing is known",
  internal: "a bug",
};

function cliPage(commands: readonly Command[]): string {
  const codes = Object.entries(meanings)
    .map(([category, meaning]) => ({ code: exitCodes[category as ErrorCategory], category, meaning }))
    .sort((a, b) => a.code - b.code);
  return `${note}

# The command line

Results go to standard output, everything else to standard error. Relative paths start at the folder the command was run in.
\`trust help COMMAND\` says the same as this page; \`trust completion SHELL\` teaches it to a shell.

${commands.map(({ name, summary }) => `- [\`trust ${name}\`](#trust-${name.replaceAll(" ", "-")}): ${summary}`).join("\n")}

## Options of every command

${optionTable(globalOptions)}

## Exit codes

Of several results the gravest counts, in the order 70, 2, 3, 1, 4.

| code | meaning |
|---|---|
| 0 | done; with \`verify\` and \`audit\`: every image is allowed |
${codes.map(({ code, category, meaning }) => `| ${code} | ${category}: ${meaning} |`).join("\n")}
| 130, 143 | ended by SIGINT or SIGTERM |

## Environment

| variable | meaning |
|---|---|
| \`TRUST_PASSWORD\`, else \`COSIGN_PASSWORD\` | the password of a private key; set and empty is an empty password |
| \`TRUST_IMPORT_PASSWORD\` | the password of the key that \`trust key import\` reads |
| \`DOCKER_CONFIG\`, \`REGISTRY_AUTH_FILE\` | where the credentials of registries are |
| \`HTTPS_PROXY\`, \`HTTP_PROXY\`, \`NO_PROXY\` | proxies |
| \`NO_COLOR\` | no colours |

${commands.map(commandSection).join("\n")}`;
}

function commandSection(command: Command): string {
  const { name, description, examples, arguments: args, options } = command;
  const parts = [`## trust ${name}`, `\`\`\`\n${usageOf(command)}\n\`\`\``, description];
  if (Object.keys(args).length > 0) parts.push(argumentTable(args));
  if (Object.keys(options).length > 0) parts.push(optionTable(options));
  for (const { about, command } of examples) parts.push(`${about}:\n\n\`\`\`sh\n${command}\n\`\`\``);
  return `${parts.join("\n\n")}\n`;
}

function argumentTable(args: Readonly<Record<string, ArgumentSpec>>): string {
  const rows = Object.entries(args).map(([word, { summary }]) => `| \`${word.toUpperCase()}\` | ${cell(summary)} |`);
  return ["| argument | |", "|---|---|", ...rows].join("\n");
}

function optionTable(options: Readonly<Record<string, OptionSpec>>): string {
  const rows = Object.entries(options).map(
    ([name, spec]) => `| \`${flagsOf(name, spec)}\` | ${cell(aboutOption(spec))} |`,
  );
  return ["| option | |", "|---|---|", ...rows].join("\n");
}

function errorsPage(): string {
  const sections = Object.entries(errorCodes).map(
    ([code, { category, hint }]) =>
      `## ${code}\n\n${category}, exit code ${exitCodes[category as ErrorCategory]}\n\n${cell(hint)}.\n`,
  );
  return `${note}

# Errors

Every error has a code, what was expected and found where that says more, and a next step. With \`--output json\` it is an
object \`{"error": {"code", "category", "message", "expected", "found", "hint"}}\` on standard error; in a Verdict the same
objects are \`findings\`. Codes stay; messages may change.

${sections.join("\n")}`;
}

/** The guide, written by hand, with the tables of fields where it says `{{fields KIND}}`, or `{{fields KIND but OTHER}}`. */
function policyPage(): string {
  const guide = readFileSync(join(import.meta.dirname, "policy-guide.md"), "utf8");
  const filled = guide.replaceAll(/^\{\{fields (\w+)(?: but (\w+))?\}\}$/gm, (_, kind: string, other?: string) =>
    fieldTable(kind, other),
  );
  return `<!-- Made by \`npm run docs\` from scripts/policy-guide.md and the schema; edit those instead. -->\n\n${filled}`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  for (const [path, text] of await generatedPages()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(path);
  }
}
