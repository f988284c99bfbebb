import type { FastifyReply } from "fastify";
import { type Digest, digestAlgorithm, isDigest } from "../../crypto/digest.ts";
import { isRepository } from "../../oci/reference.ts";
import { entityTag } from "../conditions.ts";
import { digestInvalid, RegistryError } from "../errors.ts";
import { blobMediaType } from "../events.ts";
import { type Exchange, hasBody, queryValue } from "../exchange.ts";
import { parseChunkRange, uploadRange } from "../range.ts";

/** `POST /v2/NAME/blobs/uploads/`: mounts a blob, takes a whole one, or begins an upload. */
export async function startUpload(exchange: Exchange, repository: string): Promise<FastifyReply> {
  const { services } = exchange;
  const mount = digestParameter(exchange, "mount");
  if (mount !== undefined && (await mountBlob(exchange, repository, mount)))
    return created(exchange, repository, mount);
  const digest = digestParameter(exchange, "digest");
  const wanted = digest ?? mount;
  const algorithm = queryValue(exchange, "digest-algorithm") === "sha512" ? "sha512" : "sha256";
  const { uploads } = services.storage;
  const id = await uploads.start(repository, wanted === undefined ? algorithm : digestAlgorithm(wanted));
  if (digest === undefined) return accepted(exchange, repository, id, 0);
  try {
    return await takeRest(exchange, repository, id, digest);
  } catch (error) {
    // Its client never learns the upload's name, so nobody could go on with it.
    await uploads.cancel(repository, id).catch(() => undefined);
    throw error;
  }
}

/** How many repositories are looked through for a blob, where the client names none. */
const maxSources = 1000;

/** Tries the repository that is named, else those that they may pull from. Never tells what they may not see. */
async function mountBlob(exchange: Exchange, repository: string, digest: Digest): Promise<boolean> {
  const { services, identity } = exchange;
  const { storage, access } = services;
  const from = queryValue(exchange, "from");
  const candidates = from === undefined ? [...(await storage.repositories.all())] : [from].filter(isRepository);
  const sources = candidates.filter((name) => name !== repository && access.allows(identity, name, "pull"));
  for (const source of sources.slice(0, maxSources)) {
    if (!(await storage.blobs.mount(source, repository, digest))) continue;
    const size = await storage.blobs.size(repository, digest);
    const mounted = { repository, digest, mediaType: blobMediaType, size, fromRepository: source };
    services.announce({ action: "mount", ...mounted }, exchange);
    return true;
  }
  return false;
}

/** `GET /v2/NAME/blobs/uploads/ID`: how far it came. */
export async function uploadStatus(exchange: Exchange, repository: string, id: string): Promise<FastifyReply> {
  const offset = await exchange.services.storage.uploads.offset(repository, id);
  return describeUpload(exchange, repository, id, offset).code(204).send();
}

/** `PATCH /v2/NAME/blobs/uploads/ID`: appends a chunk, or a stream of any length. */
export async function patchUpload(exchange: Exchange, repository: string, id: string): Promise<FastifyReply> {
  return accepted(exchange, repository, id, await append(exchange, repository, id));
}

/** `PUT /v2/NAME/blobs/uploads/ID?digest=DIGEST`: appends the last chunk, if there is one, and ends the upload. */
export async function finishUpload(exchange: Exchange, repository: string, id: string): Promise<FastifyReply> {
  const digest = digestParameter(exchange, "digest");
  if (digest === undefined) throw digestInvalid("the digest parameter is missing");
  return takeRest(exchange, repository, id, digest);
}

/** `DELETE /v2/NAME/blobs/uploads/ID`: gives the upload up. */
export async function cancelUpload(exchange: Exchange, repository: string, id: string): Promise<FastifyReply> {
  await exchange.services.storage.uploads.cancel(repository, id);
  return exchange.reply.code(204).send();
}

async function takeRest(exchange: Exchange, repository: string, id: string, digest: Digest): Promise<FastifyReply> {
  const { request, services } = exchange;
  if (hasBody(request)) await append(exchange, repository, id);
  // A large file takes its time on its way to the disk, and nothing is sent meanwhile.
  request.raw.setTimeout(0);
  const size = await services.storage.uploads.finish(repository, id, digest);
  services.announce({ action: "push", repository, digest, mediaType: blobMediaType, size }, exchange);
  return created(exchange, repository, digest);
}

async function append(exchange: Exchange, repository: string, id: string): Promise<number> {
  const { request, services } = exchange;
  const header = request.headers["content-range"];
  const range = header === undefined ? undefined : parseChunkRange(header);
  if (header !== undefined && range === undefined)
    throw new RegistryError(416, "BLOB_UPLOAD_INVALID", "not a range of bytes: START-END");
  try {
    return await services.storage.uploads.append(repository, id, request.raw, {
      maxBytes: services.limits.blobBytes,
      at: range?.start,
      exactly: range === undefined ? undefined : range.end - range.start + 1,
      interrupt: () => request.raw.destroy(),
    });
  } catch (error) {
    // The client can go on from where the upload stands.
    if (error instanceof RegistryError && error.status === 416) {
      const offset = await services.storage.uploads.offset(repository, id);
      describeUpload(exchange, repository, id, offset);
    }
    throw error;
  }
}

function accepted(exchange: Exchange, repository: string, id: string, offset: number): FastifyReply {
  return describeUpload(exchange, repository, id, offset).code(202).send();
}

function describeUpload({ reply }: Exchange, repository: string, id: string, offset: number): FastifyReply {
  return reply.headers({
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: uploadRange(offset),
    "docker-upload-uuid": id,
  });
}

function created({ reply }: Exchange, repository: string, digest: Digest): FastifyReply {
  const location = `/v2/${repository}/blobs/${digest}`;
  return reply
    .code(201)
    .headers({ location, "docker-content-digest": digest, etag: entityTag(digest) })
    .send();
}

function digestParameter(exchange: Exchange, name: string): Digest | undefined {
  const text = queryValue(exchange, name);
  if (text === undefined || isDigest(text)) return text;
  throw digestInvalid("not a sha256 or sha512 digest", { [name]: text.slice(0, 200) });
}
