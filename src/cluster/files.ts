import { asTrustError } from "../errors.ts";
import { readSmallFile } from "../keys/files.ts";
import { configInvalid } from "./kube-config-file.ts";

/** A kubeconfig may hold those of many clusters, with their certificates. */
const maxBytes = 4 * 1024 * 1024;

/** The text of a file; undefined where there is none. Throws `CLUSTER_CONFIG_INVALID` for one that cannot be read. */
export async function readTextIfThere(path: string, what: string): Promise<string | undefined> {
  try {
    return (await readSmallFile(path, what, maxBytes)).toString("utf8");
  } catch (error) {
    const { code, message, expected = "a file that may be read", found, cause } = asTrustError(error);
    if (code === "FILE_NOT_FOUND") return undefined;
    throw configInvalid(message, expected, found, cause);
  }
}

/** The text of a file that must be there. Throws `CLUSTER_CONFIG_INVALID`. */
export async function readText(path: string, what: string): Promise<string> {
  const text = await readTextIfThere(path, what);
  if (text === undefined) throw configInvalid(`${what} ${path} does not exist`, "a file", "none");
  return text;
}
