import { readFile, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, sep } from "node:path";
import { getBuiltinModule } from "node:process";
import { fileURLToPath } from "node:url";
import { asTrustError, TrustError } from "../errors.ts";
import { type Answer, maxTufBytes, unreadable } from "./tuf-answer.ts";
import { parseMirror } from "./tuf-source.ts";
import { openWebMirror, type WebSettings } from "./tuf-web.ts";

/** A TUF repository, served on loopback for as long as somebody reads it. */
export interface TufMirror extends AsyncDisposable {
  /** Where the client reads. */
  readonly url: string;
  /** Why a file could not be had in the end: an outage, told apart from what TUF refuses. */
  outage(): TrustError | undefined;
  /** Whether anything was asked at all. */
  isRead(): boolean;
  /** What the repository does not have. */
  readonly missing: readonly string[];
}

interface Repository {
  get(path: string): Promise<Answer>;
  close(): void;
}

/**
 * Makes a mirror readable for the TUF client, which knows HTTP only: `https:`, `http:` (TUF signs all it says), or `file:`, a
 * folder for places without a network. Everything passes through here, so that a failure of the network is seen as one.
 * The client finds the targets in `targets`, wherever the repository has them. Throws `USAGE` for another kind of address,
 * `FILE_NOT_FOUND` for a folder that is not there.
 */
export async function openTufMirror(
  mirror: string,
  web: WebSettings,
  { targets = "targets", signal }: { readonly targets?: string | undefined; readonly signal?: AbortSignal | undefined },
): Promise<TufMirror> {
  const url = parseMirror(mirror);
  const repository = url.protocol === "file:" ? openFolder(await folderOf(url), url) : openWebMirror(url, web, signal);
  const outages = new Map<string, TrustError>();
  const missing: string[] = [];
  let isRead = false;
  const answer = async ({ url: path = "/" }: IncomingMessage, response: ServerResponse) => {
    isRead = true;
    const name = path.slice(1).replace(/^targets\//, () => `${targets}/`);
    try {
      const found: Answer = isRepositoryPath(name) ? await repository.get(name) : { status: 404 };
      // Another try was good.
      outages.delete(name);
      if (found.status === 404) missing.push(name);
      response.writeHead(found.status).end(found.status === 200 ? found.body : undefined);
    } catch (error) {
      outages.set(name, asTrustError(error));
      response.writeHead(502).end();
    }
  };
  const server = getBuiltinModule("node:http").createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const end = async () => {
    repository.close();
    await close(server);
  };
  const outage = () => [...outages.values()][0];
  return { url: `http://127.0.0.1:${port}`, outage, isRead: () => isRead, missing, [Symbol.asyncDispose]: end };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Names of files and folders as TUF makes them, nothing that leads elsewhere. */
function isRepositoryPath(path: string): boolean {
  return path
    .split("/")
    .every((part) => /^[\w%.-]+$/.test(part) && !/^(?:\.|%2e)+$/i.test(part) && !/%2f|%5c|%00/i.test(part));
}

async function folderOf(mirror: URL): Promise<string> {
  try {
    const folder = await realpath(fileURLToPath(mirror));
    if ((await stat(folder)).isDirectory()) return folder;
  } catch (cause) {
    throw new TrustError("FILE_NOT_FOUND", `the mirror ${mirror.href} is not there`, { cause });
  }
  throw new TrustError("FILE_NOT_FOUND", `the mirror ${mirror.href} is not a folder`, { expected: "a folder" });
}

function openFolder(folder: string, mirror: URL): Repository {
  const get = async (path: string): Promise<Answer> => {
    const file = await realpath(join(folder, decodeURIComponent(path)));
    if (!file.startsWith(`${folder}${sep}`)) return { status: 404 };
    const { size } = await stat(file);
    if (size > maxTufBytes) throw unreadable(mirror, `${path}: ${size} bytes`);
    return { status: 200, body: await readFile(file) };
  };
  return {
    get: (path) =>
      get(path).catch((error: unknown): Answer => {
        if (error instanceof TrustError) throw error;
        const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
        if (code === "ENOENT" || code === "ENOTDIR") return { status: 404 };
        throw unreadable(mirror, `${path}: ${code}`, error);
      }),
    close() {},
  };
}
