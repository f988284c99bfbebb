import { Argument, CommanderError, InvalidArgumentError, Option, Command as Parser } from "commander";
import { TrustError } from "../errors.ts";
import { type ArgumentSpec, type Command, globalOptions, type OptionSpec, type OptionValues } from "./command.ts";
import { childrenOf } from "./find.ts";
import { groups } from "./table.ts";

/** What the user typed: values, or the help they asked for. */
export type Parsed =
  | {
      readonly kind: "values";
      readonly args: Readonly<Record<string, unknown>>;
      readonly options: Readonly<Record<string, unknown>>;
      readonly globals: OptionValues<typeof globalOptions>;
    }
  | { readonly kind: "help"; readonly text: string };

/** Parses what follows the name of a command. Throws `USAGE` for anything the command does not take. */
export function parseArguments(command: Command, argv: readonly string[]): Parsed {
  let help = "";
  const parser = parserOf(command, (text) => {
    help += text;
  });
  try {
    parser.parse(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return { kind: "help", text: help };
    throw error instanceof CommanderError ? usageError(error, command.name) : error;
  }
  const values = (specs: Readonly<Record<string, OptionSpec>>) =>
    Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, valueIn(parser, name, spec)]));
  const names = Object.keys(command.arguments);
  return {
    kind: "values",
    args: Object.fromEntries(names.map((name, index) => [name, parser.processedArgs[index]])),
    options: values(command.options),
    globals: values(globalOptions) as OptionValues<typeof globalOptions>,
  };
}

/** The help of a command. */
export function helpOf(command: Command): string {
  let help = "";
  parserOf(command, (text) => {
    help += text;
  }).outputHelp();
  return help;
}

/** The help of a group of commands. Throws `USAGE` where `words` go on with something that is not in it. */
export function groupHelp(group: string, words: readonly string[]): string {
  let help = "";
  const parser = quietParser(group === "" ? "trust" : `trust ${group}`, (text) => {
    help += text;
  });
  parser.description(group === "" ? "Signs container images, and lets only trusted ones run." : (groups[group] ?? ""));
  for (const [word, summary] of childrenOf(group)) parser.command(word).summary(summary).description(summary);
  parser.helpCommand("help [COMMAND]", "say what a command takes").helpOption("-h, --help", "say what there is");
  if (group === "") parser.option("-V, --version", "print the version");
  try {
    if (words.length > 0) parser.parse(words, { from: "user" });
  } catch (error) {
    throw error instanceof CommanderError ? usageError(error, group) : error;
  }
  parser.outputHelp();
  return help;
}

function parserOf(command: Command, writeOut: (text: string) => void): Parser {
  const parser = quietParser(`trust ${command.name}`, writeOut).description(command.description);
  for (const [name, spec] of Object.entries(command.arguments)) parser.addArgument(argumentOf(name, spec));
  for (const [name, spec] of Object.entries(command.options)) parser.addOption(optionOf(name, spec));
  parser.optionsGroup("Options of every command:");
  for (const [name, spec] of Object.entries(globalOptions)) parser.addOption(optionOf(name, spec));
  parser.helpOption("-h, --help", "say what the command takes");
  parser.addHelpText("after", () => examplesOf(command));
  return parser;
}

/** A parser that neither prints nor ends the process by itself. */
function quietParser(name: string, writeOut: (text: string) => void): Parser {
  const styleTitle = (title: string) => title;
  return new Parser(name)
    .exitOverride()
    .configureOutput({ writeOut, writeErr: () => undefined, getOutHelpWidth: () => 100, getOutHasColors: () => false })
    .configureHelp({ styleTitle });
}

function examplesOf(command: Command): string {
  const lines = command.examples.map(({ about, command: line }) => `  ${about}:\n    ${line}`);
  return lines.length === 0 ? "" : `\nExamples:\n${lines.join("\n")}\n`;
}

function argumentOf(name: string, spec: ArgumentSpec): Argument {
  const placeholder = `${name.toUpperCase()}${spec.many === true ? "..." : ""}`;
  const argument = new Argument(spec.optional === true ? `[${placeholder}]` : `<${placeholder}>`, spec.summary);
  return argument.argParser((value: string, previous: unknown) => {
    check(value, spec.choices);
    if (spec.many !== true) return value;
    return Array.isArray(previous) ? [...previous, value] : [value];
  });
}

function optionOf(name: string, spec: OptionSpec): Option {
  const short = spec.short === undefined ? "" : `-${spec.short}, `;
  const value = spec.value === undefined ? "" : ` <${spec.value}>`;
  const choices = spec.choices === undefined ? "" : ` (${spec.choices.join(", ")})`;
  const many = spec.many === true ? "; may be repeated" : "";
  const option = new Option(`${short}--${name}${value}`, `${spec.summary}${choices}${many}`);
  if (spec.required === true) option.makeOptionMandatory();
  if (spec.default !== undefined) option.default(spec.default);
  if (spec.value === undefined) return option;
  return option.argParser((text: string, previous: unknown) => {
    check(text, spec.choices);
    if (spec.many !== true) return text;
    return Array.isArray(previous) ? [...previous, text] : [text];
  });
}

/** An empty value is what an unset variable leaves behind in a script: never what was meant. */
function check(value: string, choices: readonly string[] | undefined): void {
  if (value === "") throw new InvalidArgumentError("It is empty.");
  if (choices !== undefined && !choices.includes(value))
    throw new InvalidArgumentError(`Choose one of ${choices.join(", ")}.`);
}

function valueIn(parser: Parser, name: string, spec: OptionSpec): unknown {
  const option = parser.options.find(({ long }) => long === `--${name}`);
  const value: unknown = option && parser.getOptionValue(option.attributeName());
  if (spec.value === undefined) return value === true;
  if (spec.many === true) return Array.isArray(value) ? value : [];
  // A flag that is called --no-… counts as on until it is given.
  return typeof value === "string" ? value : undefined;
}

function usageError(error: CommanderError, name: string): TrustError {
  const [, message = "", suggestion] =
    /^(?:error: )?([\s\S]*?)(?:\n\((Did you mean [^)]*)\))?$/.exec(error.message) ?? [];
  const help = `See: trust help ${name}`.trimEnd();
  return new TrustError("USAGE", message, { hint: suggestion === undefined ? help : `${suggestion} ${help}` });
}
