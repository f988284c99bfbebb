import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generatedPages } from "../../scripts/docs.ts";
import { type Command, globalOptions } from "../../src/cli/command.ts";
import { parseArguments } from "../../src/cli/parse.ts";
import { commandTable } from "../../src/cli/table.ts";
import { errorCodes } from "../../src/errors.ts";

const root = join(import.meta.dirname, "../..");
const pages = await generatedPages();

describe("generated pages", () => {
  test.each([...pages.keys()])("%s is what the code says (else run: npm run docs)", (path) => {
    expect(readFileSync(join(root, path), "utf8")).toBe(pages.get(path));
  });

  test("docs/errors.md has a section for each code, and for nothing else", () => {
    const sections = [...(pages.get("docs/errors.md") ?? "").matchAll(/^## (\w+)$/gm)].map(([, code]) => code);
    expect(sections).toEqual(Object.keys(errorCodes));
  });
});

/** The words of a line of shell: without comment, redirections, pipes and assignments in front. */
function wordsOf(line: string): readonly string[] {
  const plain = line.replace(/(^|\s)#.*$/, "").replace(/\s(?:[<>]|\|\s).*$/, "");
  const words = [...plain.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => word.replace(/['"]/g, ""));
  return words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word)));
}

/** The command that the words name, and what follows its name. */
async function commandOf([, ...words]: readonly string[]) {
  const length = [3, 2, 1].find((count) => words.slice(0, count).join(" ") in commandTable) ?? 0;
  const loaded = await commandTable[words.slice(0, length).join(" ")]?.load();
  return { command: loaded?.command as Command | undefined, argv: words.slice(length) };
}

const written = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CHANGELOG.md",
  "policies/README.md",
];
const documents = [...written, ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)];

describe.each(documents)("%s", (path) => {
  const text = readFileSync(join(root, path), "utf8");
  const blocks = [...text.matchAll(/^```(?:sh|console|yaml)\n(.*?)^```/gms)].map(([, block = ""]) => block);
  const lines = blocks.flatMap((block) => block.replaceAll("\\\n", " ").split("\n"));
  const commands = lines.flatMap((line) => {
    const { start } = /^\s*(?:\$ |- (?:run: )?|run: )?(?<start>(?:[A-Z_]+=\S+ )*trust .*)$/.exec(line)?.groups ?? {};
    return start === undefined ? [] : start.split(" && ").filter((part) => part.startsWith("trust") || part === start);
  });

  test("every command it shows is one that can be run", async () => {
    for (const line of commands.filter((shown) => !/^trust help|OPTIONS/.test(shown))) {
      const { command, argv } = await commandOf(wordsOf(line));
      expect(command, line).toBeDefined();
      if (command !== undefined) expect(() => parseArguments(command, argv), line).not.toThrow();
    }
  });

  test("every command and flag it speaks of exists", async () => {
    for (const [, line = ""] of text.matchAll(/`(trust [a-z][^`\n]*)`/g)) {
      const [, ...words] = wordsOf(line);
      if (["help", "root", "key", "audit", "policy"].includes(words.join(" "))) continue;
      if (/[|`…]/.test(line) || words[0] === "help") continue;
      const { command } = await commandOf(wordsOf(line));
      expect(command, line).toBeDefined();
      const known = Object.keys({ ...command?.options, ...globalOptions });
      const flags = words.filter((word) => word.startsWith("--")).map((word) => word.slice(2).replace(/=.*/, ""));
      expect(known, line).toEqual(expect.arrayContaining(flags));
    }
  });
});
