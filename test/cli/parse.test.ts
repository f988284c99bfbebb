import { describe, expect, test } from "vitest";
import { type Command, defineCommand } from "../../src/cli/command.ts";
import { parseArguments } from "../../src/cli/parse.ts";
import { codeOf } from "../support/errors.ts";

const command: Command = defineCommand({
  name: "paint",
  summary: "paint",
  description: "Paints.",
  examples: [],
  arguments: { wall: { summary: "the wall", choices: ["north", "south"] }, color: { summary: "colours", many: true } },
  options: {
    brush: { short: "b", value: "NAME", summary: "the brush" },
    layer: { short: "l", value: "N", summary: "layers", many: true },
    "no-mess": { value: "HOW", summary: "how", choices: ["never", "ever"], default: "never" },
    dry: { short: "d", summary: "let it dry" },
  },
  run: async () => 0,
});

const parse = (...argv: string[]) => parseArguments(command, argv);
const options = { brush: undefined, layer: [], "no-mess": "never", dry: false };
const globals = { output: "table", verbose: false, quiet: false };
const args = { wall: "north", color: ["red"] };

describe("a command line", () => {
  test("gives every flag and argument a value, with its default where none was typed", () => {
    expect(parse("north", "red")).toEqual({ kind: "values", args, options, globals });
  });

  test.each<[string, string[], object]>([
    ["long flags", ["--brush", "x", "--dry"], { brush: "x", dry: true }],
    ["values after =", ["--brush=x", "--no-mess=ever"], { brush: "x", "no-mess": "ever" }],
    ["values with = in them, and dashes after =", ["--brush=a=b", "-l=-1"], { brush: "a=b", layer: ["=-1"] }],
    ["short flags, also together", ["-db", "x", "-lone"], { dry: true, brush: "x", layer: ["one"] }],
    ["flags given many times", ["--layer", "1", "-l", "2"], { layer: ["1", "2"] }],
    ["the last of a flag that counts once", ["--brush", "x", "--brush", "y"], { brush: "y" }],
    ["a dash as a value", ["--brush", "-"], { brush: "-" }],
  ])("takes %s, anywhere", (_what, flags, expected) => {
    const wanted = { kind: "values", args, options: { ...options, ...expected }, globals };
    expect(parse(...flags, "north", "red")).toEqual(wanted);
    expect(parse("north", ...flags, "red")).toEqual(wanted);
    expect(parse("north", "red", ...flags)).toEqual(wanted);
  });

  test("keeps the last word for the argument after one that may be given many times", () => {
    const specs = { images: { summary: "i", many: true as const }, path: { summary: "p" } };
    const packing: Command = defineCommand({ ...command, arguments: specs } as never);
    const words = (...argv: string[]) => parseArguments(packing, argv);
    expect(words("a", "out")).toMatchObject({ args: { images: ["a"], path: "out" } });
    expect(words("a", "b", "c", "out")).toMatchObject({ args: { images: ["a", "b", "c"], path: "out" } });
    for (const argv of [[], ["out"]]) expect(codeOf(() => words(...argv))).toBe("USAGE");
  });

  test("takes what follows -- as arguments", () => {
    expect(parse("north", "--", "--brush", "-d")).toMatchObject({ args: { color: ["--brush", "-d"] }, options });
  });

  test("asks for help wherever that stands, whatever else is missing", () => {
    for (const argv of [["--help"], ["-h"], ["north", "--help"], ["--brush", "x", "-h"]])
      expect(parse(...argv)).toEqual({ kind: "help" });
    expect(parse("north", "--", "--help")).toMatchObject({ kind: "values" });
  });

  test.each<[string, string[]]>([
    ["an unknown flag", ["--brsh", "x"]],
    ["an unknown short flag", ["-x"]],
    ["a flag of Object", ["--constructor"]],
    ["a flag without its value", ["--brush"]],
    ["a flag in the place of a value", ["--brush", "--dry"]],
    ["a value for a flag without one", ["--dry=yes"]],
    ["an empty value", ["--brush="]],
    ["a value that is no choice", ["--no-mess", "always"]],
    ["the negation of a flag", ["--no-dry"]],
  ])("is refused for %s", (_what, flags) => {
    expect(codeOf(() => parse("north", "red", ...flags))).toBe("USAGE");
  });

  test("is refused for arguments that are missing, empty, no choice, or too many", () => {
    const single: Command = defineCommand({ ...command, arguments: { wall: { summary: "w" } } } as never);
    for (const argv of [[], ["north"], ["east", "red"], ["north", ""]])
      expect(codeOf(() => parse(...argv))).toBe("USAGE");
    expect(codeOf(() => parseArguments(single, ["north", "south"]))).toBe("USAGE");
  });
});
