import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { TrustError } from "../errors.ts";
import { tooLarge } from "./content.ts";
import { type LayoutFiles, readPieces } from "./layout-files.ts";
import { type ExtendedFields, malformedTar, parseExtension, parseTarHeader, tarBlock } from "./tar-header.ts";

const maxEntries = 100_000;
const maxExtendedHeader = 64 * 1024;

interface Entry {
  /** Where the content begins in the archive. */
  readonly start: number;
  readonly size: number;
}

/**
 * The files of a layout inside an uncompressed tar archive. Nothing is unpacked: content is read in place, by exact
 * name, so that no name in the archive leads anywhere. Two entries of one name are refused, as readers disagree about
 * which one counts. Throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`.
 */
export async function layoutTar(file: string): Promise<LayoutFiles & { close(): Promise<void> }> {
  const handle = await openArchive(file);
  try {
    return archiveFiles(file, handle, await readEntries(handle));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openArchive(file: string): Promise<FileHandle> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw new TrustError(missing ? "FILE_NOT_FOUND" : "FILE_UNREADABLE", `${file} cannot be opened`, { cause });
  }
}

function archiveFiles(file: string, handle: FileHandle, entries: ReadonlyMap<string, Entry>) {
  return {
    where: file,
    size: (path: string) => Promise.resolve(entries.get(path)?.size),
    async *stream(path: string) {
      const entry = entries.get(path);
      if (entry === undefined) throw new TrustError("SIGNATURE_MISSING", `${path} is not in ${file}`);
      yield* readPieces(handle, entry.start, entry.size);
    },
    read: async (path: string, maxBytes: number) => {
      const entry = entries.get(path);
      if (entry === undefined) return undefined;
      if (entry.size > maxBytes) throw tooLarge(`${path} in ${file}`, entry.size, maxBytes);
      return readAt(handle, entry.start, entry.size);
    },
    list: (folder: string, limit: number) => {
      const paths = [...entries.keys()].filter((path) => path.startsWith(`${folder}/`));
      return Promise.resolve(paths.slice(0, limit + 1).map((path) => path.slice(folder.length + 1)));
    },
    close: () => handle.close(),
  };
}

async function readEntries(handle: FileHandle): Promise<ReadonlyMap<string, Entry>> {
  const stats = await handle.stat();
  if (!stats.isFile()) throw malformedTar("not a regular file");
  const entries = new Map<string, Entry>();
  let extended: ExtendedFields = {};
  for (let at = 0, count = 0; at < stats.size; count++) {
    if (count === maxEntries) throw malformedTar(`more than ${maxEntries} entries`);
    const { kind, path, size } = parseTarHeader(await readAt(handle, at, tarBlock), extended);
    if (kind === "end") break;
    const start = at + tarBlock;
    if (start + size > stats.size) throw malformedTar("the archive ends inside a file");
    at = start + Math.ceil(size / tarBlock) * tarBlock;
    if (kind === "file" || kind === "other") {
      extended = {};
      if (kind === "file") addEntry(entries, path, { start, size });
    } else {
      if (size > maxExtendedHeader) throw malformedTar("an extended header is too long");
      extended = { ...extended, ...parseExtension(kind, await readAt(handle, start, size)) };
    }
  }
  return entries;
}

function addEntry(entries: Map<string, Entry>, path: string, entry: Entry): void {
  if (entries.has(path)) throw malformedTar("two files of one name");
  entries.set(path, entry);
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readPieces(handle, position, length)) pieces.push(piece);
  return Buffer.concat(pieces);
}
