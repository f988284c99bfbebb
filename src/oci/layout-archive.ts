import { randomBytes } from "node:crypto";
import { type FileHandle, link, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TrustError } from "../errors.ts";
import { tooLarge } from "./content.ts";
import { type LayoutChanges, type LayoutFiles, readPieces } from "./layout-files.ts";
import { tarEnd, tarFileHeader, tarPadding } from "./tar-writer.ts";

/** The files of a layout in a tar archive that is being written. */
export interface ArchiveFiles extends LayoutFiles {
  readonly changes: LayoutChanges;
  /** Ends the archive and gives it its name. */
  finish(): Promise<void>;
  /** Lets go of it; what is not finished leaves nothing. */
  close(): Promise<void>;
}

interface Entry {
  readonly start: number;
  readonly size: number;
}

interface Archive {
  readonly file: string;
  readonly temporary: string;
  readonly handle: FileHandle;
  /** What lies in the archive already. */
  readonly entries: Map<string, Entry>;
  /** What may still change, index.json above all: written at the end. */
  readonly pending: Map<string, Buffer>;
  /** Where the next entry begins. */
  end: number;
  /** Writes of blobs, by path. */
  readonly begun: Map<string, Promise<void>>;
  /** A blob that failed halfway has left a hole. */
  spoiledBy: unknown;
  /** Settles when every write that was begun has taken its place. */
  places: Promise<unknown>;
  changing: Promise<unknown>;
}

/**
 * Begins an archive. Blobs are written into it as they come, several at once, each into the place that it takes in the
 * order in which the writes began: the same content gives the same archive. Throws `FILE_EXISTS`, `FILE_UNWRITABLE`.
 */
export async function newArchive(file: string): Promise<ArchiveFiles> {
  if ((await stat(file).catch(() => undefined)) !== undefined) throw exists(file);
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString("hex")}.tmp`);
  const handle = await attempt(file, () => open(temporary, "wx+", 0o644));
  const archive: Archive = {
    file,
    temporary,
    handle,
    entries: new Map(),
    pending: new Map(),
    begun: new Map(),
    spoiledBy: undefined,
    end: 0,
    places: Promise.resolve(),
    changing: Promise.resolve(),
  };
  return {
    where: file,
    ...readingOf(archive),
    changes: changesOf(archive),
    finish: () => finish(archive),
    async close() {
      await handle.close();
      await rm(temporary, { force: true });
    },
  };
}

function readingOf({ file, handle, entries, pending }: Archive) {
  return {
    async read(path: string, maxBytes: number) {
      const size = pending.get(path)?.length ?? entries.get(path)?.size;
      if (size === undefined) return undefined;
      if (size > maxBytes) throw tooLarge(`${path} in ${file}`, size, maxBytes);
      const pieces: Buffer[] = [];
      for await (const piece of stream(path)) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    size: (path: string) => Promise.resolve(pending.get(path)?.length ?? entries.get(path)?.size),
    stream,
    list(folder: string, limit: number) {
      const paths = [...entries.keys()].filter((path) => path.startsWith(`${folder}/`));
      return Promise.resolve(paths.slice(0, limit + 1).map((path) => path.slice(folder.length + 1)));
    },
  };
  async function* stream(path: string): AsyncIterable<Buffer> {
    const [waiting, entry] = [pending.get(path), entries.get(path)];
    if (waiting !== undefined) yield waiting;
    else if (entry !== undefined) yield* readPieces(handle, entry.start, entry.size);
    else throw new TrustError("SIGNATURE_MISSING", `${path} is not in ${file}`);
  }
}

function changesOf(archive: Archive): LayoutChanges {
  return {
    async write(path, content, size) {
      if (path.startsWith("blobs/")) {
        const writing = archive.begun.get(path) ?? writeEntry(archive, path, content, size);
        archive.begun.set(path, writing);
        return writing;
      }
      const pieces: Uint8Array[] = [];
      for await (const piece of content) pieces.push(piece);
      archive.pending.set(path, Buffer.concat(pieces));
    },
    remove: () => Promise.reject(new TrustError("FILE_UNWRITABLE", `nothing is removed from ${archive.file}`)),
    exclusively(change) {
      const changed = archive.changing.then(change);
      archive.changing = changed.catch(() => undefined);
      return changed;
    },
  };
}

/** Content that fails before its first piece takes no place, and may come again. */
async function writeEntry(
  archive: Archive,
  path: string,
  content: AsyncIterable<Uint8Array>,
  size: number,
): Promise<void> {
  const pieces = content[Symbol.asyncIterator]();
  const first = pieces.next();
  const header = tarFileHeader(path, size);
  const at = await takePlace(archive, header.length + size + tarPadding(size), first).catch((error: unknown) => {
    archive.begun.delete(path);
    throw error;
  });
  const start = at + header.length;
  try {
    await writeAt(archive, header, at);
    await writeContent(archive, start, size, { first: await first, pieces });
  } catch (error) {
    archive.spoiledBy ??= error;
    throw error;
  }
  archive.entries.set(path, { start, size });
}

/** Where an entry of so many bytes begins: after those that were begun before it, once its content has begun. */
function takePlace(archive: Archive, bytes: number, first: Promise<unknown>): Promise<number> {
  const place = Promise.allSettled([archive.places, first]).then(async () => {
    await first;
    const at = archive.end;
    archive.end += bytes;
    return at;
  });
  archive.places = place.catch(() => undefined);
  return place;
}

async function writeContent(
  archive: Archive,
  start: number,
  size: number,
  content: { readonly first: IteratorResult<Uint8Array>; readonly pieces: AsyncIterator<Uint8Array> },
): Promise<void> {
  let written = 0;
  for (let next = content.first; next.done !== true; next = await content.pieces.next()) {
    written += next.value.length;
    if (written > size) break;
    await writeAt(archive, next.value, start + written - next.value.length);
  }
  if (written !== size)
    throw new TrustError("CONTENT_MISMATCH", "the content to archive is not as long as it said", {
      expected: `${size} bytes`,
      found: `${written} bytes`,
    });
}

async function writeAt({ file, handle }: Archive, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const from = done;
    const { bytesWritten } = await attempt(file, () => handle.write(bytes, from, bytes.length - from, position + from));
    done += bytesWritten;
  }
}

async function finish(archive: Archive): Promise<void> {
  const { file, temporary, handle, pending } = archive;
  if (archive.spoiledBy !== undefined) throw archive.spoiledBy;
  for (const [path, bytes] of pending) {
    await writeAt(archive, Buffer.concat([tarFileHeader(path, bytes.length), bytes]), archive.end);
    archive.end += tarFileHeader(path, bytes.length).length + bytes.length + tarPadding(bytes.length);
  }
  await writeAt(archive, tarEnd, archive.end);
  await attempt(file, () => handle.sync());
  await giveName(temporary, file);
}

/** A link is refused where there is a file already; a file system without links has to do without that. */
async function giveName(temporary: string, file: string): Promise<void> {
  try {
    await link(temporary, file);
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") throw exists(file);
    await attempt(file, () => rename(temporary, file));
  }
}

async function attempt<T>(file: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    throw new TrustError("FILE_UNWRITABLE", `${file} cannot be written`, { found: codeOf(cause), cause });
  }
}

function exists(file: string): TrustError {
  return new TrustError("FILE_EXISTS", `${file} is there already, and an archive is not added to`, {
    hint: "Choose another name, or a folder, to which images can be added",
  });
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
}
