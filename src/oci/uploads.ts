import { TrustError } from "../errors.ts";
import { answerOf } from "./answers.ts";
import { discard } from "./body.ts";
import { type ContentReader, createContentReader } from "./content-reader.ts";
import { isBrokenConnection } from "./network-errors.ts";
import type { RepositoryName } from "./reference.ts";
import type { BlobContent, BlobPush } from "./registry.ts";
import { mergeScopes, repositoryScope, type Scopes } from "./scope.ts";
import type { RegistryRequest, Session } from "./session.ts";
import type { HttpResponse, RequestBody } from "./transport.ts";

/** How blobs are uploaded. Sizes in bytes. */
export interface UploadSettings {
  /** What is larger goes up in chunks, each of which can be resumed. */
  readonly chunkedFrom: number;
  /** Streamed, never kept in memory: proxies limit what they let through at once. A registry may ask for larger ones. */
  readonly chunkSize: number;
  /** How often an upload goes on after a broken connection without having come further. */
  readonly attempts: number;
}

export const defaultUploads: UploadSettings = {
  chunkedFrom: 32 * 1024 * 1024,
  chunkSize: 64 * 1024 * 1024,
  attempts: 5,
};

export interface UploadRequest {
  readonly name: RepositoryName;
  readonly content: BlobContent;
  /** Repository on the same registry that has the blob already. */
  readonly from?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where an upload stands. */
interface Upload {
  readonly url: URL;
  /** The URL that gave it. */
  readonly from: URL;
  readonly minChunk: number;
}

/**
 * Puts a blob into a repository (distribution-spec v1.1, "Pushing a blob in chunks", "monolithically", "Mounting a blob")
 * unless it is there. A broken connection is mended: a chunk is sent again from where the registry has it, anything else
 * from the start; the content is opened again for it.
 */
export async function uploadBlob(
  session: Session,
  settings: UploadSettings,
  request: UploadRequest,
): Promise<BlobPush> {
  if (await hasBlob(session, request)) return "present";
  let chunked = request.content.size > settings.chunkedFrom;
  for (let tries = 1; ; tries++) {
    const upload = await startUpload(session, request);
    if (upload === "mounted") return "mounted";
    try {
      if (chunked) await sendChunks(session, settings, request, upload);
      else await finish(session, request, upload, request.content);
      return "sent";
    } catch (error) {
      const cannotChunk = chunked && refusesChunks(error);
      if (tries >= settings.attempts || !(cannotChunk || mayStartAgain(error))) throw error;
      chunked &&= !cannotChunk;
      await session.pause(tries, request.signal);
      // The last answer may have been lost on the way.
      if (await hasBlob(session, request)) return "sent";
    }
  }
}

/** A broken connection, a failing registry, or an upload that the registry does not know any more. */
function mayStartAgain(error: unknown): boolean {
  const answer = answerOf(error);
  if (answer === undefined) return isBrokenConnection(error);
  const isLost = answer.codes.some((code) => code.startsWith("BLOB_UPLOAD_"));
  return isLost || answer.status >= 500 || answer.status === 404 || answer.status === 416;
}

/** Some registries take a blob only in one piece. */
function refusesChunks(error: unknown): boolean {
  const status = answerOf(error)?.status;
  return status !== undefined && [405, 411, 413, 415, 501].includes(status);
}

function ask(
  { name, signal }: UploadRequest,
  what: string,
  more: Pick<RegistryRequest, "method" | "target" | "accept"> & Partial<RegistryRequest>,
): RegistryRequest {
  const { registry, repository } = name;
  return { registry, repository, what, scopes: pushScope(name), signal, ...more };
}

function pushScope({ repository }: RepositoryName): Scopes {
  return repositoryScope(repository, "pull", "push");
}

async function hasBlob(session: Session, request: UploadRequest): Promise<boolean> {
  const { digest } = request.content;
  const target = `${request.name.repository}/blobs/${digest}`;
  const head = ask(request, `the push of blob ${digest}`, { method: "HEAD", target, accept: [200, 404] });
  return session.request(head, async (response) => response.status === 200);
}

async function startUpload(session: Session, request: UploadRequest): Promise<Upload | "mounted"> {
  const { name, content, from } = request;
  const query = from === undefined ? "" : `?${new URLSearchParams({ mount: content.digest, from })}`;
  const start = ask(request, `the push of blob ${content.digest}`, {
    method: "POST",
    target: `${name.repository}/blobs/uploads/${query}`,
    accept: from === undefined ? [202] : [201, 202],
    scopes: from === undefined ? pushScope(name) : mergeScopes(pushScope(name), repositoryScope(from, "pull")),
    headers: { "Content-Length": "0" },
  });
  return session.request(start, async (response) => {
    await discard(response);
    return response.status === 201 ? "mounted" : nextUpload(response, request);
  });
}

function nextUpload(response: HttpResponse, { name }: UploadRequest): Upload {
  const location = response.headers.location;
  const url = location === undefined ? null : URL.parse(location, response.url.href);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new TrustError("REGISTRY_ERROR", `${name.registry} does not say where to upload to`, {
      expected: "a Location header with a URL",
      found: (location ?? "none").slice(0, 100),
    });
  // Behind a proxy that ends TLS, registries often name themselves with http.
  if (url.host === response.url.host) url.protocol = response.url.protocol;
  const minChunk = Number(response.headers["oci-chunk-min-length"] ?? 0);
  return { url, from: response.url, minChunk: Number.isSafeInteger(minChunk) ? minChunk : 0 };
}

async function finish(session: Session, request: UploadRequest, upload: Upload, body?: RequestBody): Promise<void> {
  const { digest } = request.content;
  const url = new URL(upload.url);
  url.searchParams.set("digest", digest);
  const put = ask(request, `the push of blob ${digest}`, {
    method: "PUT",
    target: { url, from: upload.from },
    accept: [201],
    headers: body === undefined ? { "Content-Length": "0" } : { "Content-Type": "application/octet-stream" },
    body,
    repeat: false,
  });
  await session.request(put, discard);
}

async function sendChunks(
  session: Session,
  settings: UploadSettings,
  request: UploadRequest,
  started: Upload,
): Promise<void> {
  const { content } = request;
  const reader = createContentReader(content);
  let upload = started;
  // Some registries keep chunks in stores with a least size of their own.
  const size = Math.min(Math.max(settings.chunkSize, upload.minChunk), 16 * settings.chunkSize);
  try {
    for (let start = 0; start < content.size; start += size) {
      const end = Math.min(start + size, content.size);
      upload = await sendChunk(session, settings, request, { upload, reader, start, end });
    }
    await reader.finish();
  } finally {
    reader.close();
  }
  await finish(session, request, upload);
}

interface Chunk {
  readonly upload: Upload;
  readonly reader: ContentReader;
  /** Where in the blob it begins. */
  readonly start: number;
  /** Where the next one begins. */
  readonly end: number;
}

/** Sends one chunk; after a broken connection asks how much of it arrived and sends the rest. */
async function sendChunk(
  session: Session,
  settings: UploadSettings,
  request: UploadRequest,
  chunk: Chunk,
): Promise<Upload> {
  let left = chunk;
  for (let tries = 1; ; tries++) {
    try {
      return await patch(session, request, left);
    } catch (error) {
      if (tries >= settings.attempts || !mayResume(error)) throw error;
      await session.pause(tries, request.signal);
      const { received, upload } = await uploadStatus(session, request, left.upload);
      // The registry has less than it confirmed, or more than it was sent: only a new upload helps.
      if (received < chunk.start || received > chunk.end) throw error;
      if (received === chunk.end) return upload;
      // It came further: what counts is how often it did not.
      if (received > left.start) tries = 0;
      left = { ...left, upload, start: received };
    }
  }
}

function mayResume(error: unknown): boolean {
  const answer = answerOf(error);
  return isBrokenConnection(error) || answer?.status === 416 || (answer !== undefined && answer.status >= 500);
}

async function patch(session: Session, request: UploadRequest, { upload, reader, start, end }: Chunk): Promise<Upload> {
  const message = ask(request, `the push of blob ${request.content.digest}`, {
    method: "PATCH",
    target: upload,
    accept: [202, 204],
    headers: {
      "Content-Type": "application/octet-stream",
      "Content-Range": `${start}-${end - 1}`,
    },
    body: { size: end - start, open: () => reader.read(start, end - start) },
    repeat: false,
  });
  return session.request(message, async (response) => {
    await discard(response);
    return nextUpload(response, request);
  });
}

/** How many bytes of an upload the registry has (distribution-spec v1.1, "Pushing a blob in chunks", GET on Location). */
async function uploadStatus(session: Session, request: UploadRequest, upload: Upload) {
  const get = ask(request, `the push of blob ${request.content.digest}`, {
    method: "GET",
    target: upload,
    accept: [204, 200, 202],
  });
  return session.request(get, async (response) => {
    await discard(response);
    const range = /^(?:bytes=)?0-(\d{1,15})$/.exec(String(response.headers.range ?? ""));
    // Registries say 0-0 of nothing as well as of one byte.
    const last = Number(range?.[1] ?? 0);
    const received = last === 0 ? 0 : last + 1;
    return { received, upload: response.headers.location === undefined ? upload : nextUpload(response, request) };
  });
}
