import { randomBytes } from "node:crypto";
// Not `node:fs/promises`, which costs a millisecond of start-up: reading a key on disk needs none of it.
import fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { TrustError } from "../errors.ts";

/** Keys, passwords and settings are small; what is larger is not one of them. */
export const maxSmallFile = 1024 * 1024;

/**
 * Reads a file, or a pipe, of at most 1 MiB unless told otherwise. `what` names it in errors: `FILE_NOT_FOUND`, or
 * `FILE_UNREADABLE` for what may not be read or is larger.
 */
export async function readSmallFile(path: string, what: string, maxBytes = maxSmallFile): Promise<Buffer> {
  try {
    // A file on disk is there at once, and a command that starts has nothing else to do; anything else may take its time.
    const found = fs.statSync(path);
    const bytes = found.isFile() && found.size > 0 ? readFile(path, maxBytes) : await readPipe(path, maxBytes);
    if (bytes !== undefined) return bytes;
  } catch (cause) {
    throw readError(path, what, cause);
  }
  throw tooLarge(path, what, maxBytes);
}

/** Nothing where there is more than may be read; what grows meanwhile is cut off there, too. */
function readFile(path: string, maxBytes: number): Buffer | undefined {
  const file = fs.openSync(path, "r");
  try {
    const { size } = fs.fstatSync(file);
    if (size > maxBytes) return undefined;
    const buffer = Buffer.alloc(size + 1);
    let length = 0;
    for (;;) {
      const read = fs.readSync(file, buffer, length, buffer.length - length, null);
      length += read;
      if (read === 0) return buffer.subarray(0, length);
      if (length > size) return undefined;
    }
  } finally {
    fs.closeSync(file);
  }
}

async function readPipe(path: string, maxBytes: number): Promise<Buffer | undefined> {
  await using file = await fs.promises.open(path, "r");
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(64 * 1024));
    if (bytesRead === 0) return Buffer.concat(chunks);
    size += bytesRead;
    if (size > maxBytes) return undefined;
    chunks.push(buffer.subarray(0, bytesRead));
  }
}

function tooLarge(path: string, what: string, maxBytes: number): TrustError {
  return new TrustError("FILE_UNREADABLE", `${what} ${path} is too large`, {
    expected: `at most ${maxBytes} bytes`,
    hint: "Check that the path names the right file",
  });
}

function readError(path: string, what: string, cause: unknown): TrustError {
  const code = codeOf(cause);
  if (code === "ENOENT" || code === "ENOTDIR")
    return new TrustError("FILE_NOT_FOUND", `${what} ${path} does not exist`, { cause });
  return new TrustError("FILE_UNREADABLE", `${what} ${path} cannot be read`, {
    expected: "a readable file",
    found: code,
    cause,
  });
}

/** Throws `FILE_EXISTS` where a name is taken: early, before anybody is asked for anything. */
export async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const taken = await fs.promises.lstat(path).then(
      () => true,
      () => false,
    );
    if (taken) throw exists(path);
  }
}

function exists(path: string, cause?: unknown): TrustError {
  return new TrustError("FILE_EXISTS", `${path} exists already`, { expected: "a new file name", found: path, cause });
}

export interface NewFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly mode: number;
}

/**
 * Writes files that belong together: each appears whole or not at all, and none stays if one of them fails. An existing
 * file is refused with `FILE_EXISTS` unless `replace` is set; then all are replaced, or none. Throws `FILE_UNWRITABLE`.
 */
export async function writeNewFiles(
  files: readonly NewFile[],
  options: { readonly replace?: boolean | undefined } = {},
): Promise<void> {
  const staged: { readonly temporary: string; readonly path: string }[] = [];
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const file of files) staged.push({ temporary: await stage(file), path: file.path });
    for (const { temporary, path } of staged) {
      undo.push(options.replace === true ? await replace(temporary, path) : await placeNew(temporary, path));
    }
  } catch (cause) {
    await Promise.all(undo.map((revert) => revert()));
    throw cause instanceof TrustError ? cause : writeError(cause);
  } finally {
    await Promise.all(staged.map(({ temporary }) => removeQuietly(temporary)));
    await Promise.all(staged.map(({ temporary }) => removeQuietly(oldBeside(temporary))));
  }
}

/** Where what is replaced waits until all of its companions are replaced too: it may be the only copy of a key. */
function oldBeside(temporary: string): string {
  return `${temporary}.old`;
}

/** Gives the way back; where the file system has no links, what is new stays rather than nothing. */
async function replace(temporary: string, path: string): Promise<() => Promise<void>> {
  const old = oldBeside(temporary);
  const before = await fs.promises.link(path, old).then(
    () => "kept",
    (cause: unknown) => (codeOf(cause) === "ENOENT" ? "nothing" : "lost"),
  );
  await fs.promises.rename(temporary, path).catch((cause: unknown) => {
    throw writeError(cause, path);
  });
  return async () => {
    if (before === "kept") await fs.promises.rename(old, path);
    if (before === "nothing") await removeQuietly(path);
  };
}

/** Writes the content beside its place, on disk before it gets its name. */
async function stage({ path, content, mode }: NewFile): Promise<string> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}`);
  try {
    await using file = await fs.promises.open(temporary, "wx", mode);
    await file.writeFile(content);
    await file.sync();
    return temporary;
  } catch (cause) {
    await removeQuietly(temporary);
    throw writeError(cause, path);
  }
}

/** `link` fails where the name is taken, and does so atomically; some file systems have no links. Gives the way back. */
async function placeNew(temporary: string, path: string): Promise<() => Promise<void>> {
  try {
    await fs.promises.link(temporary, path).catch((cause: unknown) => {
      if (codeOf(cause) === "EEXIST") throw cause;
      return fs.promises.copyFile(temporary, path, fs.constants.COPYFILE_EXCL);
    });
    return () => removeQuietly(path);
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") throw writeError(cause, path);
    throw exists(path, cause);
  }
}

function writeError(cause: unknown, path?: string): TrustError {
  const place = path === undefined ? "the file" : path;
  return new TrustError("FILE_UNWRITABLE", `${place} cannot be written`, { found: codeOf(cause), cause });
}

async function removeQuietly(path: string): Promise<void> {
  await fs.promises.unlink(path).catch(() => undefined);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
