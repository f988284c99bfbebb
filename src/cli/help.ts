import { TrustError } from "../errors.ts";
import { type ArgumentSpec, type Command, globalOptions, type OptionSpec } from "./command.ts";
import { childrenOf } from "./find.ts";
import { didYouMean } from "./suggest.ts";
import { groups } from "./table.ts";

const width = 100;
const columnGap = 2;

/** The help of a command, made of the same data that parses its command line. */
export function helpOf(command: Command): string {
  const own = Object.entries(command.options);
  return sections([
    `Usage: ${usageOf(command)}`,
    wrap(command.description, width).join("\n"),
    list("Arguments", Object.entries(command.arguments).map(argumentRow)),
    list("Options", own.map(optionRow)),
    list("Options of every command", [
      ...Object.entries(globalOptions).map(optionRow),
      ["-h, --help", "say what the command takes"],
    ]),
    examplesOf(command),
  ]);
}

/** How a command is called, on one line. */
export function usageOf({ name, options, arguments: args }: Command): string {
  const words = Object.entries(args).map(([word, { many, optional }]) => {
    const shown = `${word.toUpperCase()}${many === true ? "..." : ""}`;
    return optional === true ? `[${shown}]` : shown;
  });
  return ["trust", name, ...(Object.keys(options).length > 0 ? ["[OPTIONS]"] : []), ...words].join(" ");
}

/** A flag with its short form and placeholder. */
export function flagsOf(name: string, { short, value }: OptionSpec): string {
  return `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}

/** What a flag is for, with its choices, default and whether it may be repeated. */
export function aboutOption({ summary, choices, many, required, default: fallback }: OptionSpec): string {
  const more = [
    choices === undefined ? "" : `one of ${choices.join(", ")}`,
    fallback === undefined ? "" : `default ${fallback}`,
    required === true ? "required" : "",
    many === true ? "may be repeated" : "",
  ];
  return [summary, ...more.filter(Boolean)].join("; ");
}

/** The help of a group of commands. Throws `USAGE` where `words` go on with something that is not in it. */
export function groupHelp(group: string, words: readonly string[]): string {
  const children = childrenOf(group);
  const program = `trust ${group}`.trimEnd();
  const [word] = words;
  if (word !== undefined) {
    const suggestion = word.startsWith("-") ? undefined : didYouMean(word, [...children.keys()]);
    const help = `See: trust help ${group}`.trimEnd();
    throw new TrustError("USAGE", `${program} has no ${word.startsWith("-") ? "flag" : "command"} ${word}`, {
      hint: suggestion === undefined ? help : `${suggestion} ${help}`,
    });
  }
  const about = group === "" ? "Signs container images, and lets only trusted ones run." : `${groups[group]}`;
  return sections([
    `Usage: ${program} COMMAND`,
    about,
    list("Commands", [...children]),
    group === ""
      ? list("Options", [
          ["-V, --version", "print the version"],
          ["-h, --help", "say what there is"],
        ])
      : "",
    `What a command takes: trust help ${group === "" ? "" : `${group} `}COMMAND`,
  ]);
}

type Row = readonly [string, string];

function argumentRow([name, { summary, choices }]: readonly [string, ArgumentSpec]): Row {
  return [name.toUpperCase(), choices === undefined ? summary : `${summary}; one of ${choices.join(", ")}`];
}

function optionRow([name, spec]: readonly [string, OptionSpec]): Row {
  return [flagsOf(name, spec), aboutOption(spec)];
}

function examplesOf({ examples }: Command): string {
  return `Examples:\n${examples.map(({ about, command }) => `  ${about}:\n    ${command}`).join("\n")}`;
}

function sections(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function list(title: string, rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const column = Math.max(...rows.map(([name]) => name.length)) + columnGap;
  const lines = rows.map(([name, about]) => {
    const indent = " ".repeat(column + columnGap);
    return `  ${name.padEnd(column)}${wrap(about, width - indent.length).join(`\n${indent}`)}`;
  });
  return `${title}:\n${lines.join("\n")}`;
}

function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
