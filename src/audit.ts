import { asTrustError } from "./errors.ts";
import { formatRepository, isTag } from "./oci/reference.ts";
import type { Registry } from "./oci/registry.ts";
import type { Verdict } from "./policy/verdict.ts";
import type { Verifier, VerifyRequest } from "./verify.ts";

/** Tags under which signatures, attestations and referrer lists are kept; they are evidence, not images. */
const evidenceTag = /^sha(?:256|512)-[0-9a-f]{64,128}(?:\.(?:sig|att|sbom))?$/;

export interface AuditOptions {
  readonly signal?: AbortSignal | undefined;
  /** How many images are judged at the same time. */
  readonly concurrency?: number | undefined;
}

const defaultConcurrency = 8;

/**
 * Every tagged image of a registry, or of the repositories under a prefix: names as `verify` takes them. A registry
 * without a catalog (Docker Hub) is listed where the prefix is a repository. Throws the errors of the registry.
 */
export async function* listImages(
  registry: Registry,
  host: string,
  prefix: string,
  options: AuditOptions = {},
): AsyncIterable<string> {
  for await (const repository of listRepositories(registry, host, prefix, options)) {
    const name = { registry: host, repository };
    for await (const tag of registry.listTags(name, options)) {
      if (isTag(tag) && !evidenceTag.test(tag)) yield `${formatRepository(name)}:${tag}`;
    }
  }
}

async function* listRepositories(
  registry: Registry,
  host: string,
  prefix: string,
  options: AuditOptions,
): AsyncIterable<string> {
  let found = false;
  try {
    for await (const repository of registry.listRepositories(host, options)) {
      if (prefix !== "" && repository !== prefix && !repository.startsWith(`${prefix}/`)) continue;
      found = true;
      yield repository;
    }
  } catch (error) {
    // No catalog, or not for us: the prefix may still name a repository.
    if (prefix === "" || found || asTrustError(error).category === "unavailable") throw error;
  }
  if (!found && prefix !== "") yield prefix;
}

/** An image to judge, and the object that names it, where one does. */
export type AuditedImage = string | Pick<VerifyRequest, "image" | "object">;

/** Judges many images, a few at a time; verdicts come in the order of the images. */
export async function* auditImages(
  verifier: Verifier,
  images: AsyncIterable<AuditedImage> | Iterable<AuditedImage>,
  options: AuditOptions = {},
): AsyncIterable<Verdict> {
  const pending: Promise<Verdict>[] = [];
  const limit = options.concurrency ?? defaultConcurrency;
  for await (const image of images) {
    pending.push(verifier.verify({ ...(typeof image === "string" ? { image } : image), signal: options.signal }));
    if (pending.length >= limit) yield (await pending.shift()) as Verdict;
  }
  yield* pending;
}
