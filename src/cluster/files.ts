import { readFile } from "node:fs/promises";
import { configInvalid } from "./kube-config-file.ts";

const maxBytes = 4 * 1024 * 1024;

/** The text of a file; undefined where there is none. Throws `CLUSTER_CONFIG_INVALID` for one that cannot be read. */
export async function readTextIfThere(path: string, what: string): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw configInvalid(`${what} ${path} cannot be read`, "a file that may be read", code, cause);
  }
  if (bytes.length > maxBytes)
    throw configInvalid(`${what} ${path} is too large`, `at most ${maxBytes} bytes`, `${bytes.length} bytes`);
  return bytes.toString("utf8");
}

/** The text of a file that must be there. Throws `CLUSTER_CONFIG_INVALID`. */
export async function readText(path: string, what: string): Promise<string> {
  const text = await readTextIfThere(path, what);
  if (text === undefined) throw configInvalid(`${what} ${path} does not exist`, "a file", "none");
  return text;
}
