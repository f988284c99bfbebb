import { hash, randomUUID } from "node:crypto";
import { open, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { createDigester, type Digest, type DigestAlgorithm } from "../../crypto/digest.ts";
import { digestInvalid, RegistryError, uploadUnknown } from "../errors.ts";
import type { BlobStore } from "./blobs.ts";
import { namesIn, removeAll, statIfThere } from "./files.ts";
import type { Layout } from "./layout.ts";
import type { Turns } from "./locks.ts";
import { type AppendLimits, appendStream, digestOfUpload, type Session } from "./session.ts";

interface AppendOptions extends AppendLimits {
  /** Where the client thinks the upload stands; another place is a 416. */
  readonly at?: number | undefined;
  /** Ends the request that the bytes come from. */
  readonly interrupt?: () => void;
}

/** Uploads of blobs that have begun. They outlive the process, and belong to one repository. */
export interface UploadStore {
  /** Begins an upload; the algorithm is the one that its digest will probably have. */
  start(repository: string, algorithm?: DigestAlgorithm): Promise<string>;
  /** How many bytes of the upload are there. Throws `BLOB_UPLOAD_UNKNOWN`, as all of these do. */
  offset(repository: string, id: string): Promise<number>;
  /** Appends a body and gives the new number of bytes. A request that still writes to the upload is ended first. */
  append(repository: string, id: string, body: Readable, options: AppendOptions): Promise<number>;
  /** Ends the upload: the blob is in the repository when this returns. Throws `DIGEST_INVALID`, and the upload is gone. */
  finish(repository: string, id: string, digest: Digest): Promise<number>;
  cancel(repository: string, id: string): Promise<void>;
  /** Removes uploads that nobody wrote to for so many milliseconds; gives their number. */
  sweep(olderThan: number): Promise<number>;
}

const maxSessions = 1000;
const uploadFile = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9a-f]{16}$/;

export function openUploads(layout: Layout, blobs: BlobStore, turns: Turns): UploadStore {
  const sessions = new Map<string, Session>();

  /** Keeps the running hash. An upload that is forgotten, because there are many others, is hashed anew at its end. */
  function remember(path: string, algorithm: DigestAlgorithm, offset: number): Session {
    const digester = offset === 0 ? createDigester(algorithm) : undefined;
    const session: Session = { path, algorithm, offset, digester, interrupt: undefined, users: 0 };
    sessions.set(path, session);
    for (const [oldest, { users }] of sessions) {
      if (sessions.size <= maxSessions) break;
      if (users === 0 && oldest !== path) sessions.delete(oldest);
    }
    return session;
  }

  function pathOf(repository: string, id: string): string {
    const file = `${id}.${hash("sha256", repository, "hex").slice(0, 16)}`;
    if (!uploadFile.test(file)) throw uploadUnknown();
    return join(layout.uploads, file);
  }

  async function sessionAt(path: string): Promise<Session> {
    const found = await statIfThere(path);
    if (found === undefined) {
      sessions.delete(path);
      throw uploadUnknown();
    }
    return sessions.get(path) ?? remember(path, "sha256", found.size);
  }

  /** One request at a time works on an upload; the last to come wins, because the others' clients have given up. */
  async function inTurn<T>(
    path: string,
    work: (session: Session) => Promise<T>,
    interrupt?: (() => void) | undefined,
  ): Promise<T> {
    const session = await sessionAt(path);
    session.interrupt?.();
    session.interrupt = interrupt;
    session.users++;
    try {
      return await turns(path, async () => work(await sessionAt(path)));
    } finally {
      session.users--;
      if (session.interrupt === interrupt) session.interrupt = undefined;
    }
  }

  async function forget(path: string): Promise<void> {
    sessions.delete(path);
    await removeAll(path);
  }

  return {
    async start(repository, algorithm = "sha256") {
      const id = randomUUID();
      const path = pathOf(repository, id);
      await using _ = await open(path, "wx");
      remember(path, algorithm, 0);
      return id;
    },
    offset: async (repository, id) => (await sessionAt(pathOf(repository, id))).offset,
    append: (repository, id, body, options) =>
      inTurn(
        pathOf(repository, id),
        async (session) => {
          if (options.at !== undefined && options.at !== session.offset) throw outOfOrder(session.offset);
          await appendStream(session, body, options);
          return session.offset;
        },
        options.interrupt,
      ),
    finish: (repository, id, digest) =>
      inTurn(pathOf(repository, id), async (session) => {
        const { path, offset } = session;
        const found = await digestOfUpload(session, digest);
        if (found !== digest) {
          await forget(path);
          throw digestInvalid("the content has another digest than was said", { expected: digest, found });
        }
        await truncate(path, offset);
        await syncFile(path);
        await blobs.adopt(repository, digest, path);
        sessions.delete(path);
        return offset;
      }),
    cancel: (repository, id) => inTurn(pathOf(repository, id), (session) => forget(session.path)),
    async sweep(olderThan) {
      const old = await staleFiles(layout.uploads, Date.now() - olderThan);
      await Promise.all(old.map((path) => turns(path, () => forget(path))));
      return old.length;
    },
  };
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r+");
  await file.sync();
}

async function staleFiles(folder: string, before: number): Promise<string[]> {
  const stale: string[] = [];
  for (const name of await namesIn(folder)) {
    const found = await statIfThere(join(folder, name));
    if (found !== undefined && found.changedAt < before) stale.push(join(folder, name));
  }
  return stale;
}

function outOfOrder(offset: number): RegistryError {
  return new RegistryError(416, "BLOB_UPLOAD_INVALID", "the chunk does not start where the upload stands", {
    detail: { offset },
  });
}
