import { pino } from "pino";
import type { CommandContext } from "./command.ts";

/** The structured log of a server: one JSON object a line on standard error; errors alone when quiet. */
export function createLog({ io, quiet, verbose }: Pick<CommandContext, "io" | "quiet" | "verbose">) {
  const level = quiet ? "error" : verbose ? "debug" : "info";
  return pino({ level }, io.stderr);
}
