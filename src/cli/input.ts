import { TrustError } from "../errors.ts";
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

/** A file, or standard input for `-`, piece by piece. Throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`. */
export async function* streamInput(
  { io, resolvePath }: Pick<CommandContext, "io" | "resolvePath">,
  path: string,
): AsyncIterable<Uint8Array> {
  if (path === "-") {
    yield* io.streamStdin();
    return;
  }
  const { createReadStream } = await import("node:fs");
  try {
    yield* createReadStream(resolvePath(path), { highWaterMark: pieceBytes });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
    const isMissing = code === "ENOENT" || code === "ENOTDIR";
    throw new TrustError(isMissing ? "FILE_NOT_FOUND" : "FILE_UNREADABLE", `the file ${path} cannot be read`, {
      expected: "a readable file",
      found: code,
      cause,
    });
  }
}

const pieceBytes = 256 * 1024;
