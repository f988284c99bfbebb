import { asTrustError, errorCodes, exitCodes, TrustError } from "../errors.ts";
import { type Command, createContext } from "./command.ts";
import { type Found, findCommand } from "./find.ts";
import type { Io } from "./io.ts";
import { parseArguments } from "./parse.ts";
import { printError } from "./print.ts";
import { commandTable } from "./table.ts";
import { programVersion } from "./version.ts";

/** Runs one command line and gives its exit code. Never throws: what goes wrong is printed. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (error) {
    if (io.signal.aborted) return interruptedCode(io.signal);
    const trustError = asTrustError(error);
    printError(io, trustError, wishesOf(argv));
    return exitCodes[trustError.category];
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...others] = argv;
  if (first === "--version" || first === "-V") {
    io.stdout.write(`${programVersion()}\n`);
    return 0;
  }
  const asksHelp = first === "help";
  const found = findCommand(asksHelp ? others : argv);
  const entry = found.kind === "command" ? commandTable[found.name] : undefined;
  if (entry === undefined) return showGroup(found, asksHelp, io);
  const { command } = await entry.load();
  return asksHelp ? showHelp(command, io) : runCommand(command, found.rest, io);
}

async function showGroup({ name, rest }: Found, asksHelp: boolean, io: Io): Promise<number> {
  const { groupHelp } = await import("./help.ts");
  const wanted = asksHelp || rest.includes("-h") || rest.includes("--help");
  const text = groupHelp(name, wanted ? rest.filter((word) => !word.startsWith("-")) : rest);
  (wanted ? io.stdout : io.stderr).write(text);
  return wanted ? 0 : exitCodes.usage;
}

async function showHelp(command: Command, io: Io): Promise<number> {
  const { helpOf } = await import("./help.ts");
  io.stdout.write(helpOf(command));
  return 0;
}

async function runCommand(command: Command, rest: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(command, rest);
  if (parsed.kind === "help") return showHelp(command, io);
  const context = createContext(io, parsed.globals);
  // The parser has checked the values against the same data that types them.
  const running = command.run(context, parsed.args as never, parsed.options as never);
  const code = await running.catch((error: unknown) => Promise.reject(namingCommand(error, command)));
  return io.signal.aborted && command.serves !== true ? interruptedCode(io.signal) : (code ?? 0);
}

/** With the command's own name in the place of COMMAND, where an error knows no better hint. */
function namingCommand(error: unknown, { name }: Command): unknown {
  if (!(error instanceof TrustError) || error.code !== "USAGE" || error.hint !== errorCodes.USAGE.hint) return error;
  const { code, message, expected, found, hint } = error;
  return new TrustError(code, message, { expected, found, hint: hint.replace("COMMAND", name), cause: error });
}

/** As shells count it: 128 and the number of the signal. */
function interruptedCode(signal: AbortSignal): number {
  return signal.reason === "SIGTERM" ? 143 : 130;
}

/** How errors are wanted, read before anything is parsed: the command line itself may be what is wrong. */
function wishesOf(argv: readonly string[]): { readonly json: boolean; readonly verbose: boolean } {
  const end = argv.indexOf("--");
  const line = ` ${(end < 0 ? argv : argv.slice(0, end)).join(" ")} `;
  // Short flags may stand together, as in -vo json.
  const json = / (?:-[a-zA-Z]*o|--output)[ =]?jsonl? /.test(line);
  return { json, verbose: / (?:-[a-zA-Z]*v[a-zA-Z]*|--verbose) /.test(line) };
}
