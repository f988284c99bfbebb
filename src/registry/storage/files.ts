import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { mkdir, open, readdir, rename, rm, rmdir, stat, unlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

// The callback form of readFile costs a third of the promise form, and every request for a manifest reads a small file.
const readWhole = promisify(fs.readFile);

/** Whether a file operation failed because there is nothing at the path. */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** The system's code of a failed file operation, for instance `ENOSPC`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

/** The file's bytes, or nothing where there is no file. */
export function readIfThere(path: string): Promise<Buffer | undefined> {
  return orUndefined(readWhole(path));
}

/** The names in a folder in no particular order; none where there is no folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await orUndefined(readdir(folder))) ?? [];
}

/** Size in bytes and time of the last change (milliseconds since the epoch), or nothing where there is no file. */
export async function statIfThere(path: string): Promise<{ size: number; changedAt: number } | undefined> {
  const found = await orUndefined(stat(path));
  return found === undefined ? undefined : { size: found.size, changedAt: found.mtimeMs };
}

/** Marks a file as just used; false where there is none. */
export async function touch(path: string, now = new Date()): Promise<boolean> {
  return (await orUndefined(utimes(path, now, now).then(() => true))) ?? false;
}

/** Removes a file so that it stays removed; false where there was none. */
export async function removeFile(path: string): Promise<boolean> {
  if ((await orUndefined(unlink(path).then(() => true))) === undefined) return false;
  await syncFolder(dirname(path));
  return true;
}

/** Removes a folder if it is empty; true when it is gone. */
export async function removeEmptyFolder(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return true;
    if (["ENOTEMPTY", "EEXIST", "EPERM"].includes(errorCode(error) ?? "")) return false;
    throw error;
  }
}

/** Removes a file or a folder with all it holds. */
export async function removeAll(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Makes a file appear under its name whole or not at all, also across a crash of the machine. */
export async function writeDurably(path: string, content: string | Uint8Array, temporaryFolder: string): Promise<void> {
  const temporary = join(temporaryFolder, randomUUID());
  try {
    await using file = await open(temporary, "wx");
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await removeAll(temporary);
    throw error;
  }
  await moveDurably(temporary, path);
}

/** Gives a file that is on disk already its name; folders on the way are made, what had the name is replaced. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await inFolder(dirname(to), () => rename(from, to));
}

/** Makes an empty file; a file that is there stays, and counts as just used. */
export async function writeMarker(path: string): Promise<void> {
  await inFolder(dirname(path), async () => {
    await using _ = await open(path, "a");
    await touch(path);
  });
}

/** Makes the folder if need be, acts in it, and writes its entries to disk. */
async function inFolder(folder: string, act: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    await ensureFolder(folder);
    try {
      await act();
      break;
    } catch (error) {
      // Somebody may have removed the folder in between because it was empty.
      if (!isMissing(error) || tries === 5) throw error;
    }
  }
  await syncFolder(folder);
}

/** Makes a folder with its parents, each of them on disk when this returns; one that is there keeps its mode. */
export async function ensureFolder(folder: string, mode = 0o777): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode });
  if (first === undefined) return;
  const top = dirname(first);
  for (let parent = dirname(folder); parent.length >= top.length; parent = dirname(parent)) {
    await syncFolder(parent);
    if (parent === dirname(parent)) break;
  }
}

/** Writes the entries of a folder to disk. */
async function syncFolder(folder: string): Promise<void> {
  try {
    await using handle = await open(folder, "r");
    await handle.sync();
  } catch (error) {
    // Some systems cannot do that to folders, and a folder that is gone has no entries to keep.
    if (!isMissing(error) && !["EISDIR", "EPERM", "EINVAL", "EACCES"].includes(errorCode(error) ?? "")) throw error;
  }
}

async function orUndefined<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
