import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
import {
  createDigester,
  type Digest,
  type DigestAlgorithm,
  type Digester,
  digestAlgorithm,
} from "../../crypto/digest.ts";
import { RegistryError } from "../errors.ts";

/** How much of an upload waits in memory before it is written; small chunks take more of it than their bytes. */
const batchBytes = 1024 * 1024;
const batchChunks = 512;

/** An upload while it is worked on. `offset` bytes are in the file. */
export interface Session {
  readonly path: string;
  readonly algorithm: DigestAlgorithm;
  offset: number;
  /** The hash of the first `offset` bytes; missing where they were written by another process, or a write failed. */
  digester: Digester | undefined;
  /** Ends the request that writes now, or is about to. */
  interrupt: (() => void) | undefined;
  /** Requests that work on it or wait to. */
  users: number;
}

export interface AppendLimits {
  /** The largest size the file may have. */
  readonly maxBytes: number;
  /** The number of bytes that must come; fewer or more undo the append. */
  readonly exactly?: number | undefined;
}

/**
 * Appends a stream to the file, hashing on the way. Where the stream breaks off, what came stays and counts in
 * `offset`, so that the client can go on from there; then the stream's error is thrown.
 */
export async function appendStream(session: Session, source: Readable, limits: AppendLimits): Promise<void> {
  const start = session.offset;
  await using file = await open(session.path, "r+");
  const writer = createWriter(session, file);
  // A file may be longer than what was counted when a write broke off.
  await file.truncate(start);
  try {
    let received = 0;
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      received += chunk.length;
      if (start + received > limits.maxBytes) throw tooLarge(limits.maxBytes);
      if (received > (limits.exactly ?? received)) throw wrongLength(limits.exactly);
      await writer.add(chunk);
    }
    if (received !== (limits.exactly ?? received)) throw wrongLength(limits.exactly);
    await writer.flush();
  } catch (error) {
    if (error instanceof RegistryError) await undo(session, file, start);
    else await writer.flush();
    throw error;
  }
}

function createWriter(session: Session, file: FileHandle) {
  let waiting: Buffer[] = [];
  let bytes = 0;
  async function flush(): Promise<void> {
    if (bytes === 0) return;
    const [chunks, size] = [waiting, bytes];
    [waiting, bytes] = [[], 0];
    for (const chunk of chunks) session.digester?.update(chunk);
    try {
      const { bytesWritten } = await file.writev(chunks, session.offset);
      if (bytesWritten !== size) throw new Error("the disk took only a part");
      session.offset += size;
    } catch (error) {
      session.digester = undefined;
      throw error;
    }
  }
  return {
    flush,
    async add(chunk: Buffer): Promise<void> {
      waiting.push(chunk);
      bytes += chunk.length;
      if (bytes >= batchBytes || waiting.length >= batchChunks) await flush();
    },
  };
}

async function undo(session: Session, file: FileHandle, start: number): Promise<void> {
  if (session.offset !== start) session.digester = undefined;
  session.offset = start;
  if (start === 0) session.digester = createDigester(session.algorithm);
  await file.truncate(start);
}

/** The digest of the whole file in the algorithm of `wanted`, from the running hash where that fits. */
export async function digestOfUpload(session: Session, wanted: Digest): Promise<Digest> {
  const algorithm = digestAlgorithm(wanted);
  const { digester } = session;
  session.digester = undefined;
  if (digester !== undefined && session.algorithm === algorithm) return digester.digest();
  const fresh = createDigester(algorithm);
  if (session.offset === 0) return fresh.digest();
  const file = createReadStream(session.path, { highWaterMark: batchBytes, end: session.offset - 1 });
  for await (const chunk of file as AsyncIterable<Buffer>) fresh.update(chunk);
  return fresh.digest();
}

function tooLarge(maxBytes: number): RegistryError {
  return new RegistryError(413, "SIZE_INVALID", "the blob is too large", { detail: { maxBytes } });
}

function wrongLength(expected: number | undefined): RegistryError {
  return new RegistryError(400, "SIZE_INVALID", "the body has another length than was said", { detail: { expected } });
}
