import type { FastifyReply } from "fastify";
import { type Digest, digestAlgorithm, digestOf, isDigest } from "../../crypto/digest.ts";
import { manifestMediaTypes, maxManifestBytes, parseManifest } from "../../oci/manifest.ts";
import { bareMediaType, isManifestMediaType, manifestMediaType } from "../../oci/media-type.ts";
import { isTag } from "../../oci/reference.ts";
import { changeCondition, entityTag, isUnchanged } from "../conditions.ts";
import { digestInvalid, manifestUnknown, RegistryError } from "../errors.ts";
import { type Exchange, queryValues, readBody } from "../exchange.ts";
import { timeouts } from "../limits.ts";
import { keepReferences } from "../storage/references.ts";

const maxTags = 32;

/** `GET` and `HEAD /v2/NAME/manifests/REFERENCE`: the manifest exactly as it was pushed. */
export async function getManifest(exchange: Exchange, repository: string, reference: string): Promise<FastifyReply> {
  const { request, reply, services } = exchange;
  const found = await services.storage.manifests.find(repository, reference);
  if (found === undefined) throw manifestUnknown(reference);
  const { digest, mediaType, size } = found;
  reply.headers({ "docker-content-digest": digest, etag: entityTag(digest) });
  if (isUnchanged(request.headers["if-none-match"], digest)) return reply.code(304).send();
  reply.header("content-type", mediaType);
  if (request.method === "HEAD") return reply.header("content-length", size).send();
  const bytes = await services.storage.manifests.read(found);
  const tag = isDigest(reference) ? undefined : reference;
  services.announce({ action: "pull", repository, digest, mediaType, size, tag }, exchange);
  return reply.send(bytes);
}

/**
 * `PUT /v2/NAME/manifests/REFERENCE`. What it refers to must be in the repository, its subject aside. `If-Match` and
 * `If-None-Match` are honoured. A push by digest may bring `tag` parameters, which the distribution spec's next version has.
 */
export async function putManifest(exchange: Exchange, repository: string, reference: string): Promise<FastifyReply> {
  const { request, reply, services } = exchange;
  const { storage } = services;
  const bytes = await readBody(request, maxManifestBytes, timeouts.manifest);
  const digest = digestOf(bytes, isDigest(reference) ? digestAlgorithm(reference) : "sha256");
  if (isDigest(reference) && digest !== reference)
    throw digestInvalid("the manifest has another digest than the URL", { expected: reference, found: digest });
  const mediaType = pushedMediaType(bytes, request.headers["content-type"]);
  const manifest = parseManifest(bytes, mediaType);
  const subject = manifest.subject?.digest;
  const tags = isDigest(reference) ? checkTags(queryValues(request, "tag")) : [reference];
  const condition = changeCondition(request.headers);
  const stored = { digest, mediaType, size: bytes.length, ...(subject === undefined ? {} : { subject }) };
  await storage.guard.during(async () => {
    await keepReferences(storage, repository, manifest);
    await storage.manifests.put(repository, { ...stored, bytes, tags, condition });
  });
  for (const tag of tags.length === 0 ? [undefined] : tags)
    services.announce({ action: "push", repository, digest, mediaType, size: bytes.length, tag }, exchange);
  reply.headers({
    location: `/v2/${repository}/manifests/${digest}`,
    "docker-content-digest": digest,
    etag: entityTag(digest),
  });
  if (subject !== undefined) reply.header("oci-subject", subject);
  if (isDigest(reference) && tags.length > 0) reply.header("oci-tag", tags.join(", "));
  return reply.code(201).send();
}

/** What the client says, because that is what is served again; only where it says nothing, what the document says. */
function pushedMediaType(bytes: Buffer, contentType: string | undefined): string {
  const said = bareMediaType(contentType);
  if (said === "" || isManifestMediaType(said)) return manifestMediaType(bytes, contentType);
  throw new RegistryError(400, "MANIFEST_INVALID", "not a media type of a manifest that is known here", {
    detail: { expected: manifestMediaTypes, found: said.slice(0, 200) },
  });
}

function checkTags(tags: readonly string[]): readonly string[] {
  const wrong = tags.find((tag) => !isTag(tag));
  if (wrong !== undefined)
    throw new RegistryError(400, "NAME_INVALID", "not a tag", { detail: { tag: wrong.slice(0, 200) } });
  if (tags.length > maxTags)
    throw new RegistryError(414, "NAME_INVALID", "too many tags at once", { detail: { maxTags } });
  return [...new Set(tags)];
}

/** `DELETE /v2/NAME/manifests/REFERENCE`: a tag alone, or a manifest with the tags on it. */
export async function deleteManifest(exchange: Exchange, repository: string, reference: string): Promise<FastifyReply> {
  const { request, reply, services } = exchange;
  const { manifests } = services.storage;
  const condition = changeCondition(request.headers);
  const target = isDigest(reference) ? { digest: reference as Digest } : { tag: reference };
  const removed = isDigest(reference)
    ? await manifests.remove(repository, reference, condition)
    : await manifests.removeTag(repository, reference, condition);
  if (!removed) throw manifestUnknown(reference);
  services.announce({ action: "delete", repository, ...target }, exchange);
  return reply.code(202).send();
}
