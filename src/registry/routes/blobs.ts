import type { FastifyReply } from "fastify";
import type { Digest } from "../../crypto/digest.ts";
import { entityTag, isUnchanged } from "../conditions.ts";
import { blobUnknown, RegistryError } from "../errors.ts";
import { blobMediaType } from "../events.ts";
import type { Exchange } from "../exchange.ts";
import { type ByteRange, parseRange } from "../range.ts";
import type { OpenBlob } from "../storage/blobs.ts";

/** `HEAD /v2/NAME/blobs/DIGEST`. */
export async function headBlob(exchange: Exchange, repository: string, digest: Digest): Promise<FastifyReply> {
  const size = await exchange.services.storage.blobs.size(repository, digest);
  if (size === undefined) throw blobUnknown(digest);
  return describeBlob(exchange.reply, digest).header("content-length", size).send();
}

/** `GET /v2/NAME/blobs/DIGEST`: the blob or one range of it, streamed from disk. */
export async function getBlob(exchange: Exchange, repository: string, digest: Digest): Promise<FastifyReply> {
  const { request, reply, services } = exchange;
  const blob = await services.storage.blobs.open(repository, digest);
  if (blob === undefined) throw blobUnknown(digest);
  describeBlob(reply, digest);
  if (isUnchanged(request.headers["if-none-match"], digest)) {
    await blob.close();
    return reply.code(304).send();
  }
  const range = wantedRange(request.headers, digest, blob.size);
  if (range === "unsatisfiable") {
    await blob.close();
    throw unsatisfiable(blob.size);
  }
  services.announce({ action: "pull", repository, digest, mediaType: blobMediaType, size: blob.size }, exchange);
  if (range === undefined) return sendRange(reply, blob, { start: 0, end: blob.size - 1 });
  reply.code(206).header("content-range", `bytes ${range.start}-${range.end}/${blob.size}`);
  return sendRange(reply, blob, range);
}

function describeBlob(reply: FastifyReply, digest: Digest): FastifyReply {
  return reply.headers({
    "docker-content-digest": digest,
    etag: entityTag(digest),
    "content-type": blobMediaType,
    "accept-ranges": "bytes",
    "cache-control": "private, max-age=31536000, immutable",
  });
}

/** A range that is only wanted of another version is not wanted (RFC 9110, 13.1.5). */
function wantedRange(
  headers: { readonly range?: string | undefined; readonly "if-range"?: string | string[] | undefined },
  digest: Digest,
  size: number,
): ByteRange | "unsatisfiable" | undefined {
  const ifRange = headers["if-range"];
  return ifRange === undefined || ifRange === entityTag(digest) ? parseRange(headers.range, size) : undefined;
}

async function sendRange(reply: FastifyReply, blob: OpenBlob, { start, end }: ByteRange): Promise<FastifyReply> {
  reply.header("content-length", end - start + 1);
  if (end >= start) return reply.send(blob.stream(start, end));
  await blob.close();
  return reply.send();
}

function unsatisfiable(size: number): RegistryError {
  return new RegistryError(416, "SIZE_INVALID", "the range is not within the blob", {
    headers: { "content-range": `bytes */${size}` },
  });
}

/** `DELETE /v2/NAME/blobs/DIGEST`: takes the blob from this repository; others keep it. */
export async function deleteBlob(exchange: Exchange, repository: string, digest: Digest): Promise<FastifyReply> {
  const { reply, services } = exchange;
  if (!(await services.storage.blobs.unlink(repository, digest))) throw blobUnknown(digest);
  services.announce({ action: "delete", repository, digest }, exchange);
  return reply.code(202).send();
}
