import type { FastifyReply } from "fastify";
import type { Digest } from "../crypto/digest.ts";
import type { Right } from "./access.ts";
import { RegistryError } from "./errors.ts";
import { type Exchange, requireRight } from "./exchange.ts";
import { deleteBlob, getBlob, headBlob } from "./routes/blobs.ts";
import { base, catalog, listReferrers, listTags } from "./routes/discovery.ts";
import { deleteManifest, getManifest, putManifest } from "./routes/manifests.ts";
import { cancelUpload, finishUpload, patchUpload, startUpload, uploadStatus } from "./routes/uploads.ts";
import { parseTarget, type Target } from "./target.ts";

interface Endpoint {
  /** Any one of them is enough. */
  readonly rights: readonly [Right, ...Right[]];
  /** `item` is the last part of the path: a reference, a digest (checked), or the name of an upload. */
  readonly handle: (exchange: Exchange, repository: string, item: string) => Promise<FastifyReply>;
}

const pull = ["pull"] as const;
const push = ["push"] as const;
const remove = ["delete"] as const;
/** Who pushes looks first what is there already. */
const look = ["pull", "push"] as const;

const byDigest = (handle: (exchange: Exchange, repository: string, digest: Digest) => Promise<FastifyReply>) =>
  handle as Endpoint["handle"];

/** Every endpoint that belongs to a repository, with the rights that it takes. */
const endpoints: Readonly<
  Record<Exclude<Target["kind"], "base" | "catalog">, Readonly<Partial<Record<string, Endpoint>>>>
> = {
  manifest: {
    GET: { rights: pull, handle: getManifest },
    HEAD: { rights: look, handle: getManifest },
    PUT: { rights: push, handle: putManifest },
    DELETE: { rights: remove, handle: deleteManifest },
  },
  blob: {
    GET: { rights: pull, handle: byDigest(getBlob) },
    HEAD: { rights: look, handle: byDigest(headBlob) },
    DELETE: { rights: remove, handle: byDigest(deleteBlob) },
  },
  uploads: { POST: { rights: push, handle: startUpload } },
  upload: {
    GET: { rights: push, handle: uploadStatus },
    PATCH: { rights: push, handle: patchUpload },
    PUT: { rights: push, handle: finishUpload },
    DELETE: { rights: push, handle: cancelUpload },
  },
  tags: { GET: { rights: pull, handle: listTags } },
  referrers: { GET: { rights: pull, handle: byDigest(listReferrers) } },
};

/** Finds the endpoint of a request, checks the right to it, and lets it answer. Nothing is looked up before that. */
export async function dispatch(exchange: Exchange): Promise<FastifyReply> {
  const target = parseTarget(exchange.path);
  const { method } = exchange.request;
  if (target.kind === "base" || target.kind === "catalog") {
    if (method !== "GET" && method !== "HEAD") throw wrongMethod(["GET", "HEAD"]);
    return target.kind === "base" ? base(exchange) : catalog(exchange);
  }
  const methods = endpoints[target.kind];
  const endpoint = methods[method] ?? (method === "HEAD" ? methods["GET"] : undefined);
  if (endpoint === undefined) throw wrongMethod(Object.keys(methods));
  requireRight(exchange, target.repository, ...endpoint.rights);
  return endpoint.handle(exchange, target.repository, itemOf(target));
}

function itemOf(target: Target): string {
  if ("reference" in target) return target.reference;
  if ("digest" in target) return target.digest;
  return "id" in target ? target.id : "";
}

function wrongMethod(allowed: readonly string[]): RegistryError {
  return new RegistryError(405, "UNSUPPORTED", "the endpoint does not have this method", {
    headers: { allow: allowed.join(", ") },
  });
}
