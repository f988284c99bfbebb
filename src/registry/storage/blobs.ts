import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Digest } from "../../crypto/digest.ts";
import { isMissing, moveDurably, removeFile, statIfThere, touch, writeMarker } from "./files.ts";
import type { Layout } from "./layout.ts";
import type { Guard } from "./locks.ts";
import type { RepositoryIndex } from "./repositories.ts";

/** A blob that is open for reading; `stream` or `close` must be called, once. */
export interface OpenBlob {
  /** Bytes. */
  readonly size: number;
  /** The bytes from `start` to `end`, both included. Closes the file at its end or when it is destroyed. */
  stream(start: number, end: number): Readable;
  close(): Promise<void>;
}

/** Blobs by digest. A repository has only the blobs that were pushed to it or mounted into it. */
export interface BlobStore {
  /** The size of a repository's blob, or nothing. */
  size(repository: string, digest: Digest): Promise<number | undefined>;
  open(repository: string, digest: Digest): Promise<OpenBlob | undefined>;
  /** Takes over a file whose digest has been checked and that is on disk, and links it. */
  adopt(repository: string, digest: Digest, file: string): Promise<void>;
  /** Links a blob of one repository into another; false where the first does not have it. */
  mount(from: string, to: string, digest: Digest): Promise<boolean>;
  /** Takes the blob from the repository; its content is left to the collector. False where it was not there. */
  unlink(repository: string, digest: Digest): Promise<boolean>;
  /** Keeps a blob from the collector for its grace time; false where the repository does not have it. */
  keep(repository: string, digest: Digest): Promise<boolean>;
}

/** Younger marks are as good as new, and spare a write for each look. */
const markAge = 10 * 60 * 1000;
const readAhead = 256 * 1024;

export function openBlobs(layout: Layout, guard: Guard, repositories: RepositoryIndex): BlobStore {
  async function keep(repository: string, digest: Digest): Promise<boolean> {
    const link = layout.blobLink(repository, digest);
    return (await touch(link)) && (await touch(layout.blob(digest)));
  }
  return {
    async size(repository, digest) {
      const link = await statIfThere(layout.blobLink(repository, digest));
      if (link === undefined) return undefined;
      // A client that finds the blob here will not push it: keep it until the client's manifest arrives.
      const marked = Date.now() - link.changedAt < markAge || (await guard.during(() => keep(repository, digest)));
      if (!marked) return undefined;
      return (await statIfThere(layout.blob(digest)))?.size;
    },
    async open(repository, digest) {
      if ((await statIfThere(layout.blobLink(repository, digest))) === undefined) return undefined;
      return openFile(layout.blob(digest));
    },
    adopt: (repository, digest, file) =>
      guard.during(async () => {
        // Replaces content that is there already: the bytes are the same, and damaged ones are healed.
        await touch(file);
        await moveDurably(file, layout.blob(digest));
        await writeMarker(layout.blobLink(repository, digest));
        repositories.appeared(repository);
      }),
    mount: (from, to, digest) =>
      guard.during(async () => {
        if (!(await keep(from, digest))) return false;
        await writeMarker(layout.blobLink(to, digest));
        repositories.appeared(to);
        return true;
      }),
    unlink: (repository, digest) => removeFile(layout.blobLink(repository, digest)),
    keep,
  };
}

async function openFile(path: string): Promise<OpenBlob | undefined> {
  const file = await open(path, "r").catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    return {
      size,
      stream: (start, end) => file.createReadStream({ start, end, highWaterMark: readAhead }),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
