import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { TrustError } from "../errors.ts";
import { tooLarge } from "./content.ts";
import { type LayoutFiles, readPieces } from "./layout-files.ts";
import {
  type ExtendedFields,
  malformedTar,
  parseExtension,
  parseTarHeader,
  type TarHeader,
  tarBlock,
} from "./tar-header.ts";

const maxEntries = 100_000;
const maxExtendedHeader = 64 * 1024;

interface Entry {
  /** Where the content begins in the archive. */
  readonly start: number;
  readonly size: number;
}

/** The files in an archive. */
export interface TarFiles extends LayoutFiles {
  /** What the links in the archive lead to, as they stand; nothing here follows them. */
  readonly links: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

/**
 * The files of a layout inside an uncompressed tar archive. Nothing is unpacked: content is read in place, by exact
 * name, so that no name in the archive leads anywhere. Two entries of one name are refused, as readers disagree about
 * which one counts. Throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`.
 */
export async function layoutTar(file: string): Promise<TarFiles> {
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

function archiveFiles(file: string, handle: FileHandle, { entries, links }: Contents): TarFiles {
  return {
    where: file,
    links,
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

interface Contents {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly links: ReadonlyMap<string, string>;
}

async function readEntries(handle: FileHandle): Promise<Contents> {
  const stats = await handle.stat();
  if (!stats.isFile()) throw malformedTar("not a regular file");
  const end = stats.size;
  const contents = { entries: new Map<string, Entry>(), links: new Map<string, string>() };
  let extended: ExtendedFields = {};
  for (let at = 0, count = 0; at < end; count++) {
    if (count === maxEntries) throw malformedTar(`more than ${maxEntries} entries`);
    const header = parseTarHeader(await readAt(handle, at, tarBlock), extended);
    if (header.kind === "end") break;
    const start = at + tarBlock;
    if (start + header.size > end) throw malformedTar("the archive ends inside a file");
    at = start + Math.ceil(header.size / tarBlock) * tarBlock;
    const extension = await readExtension(handle, header, start);
    extended = extension === undefined ? {} : { ...extended, ...extension };
    if (extension === undefined) addEntry(contents, header, start);
  }
  return contents;
}

/** What an extended header says about the entry after it; nothing where this is an entry itself. */
async function readExtension(
  handle: FileHandle,
  { kind, size }: TarHeader,
  start: number,
): Promise<ExtendedFields | undefined> {
  if (kind === "file" || kind === "other" || kind === "link") return undefined;
  if (size > maxExtendedHeader) throw malformedTar("an extended header is too long");
  return parseExtension(kind, await readAt(handle, start, size));
}

function addEntry(
  { entries, links }: { readonly entries: Map<string, Entry>; readonly links: Map<string, string> },
  { kind, path, size, target }: TarHeader,
  start: number,
): void {
  if (target !== undefined) links.set(path, target);
  if (kind !== "file") return;
  if (entries.has(path)) throw malformedTar("two files of one name");
  entries.set(path, { start, size });
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readPieces(handle, position, length)) pieces.push(piece);
  return Buffer.concat(pieces);
}
