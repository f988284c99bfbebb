import { resolve } from "node:path";
import type { Io } from "./io.ts";

/** A flag, as data: `name` of the record it stands in is its long name without the dashes. */
export interface OptionSpec {
  readonly short?: string;
  /** Placeholder of its value, in upper case; a flag without one is on or off. */
  readonly value?: string;
  readonly summary: string;
  /** May be given many times. */
  readonly many?: true;
  readonly choices?: readonly string[];
  readonly default?: string;
  readonly required?: true;
  /** What the shell completes a value with; choices are completed by themselves. `policies`: files, and the word for the cluster. */
  readonly completes?: "files" | "folders" | "policies";
}

/** A positional argument; the name it stands under, in upper case, is its placeholder. */
export interface ArgumentSpec {
  readonly summary: string;
  readonly optional?: true;
  /** One or more. */
  readonly many?: true;
  readonly choices?: readonly string[];
  readonly completes?: OptionSpec["completes"];
}

export interface Example {
  readonly about: string;
  readonly command: string;
}

type OptionSpecs = Readonly<Record<string, OptionSpec>>;
type ArgumentSpecs = Readonly<Record<string, ArgumentSpec>>;

type TextOf<S> = S extends { readonly choices: readonly (infer C)[] } ? C : string;

type OptionValue<S extends OptionSpec> = S extends { readonly value: string }
  ? S extends { readonly many: true }
    ? readonly TextOf<S>[]
    : S extends { readonly default: string } | { readonly required: true }
      ? TextOf<S>
      : TextOf<S> | undefined
  : boolean;

/** The values of flags, by long name. */
export type OptionValues<O extends OptionSpecs> = { readonly [K in keyof O]: OptionValue<O[K]> };

type ArgumentValue<S extends ArgumentSpec> = S extends { readonly many: true }
  ? readonly TextOf<S>[]
  : S extends { readonly optional: true }
    ? TextOf<S> | undefined
    : TextOf<S>;

/** The values of arguments, by name. */
export type ArgumentValues<A extends ArgumentSpecs> = { readonly [K in keyof A]: ArgumentValue<A[K]> };

/** A command of the program: what help, completion and the manual are made of, and what it does. */
export interface CommandSpec<A extends ArgumentSpecs, O extends OptionSpecs> {
  /** Words after `trust`. */
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly Example[];
  readonly arguments: A;
  readonly options: O;
  /** Runs until it is told to stop, which is then its good end. */
  readonly serves?: true;
  /** Does it; the exit code, 0 if there is none. Errors are thrown. */
  run(context: CommandContext, args: ArgumentValues<A>, options: OptionValues<O>): Promise<number | undefined>;
}

/** A command whose flags are not known to the type system. */
export interface Command extends Omit<CommandSpec<ArgumentSpecs, OptionSpecs>, "run"> {
  run(context: CommandContext, args: never, options: never): Promise<number | undefined>;
}

/** Checks a command against its own flags and arguments: `run` sees exactly those. */
export function defineCommand<const A extends ArgumentSpecs, const O extends OptionSpecs>(
  command: CommandSpec<A, O>,
): Command {
  return command as Command;
}

export const outputForms = ["table", "json", "jsonl"] as const;
export type OutputForm = (typeof outputForms)[number];

/** Flags of every command. */
export const globalOptions = {
  output: {
    short: "o",
    value: "FORM",
    summary: "form of results: text for people, one JSON array, or one JSON object per line",
    choices: outputForms,
    default: "table",
  },
  verbose: { short: "v", summary: "also say every request and the causes of errors" },
  quiet: { short: "q", summary: "say nothing but results and errors" },
} as const satisfies OptionSpecs;

/** What a command is given beside its own values. */
export interface CommandContext {
  readonly io: Io;
  readonly output: OutputForm;
  readonly verbose: boolean;
  readonly quiet: boolean;
  /** Makes a path absolute, from the folder the user stood in. */
  resolvePath(path: string): string;
  /** Says something beside the results, on standard error, unless quiet. */
  note(text: string): void;
}

export function createContext(io: Io, values: OptionValues<typeof globalOptions>): CommandContext {
  return {
    ...values,
    io,
    resolvePath: (path) => resolve(io.folder, path),
    note(text) {
      if (!values.quiet) io.stderr.write(`${text}\n`);
    },
  };
}
