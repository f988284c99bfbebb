import { readSmallFile } from "../keys/files.ts";
import type { CommandContext } from "./command.ts";

/** A whole file, or standard input for `-`, of at most that many bytes; `what` names it in errors. */
export async function readInput(
  { io, resolvePath }: Pick<CommandContext, "io" | "resolvePath">,
  path: string,
  what: string,
  maxBytes: number,
): Promise<Buffer> {
  return path === "-" ? io.readStdin(maxBytes) : readSmallFile(resolvePath(path), what, maxBytes);
}
