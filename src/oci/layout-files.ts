import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TrustError } from "../errors.ts";
import { tooLarge } from "./content.ts";

/** The files of an OCI layout by their path inside it, wherever they lie: in a folder or in a tar archive. */
export interface LayoutFiles {
  /** Names the layout in messages. */
  readonly where: string;
  /** A whole file, nothing where there is none. Throws `CONTENT_TOO_LARGE`, `FILE_UNREADABLE`. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>;
  /** A file's size in bytes, nothing where there is none. */
  size(path: string): Promise<number | undefined>;
  /** A file piece by piece; throws `SIGNATURE_MISSING` where there is none. */
  stream(path: string): AsyncIterable<Buffer>;
  /** Names of the files right in a folder, at most `limit` and one more. */
  list(folder: string, limit: number): Promise<readonly string[]>;
  /** Absent where the layout can only be read. */
  readonly changes?: LayoutChanges;
}

/** How a layout folder is changed; a kill at any moment leaves the old file or the new one, whole. */
export interface LayoutChanges {
  /** Writes a file of `size` bytes and makes it last; nothing becomes visible when `content` throws. */
  write(path: string, content: AsyncIterable<Uint8Array>, size: number): Promise<void>;
  remove(path: string): Promise<void>;
  /** Runs `change` while no other process changes the layout. Throws `UPDATE_CONFLICT` after 10 s of waiting. */
  exclusively<T>(change: () => Promise<T>): Promise<T>;
}

const pieceBytes = 256 * 1024;
const lockWaitMs = 10_000;
/** A lock this old belongs to a process that is gone: it is held for milliseconds. */
const lockStaleMs = 5_000;

/** The files of a layout in a folder. Names come from digests and constants only, never from what a layout says. */
export function layoutFolder(folder: string): LayoutFiles {
  const at = (path: string) => join(folder, path);
  return {
    where: folder,
    read: (path, maxBytes) => readFile(at(path), maxBytes),
    size: (path) => fileSize(at(path)),
    stream: (path) => streamFile(at(path)),
    list: (path, limit) => listFolder(at(path), limit),
    changes: {
      write: (path, content) => writeFile(at(path), content),
      remove: (path) => rm(at(path), { force: true }),
      exclusively: (change) => exclusively(at("index.json.lock"), change),
    },
  };
}

/** Opens for reading without hanging on a pipe; links are followed, as build tools make layouts of links. */
async function openForReading(path: string): Promise<{ handle: FileHandle; size: number } | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw unreadable(path, cause);
  }
  const stats = await handle.stat();
  if (stats.isFile()) return { handle, size: stats.size };
  await handle.close();
  throw unreadable(path, undefined);
}

async function readFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  const file = await openForReading(path);
  if (file === undefined) return undefined;
  try {
    if (file.size > maxBytes) throw tooLarge(path, file.size, maxBytes);
    const bytes = Buffer.alloc(file.size);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.handle.read(bytes, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await file.handle.close();
  }
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path);
    return stats.isFile() ? stats.size : undefined;
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw unreadable(path, cause);
  }
}

async function* streamFile(path: string): AsyncIterable<Buffer> {
  const file = await openForReading(path);
  if (file === undefined) throw new TrustError("SIGNATURE_MISSING", `${path} is not there`);
  try {
    yield* readPieces(file.handle, 0, file.size);
  } finally {
    await file.handle.close();
  }
}

/** Reads `length` bytes from `position` on, each piece in a buffer of its own; ends early where the file does. */
export async function* readPieces(handle: FileHandle, position: number, length: number): AsyncIterable<Buffer> {
  for (let done = 0; done < length; ) {
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, length - done));
    const { bytesRead } = await handle.read(piece, 0, piece.length, position + done);
    if (bytesRead === 0) return;
    done += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}

async function listFolder(path: string, limit: number): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory());
    return files.slice(0, limit + 1).map((entry) => entry.name);
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw unreadable(path, cause);
  }
}

async function writeFile(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${randomBytes(8).toString("hex")}.tmp`);
  try {
    await attemptWrite(path, () => mkdir(folder, { recursive: true }));
    const handle = await attemptWrite(path, () => open(temporary, "wx", 0o644));
    try {
      for await (const piece of content) await attemptWrite(path, () => handle.writeFile(piece));
      await attemptWrite(path, () => handle.sync());
    } finally {
      await handle.close();
    }
    await attemptWrite(path, () => rename(temporary, path));
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

/** Tells a failing disk from a failing source of the content, whose errors pass as they are. */
async function attemptWrite<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    throw new TrustError("FILE_UNWRITABLE", `${path} cannot be written`, { found: codeOf(cause), cause });
  }
}

/** The new name of a file lasts only once its folder is on disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exclusively<T>(lock: string, change: () => Promise<T>): Promise<T> {
  const until = Date.now() + lockWaitMs;
  while (!(await takeLock(lock))) {
    if (Date.now() > until)
      throw new TrustError("UPDATE_CONFLICT", `another process keeps ${lock}`, {
        hint: `Wait for the other process; if there is none, remove ${lock}`,
      });
    await sleep(5 + Math.random() * 20);
  }
  try {
    return await change();
  } finally {
    await rm(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    await (await open(lock, "wx")).close();
    return true;
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST")
      throw new TrustError("FILE_UNWRITABLE", `${lock} cannot be written`, { found: codeOf(cause), cause });
  }
  const stats = await stat(lock).catch(() => undefined);
  if (stats !== undefined && Date.now() - stats.mtimeMs > lockStaleMs) await rm(lock, { force: true });
  return false;
}

function isMissing(cause: unknown): boolean {
  const code = codeOf(cause);
  return code === "ENOENT" || code === "ENOTDIR";
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
}

function unreadable(path: string, cause: unknown): TrustError {
  const found = cause === undefined ? "not a regular file" : codeOf(cause);
  return new TrustError("FILE_UNREADABLE", `${path} cannot be read`, { expected: "a readable file", found, cause });
}
