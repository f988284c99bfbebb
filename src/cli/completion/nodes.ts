import type { Command } from "../command.ts";
import { globalOptions, type OptionSpec } from "../command.ts";
import { childrenOf } from "../find.ts";
import { commandTable, groups } from "../table.ts";

/** What can stand where a value is wanted. */
export type Values = readonly string[] | NonNullable<OptionSpec["completes"]> | "anything";

export interface CompletedOption {
  readonly long: string;
  readonly short?: string | undefined;
  readonly summary: string;
  /** Absent: it takes no value. */
  readonly values?: Values;
  readonly many: boolean;
}

/** What can follow the words of a command or a group. */
export interface CompletionNode {
  /** Words after `trust`; empty at the start. */
  readonly path: string;
  /** Further words and their summaries, in a group. */
  readonly words: ReadonlyMap<string, string>;
  readonly options: readonly CompletedOption[];
  readonly values: Values;
}

/** Everything that can be completed, read from the commands themselves. */
export async function completionNodes(): Promise<readonly CompletionNode[]> {
  const commands = await Promise.all(Object.values(commandTable).map(async ({ load }) => (await load()).command));
  return [...["", ...Object.keys(groups)].map(groupNode), ...commands.map(commandNode)];
}

function groupNode(path: string): CompletionNode {
  const words = new Map(childrenOf(path));
  if (path === "") words.set("help", "say what a command takes");
  return { path, words, options: [], values: [] };
}

function commandNode(command: Command): CompletionNode {
  const options = Object.entries({ ...command.options, ...globalOptions }).map(([long, spec]) => optionOf(long, spec));
  const [first] = Object.values(command.arguments);
  const values = first === undefined ? [] : (first.choices ?? first.completes ?? "anything");
  return { path: command.name, words: new Map(), options, values };
}

function optionOf(long: string, spec: OptionSpec): CompletedOption {
  const { short, summary, many = false } = spec;
  const option = { long, short, summary, many };
  return spec.value === undefined ? option : { ...option, values: spec.choices ?? spec.completes ?? "anything" };
}
