import { readFile, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, sep } from "node:path";
import { getBuiltinModule } from "node:process";
import { fileURLToPath } from "node:url";
import { TrustError } from "../errors.ts";

/** A TUF repository, served on loopback for as long as somebody reads it. */
export interface TufMirror extends AsyncDisposable {
  /** Where the client reads. */
  readonly url: string;
  /** What could not be asked, for reasons that are not in the repository: an outage, told apart from what TUF refuses. */
  readonly outages: readonly string[];
  /** What the repository does not have. */
  readonly missing: readonly string[];
}

/** TUF's own limits are lower, but for targets. */
const maxBytes = 16 * 1024 * 1024;
const timeout = 15_000;

type Answer = { readonly status: 200; readonly body: Buffer } | { readonly status: 404 } | { readonly status: 502 };
type Fetch = (path: string) => Promise<Answer>;

/**
 * Makes a mirror readable for the TUF client, which knows HTTP only: `https:`, `http:` (TUF signs all it says), or `file:`, a
 * folder for places without a network. Everything passes through here, so that a failure of the network is seen as one.
 * Throws `USAGE` for another kind of address, `FILE_NOT_FOUND` for a folder that is not there.
 */
export async function openTufMirror(mirror: string, signal?: AbortSignal): Promise<TufMirror> {
  const outages: string[] = [];
  const missing: string[] = [];
  const fetchFile = await fetchFrom(parseMirror(mirror), outages, signal);
  const answer = async ({ url = "/" }: IncomingMessage, response: ServerResponse) => {
    const path = url.slice(1);
    const found: Answer = isRepositoryPath(path) ? await fetchFile(path) : { status: 404 };
    if (found.status === 404) missing.push(path);
    response.writeHead(found.status).end(found.status === 200 ? found.body : undefined);
  };
  const server = getBuiltinModule("node:http").createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    outages,
    missing,
    [Symbol.asyncDispose]: () => close(server),
  };
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

/** Checks the address of a mirror. Throws `USAGE`; never repeats a password. */
export function parseMirror(mirror: string): URL {
  const url = URL.canParse(mirror) ? new URL(mirror) : undefined;
  const isPlain =
    url !== undefined && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (url !== undefined && isPlain && /^(?:https?|file):$/.test(url.protocol)) return url;
  throw new TrustError("USAGE", "that is not the address of a TUF repository", {
    expected: "https://HOST[/PATH] or file:///FOLDER",
    hint: "Give it as: --mirror https://tuf.example.com",
  });
}

async function fetchFrom(mirror: URL, outages: string[], signal: AbortSignal | undefined): Promise<Fetch> {
  if (mirror.protocol === "file:") return fetchFromFolder(await folderOf(mirror), outages);
  const base = mirror.href.replace(/\/+$/, "");
  return async (path) => {
    try {
      return await fetchFromWeb(`${base}/${path}`, outages, signal);
    } catch (error) {
      outages.push(`${base}/${path}: ${causeOf(error)}`);
      return { status: 502 };
    }
  };
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

function fetchFromFolder(folder: string, outages: string[]): Fetch {
  return async (path) => {
    try {
      const file = await realpath(join(folder, decodeURIComponent(path)));
      if (!file.startsWith(`${folder}${sep}`)) return { status: 404 };
      const { size } = await stat(file);
      if (size <= maxBytes) return { status: 200, body: await readFile(file) };
      outages.push(`${path}: more than ${maxBytes} bytes`);
    } catch (error) {
      if (causeOf(error) === "ENOENT") return { status: 404 };
      outages.push(`${path}: ${causeOf(error)}`);
    }
    return { status: 502 };
  };
}

/** Some object stores say 403 of what is not there. */
async function fetchFromWeb(url: string, outages: string[], signal: AbortSignal | undefined): Promise<Answer> {
  const ends = [AbortSignal.timeout(timeout), ...(signal === undefined ? [] : [signal])];
  const response = await fetch(url, { signal: AbortSignal.any(ends) });
  if (response.status === 404 || response.status === 403) return { status: 404 };
  if (response.status !== 200 || response.body === null) {
    outages.push(`${url}: status ${response.status}`);
    return { status: 502 };
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body) {
    length += piece.length;
    if (length > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return { status: 200, body: Buffer.concat(pieces) };
}

function causeOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : { cause: undefined };
  const inner = cause instanceof Error ? cause : error;
  if (inner instanceof Error && "code" in inner && typeof inner.code === "string") return inner.code;
  return inner instanceof Error ? inner.message : "unknown";
}
