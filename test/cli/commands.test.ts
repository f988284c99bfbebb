import { describe, expect, test } from "vitest";
import { globalOptions } from "../../src/cli/command.ts";
import { commandTable, groups } from "../../src/cli/table.ts";
import { runTrust } from "../support/cli.ts";

const commands = await Promise.all(
  Object.entries(commandTable).map(async ([name, { summary, load }]) => ({
    name,
    summary,
    command: (await load()).command,
  })),
);

describe.each(commands)("trust $name", ({ name, summary, command }) => {
  test("is the command that its file defines", () => {
    expect(command).toMatchObject({ name, summary });
  });

  test("has help with its summary's meaning, every flag, and an example that is of this command", async () => {
    const words = name.split(" ");
    const help = await runTrust(["help", ...words], { folder: "/" });
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const flag of Object.keys({ ...command.options, ...globalOptions }))
      expect(help.stdout).toContain(`--${flag}`);
    for (const argument of Object.keys(command.arguments)) expect(help.stdout).toContain(argument.toUpperCase());
    expect(command.examples.length).toBeGreaterThan(0);
    for (const example of command.examples) expect(example.command).toContain(`trust ${name}`);
    expect((await runTrust([...words, "--help"], { folder: "/" })).stdout).toBe(help.stdout);
  });

  test("takes no flag of every command for something else, and no short flag twice", () => {
    const own = Object.keys(command.options);
    expect(own.filter((flag) => Object.hasOwn(globalOptions, flag) || flag === "help")).toEqual([]);
    const shorts = Object.values({ ...command.options, ...globalOptions }).flatMap(({ short }) => short ?? []);
    expect([...new Set(shorts), "h"]).toEqual([...shorts, "h"]);
  });

  test("takes one argument many times at most, and optional ones last", () => {
    const specs = Object.values(command.arguments);
    expect(specs.filter(({ many }) => many === true).length).toBeLessThan(2);
    const firstOptional = specs.findIndex(({ optional }) => optional === true);
    expect(specs.slice(firstOptional < 0 ? specs.length : firstOptional).every(({ optional }) => optional)).toBe(true);
  });
});

test("every group has commands, and every name of several words a group", () => {
  const names = Object.keys(commandTable);
  for (const group of Object.keys(groups)) expect(names.some((name) => name.startsWith(`${group} `))).toBe(true);
  for (const name of names) {
    const words = name.split(" ");
    for (let count = 1; count < words.length; count++)
      expect(Object.keys(groups)).toContain(words.slice(0, count).join(" "));
  }
});
