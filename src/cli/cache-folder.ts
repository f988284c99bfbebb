import { lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/**
 * A folder for compiled code, or nothing where there is no safe one. What is in it is executed, so that it must be of the
 * user who runs this (not of the one who called sudo) and nobody else may write to it. Node's own default, below the
 * system's folder for temporary files, can be made by anybody beforehand.
 */
export function cacheFolder(
  env: Readonly<Record<string, string | undefined>>,
  uid: number | undefined,
): string | undefined {
  const { XDG_CACHE_HOME, HOME } = env;
  const caches = XDG_CACHE_HOME || (HOME && join(HOME, ".cache"));
  if (!caches || env["NODE_DISABLE_COMPILE_CACHE"]) return undefined;
  const folder = join(caches, "imagetrust");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    return found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0 ? folder : undefined;
  } catch {
    return undefined;
  }
}
