import { parseArgs } from "node:util";
import { TrustError } from "../errors.ts";
import { type ArgumentSpec, type Command, globalOptions, type OptionSpec, type OptionValues } from "./command.ts";
import { didYouMean } from "./suggest.ts";

/** What the user typed: values, or the wish for help. */
export type Parsed =
  | {
      readonly kind: "values";
      readonly args: Readonly<Record<string, unknown>>;
      readonly options: Readonly<Record<string, unknown>>;
      readonly globals: OptionValues<typeof globalOptions>;
    }
  | { readonly kind: "help" };

type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** Parses what follows the name of a command. Throws `USAGE` for anything the command does not take. */
export function parseArguments(command: Command, argv: readonly string[]): Parsed {
  const specs: OptionSpecs = { ...command.options, ...globalOptions };
  const fail = (message: string, expected?: string, suggestion?: string): never => {
    const help = `See: trust help ${command.name}`;
    throw new TrustError("USAGE", message, {
      expected,
      hint: suggestion === undefined ? help : `${suggestion} ${help}`,
    });
  };
  const given = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of tokensOf(specs, argv)) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      words.push(token.value);
      continue;
    }
    if (token.name === "help") return { kind: "help" };
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec === undefined)
      return fail(`unknown flag ${token.rawName}`, undefined, didYouMean(token.name, Object.keys(specs), "--"));
    given.set(token.name, [...(given.get(token.name) ?? []), valueOfToken(token, spec, fail)]);
  }
  return {
    kind: "values",
    args: argumentValues(command.arguments, words, fail),
    options: optionValues(command.options, given, fail),
    globals: optionValues(globalOptions, given, fail) as unknown as OptionValues<typeof globalOptions>,
  };
}

type Fail = (message: string, expected?: string) => never;

function tokensOf(specs: OptionSpecs, argv: readonly string[]) {
  const options = Object.entries(specs).map(([name, { short, value }]) => {
    const type = value === undefined ? ("boolean" as const) : ("string" as const);
    return [name, short === undefined ? { type } : { type, short }] as const;
  });
  // Not strict: its messages know nothing of this program, so that every check is made here, from the tokens.
  return parseArgs({
    args: [...argv],
    options: { ...Object.fromEntries(options), help: { type: "boolean", short: "h" } },
    allowPositionals: true,
    strict: false,
    tokens: true,
  }).tokens;
}

interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function valueOfToken({ rawName, value, inlineValue }: OptionToken, spec: OptionSpec, fail: Fail): string {
  if (spec.value === undefined) return inlineValue === true ? fail(`the flag ${rawName} takes no value`) : "";
  // A flag in the place of a value is a value forgotten; what really starts with a dash is written --flag=-value.
  if (value === undefined || (inlineValue !== true && value.startsWith("-") && value !== "-"))
    return fail(`the flag ${rawName} wants a value`, spec.value);
  return checked(value, `the flag ${rawName}`, spec, fail);
}

/** An empty value is what an unset variable leaves behind in a script: never what was meant. */
function checked(value: string, what: string, { choices }: OptionSpec | ArgumentSpec, fail: Fail): string {
  if (value === "") return fail(`${what} is empty`);
  if (choices !== undefined && !choices.includes(value))
    return fail(`${what} cannot be ${JSON.stringify(value)}`, choices.join(", "));
  return value;
}

function optionValues(
  specs: OptionSpecs,
  given: ReadonlyMap<string, readonly string[]>,
  fail: Fail,
): Readonly<Record<string, unknown>> {
  const entries = Object.entries(specs).map(([name, spec]) => {
    const values = given.get(name) ?? [];
    if (spec.value === undefined) return [name, values.length > 0];
    if (spec.required === true && values.length === 0)
      return fail(`the flag --${name} is missing`, `--${name} ${spec.value}`);
    return [name, spec.many === true ? values : (values.at(-1) ?? spec.default)];
  });
  return Object.fromEntries(entries);
}

function argumentValues(
  specs: Readonly<Record<string, ArgumentSpec>>,
  words: readonly string[],
  fail: Fail,
): Readonly<Record<string, unknown>> {
  const left = [...words];
  const entries = Object.entries(specs).map(([name, spec], index, all) => {
    const what = name.toUpperCase();
    // One word is kept for each argument after it.
    const most = left.length - (all.length - 1 - index);
    const taken = left.splice(0, spec.many === true ? Math.max(0, most) : 1);
    if (taken.length === 0 && spec.optional !== true) return fail(`${what} is missing`, `${what}: ${spec.summary}`);
    for (const word of taken) checked(word, what, spec, fail);
    return [name, spec.many === true ? taken : taken[0]];
  });
  if (left.length > 0) return fail(`${JSON.stringify(left[0])} is one argument too many`);
  return Object.fromEntries(entries);
}
