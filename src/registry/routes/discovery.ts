import type { FastifyReply } from "fastify";
import { type Digest, isDigest } from "../../crypto/digest.ts";
import { mediaTypes } from "../../oci/manifest.ts";
import { refuse } from "../access.ts";
import { digestInvalid, RegistryError } from "../errors.ts";
import { type Exchange, queryValue } from "../exchange.ts";
import { compareNames, nextLink, takePage } from "../page.ts";

/** `GET /v2/`: 401 for who did not sign in, so that clients sign in before their first push. */
export function base({ identity, reply }: Exchange): FastifyReply {
  if (identity.kind === "anonymous") throw refuse(identity, "pull");
  return sendJson(reply, {});
}

/** `GET /v2/_catalog`: the repositories that they may pull from. */
export async function catalog(exchange: Exchange): Promise<FastifyReply> {
  const { services, identity, reply, path } = exchange;
  const { access, storage } = services;
  if (!access.mayPullAnywhere(identity)) throw refuse(identity, "pull");
  const names = (await storage.repositories.names()).filter((name) => access.allows(identity, name, "pull"));
  const { items, link } = takePage(names, path, pageQuery(exchange));
  if (link !== undefined) reply.header("link", link);
  return sendJson(reply, { repositories: items });
}

/** `GET /v2/NAME/tags/list`. */
export async function listTags(exchange: Exchange, repository: string): Promise<FastifyReply> {
  const { services, reply, path } = exchange;
  const { manifests, repositories } = services.storage;
  const tags = (await manifests.tags(repository)).sort(compareNames);
  if (tags.length === 0 && !(await repositories.has(repository)))
    throw new RegistryError(404, "NAME_UNKNOWN", "no such repository", { detail: { name: repository } });
  const { items, link } = takePage(tags, path, pageQuery(exchange));
  if (link !== undefined) reply.header("link", link);
  return sendJson(reply, { name: repository, tags: items });
}

/** `GET /v2/NAME/referrers/DIGEST`: never a 404, because clients take that for a registry without this endpoint. */
export async function listReferrers(exchange: Exchange, repository: string, subject: Digest): Promise<FastifyReply> {
  const { services, reply, path } = exchange;
  const artifactType = queryValue(exchange, "artifactType") || undefined;
  const after = queryValue(exchange, "last");
  if (after !== undefined && !isDigest(after)) throw digestInvalid("last is not a digest");
  const { descriptors, next } = await services.storage.referrers.list(repository, subject, { artifactType, after });
  if (artifactType !== undefined) reply.header("oci-filters-applied", "artifactType");
  if (next !== undefined)
    reply.header("link", nextLink(path, { ...(artifactType === undefined ? {} : { artifactType }), last: next }));
  const index = { schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests: descriptors };
  return reply.header("content-type", mediaTypes.imageIndex).send(Buffer.from(JSON.stringify(index)));
}

function pageQuery(exchange: Exchange) {
  return { n: queryValue(exchange, "n"), last: queryValue(exchange, "last") };
}

/** As bytes, because Fastify adds a charset to the type of JSON text, and that is part of a media type here. */
function sendJson(reply: FastifyReply, body: unknown): FastifyReply {
  return reply.header("content-type", "application/json").send(Buffer.from(JSON.stringify(body)));
}
