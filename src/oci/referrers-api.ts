import type { Digest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { discard } from "./body.ts";
import { apiPath, type Client } from "./client.ts";
import { readPage } from "./listings.ts";
import type { Descriptor } from "./manifest.ts";
import { bareMediaType } from "./media-type.ts";
import type { RepositoryName } from "./reference.ts";
import { parseReferrers } from "./referrer-descriptor.ts";
import type { AskedReferrers } from "./referrers-support.ts";
import type { RequestOptions } from "./registry.ts";
import { repositoryScope } from "./scope.ts";
import type { RegistryRequest } from "./session.ts";
import type { HttpResponse } from "./transport.ts";

/** Where a registry lists more referrers of one subject, the rest is not read. */
const maxReferrers = 10_000;
/** Answers of registries without the API; specified is 404 alone. */
const unsupported = [400, 404, 405, 406, 501];

type Page =
  | { readonly kind: "unsupported"; readonly certain: boolean }
  | { readonly kind: "cut" }
  | { readonly kind: "page"; readonly descriptors: readonly Descriptor[]; readonly next: string | undefined };

/**
 * See `Registry.listReferrers`. A page beyond a limit, one that leads to itself or elsewhere, ends the listing as
 * incomplete; what was listed before counts.
 */
export async function listReferrers(
  client: Client,
  name: RepositoryName,
  subject: Digest,
  limits: { readonly maxPages: number } & RequestOptions,
): Promise<AskedReferrers> {
  const descriptors: Descriptor[] = [];
  const seen = new Set<string>();
  for (let target: string | undefined = apiPath(name, "referrers", subject); target !== undefined; ) {
    if (seen.size >= limits.maxPages || seen.has(target)) return { supported: true, descriptors, complete: false };
    seen.add(target);
    const page = await fetchPage(client, name, target, limits);
    if (page.kind === "unsupported" && seen.size === 1)
      return { supported: false, descriptors: [], complete: true, ...(page.certain ? { certain: true } : {}) };
    if (page.kind !== "page") return { supported: true, descriptors, complete: false };
    descriptors.push(...page.descriptors.slice(0, maxReferrers - descriptors.length));
    if (descriptors.length === maxReferrers) return { supported: true, descriptors, complete: false };
    target = page.next;
  }
  return { supported: true, descriptors, complete: true };
}

async function fetchPage(
  client: Client,
  { registry, repository }: RepositoryName,
  target: string,
  { signal }: RequestOptions,
): Promise<Page> {
  const request: RegistryRequest = {
    method: "GET",
    registry,
    repository,
    target,
    what: "the list of referrers",
    scopes: repositoryScope(repository, "pull"),
    headers: { Accept: "application/vnd.oci.image.index.v1+json" },
    accept: [200, ...unsupported],
    signal,
  };
  try {
    return await client.session.request(request, (response) => readReferrers(client, response));
  } catch (error) {
    if (error instanceof TrustError && error.code === "CONTENT_TOO_LARGE") return { kind: "cut" };
    throw error;
  }
}

/** Whether the registry itself does not know the path; others say 404 of what they have none of, and proxies in outages. */
function isUnknownPath({ status, headers }: HttpResponse): boolean {
  const isRegistry = headers["docker-distribution-api-version"] !== undefined;
  return status === 404 && isRegistry && bareMediaType(headers["content-type"]) === "text/plain";
}

async function readReferrers(client: Client, response: HttpResponse): Promise<Page> {
  const isPage = bareMediaType(response.headers["content-type"]) === "text/html";
  if (response.status !== 200 || isPage) {
    await discard(response);
    return { kind: "unsupported", certain: isUnknownPath(response) };
  }
  const { document, next } = await readPage(client, response, "the list of referrers");
  const list = document["manifests"];
  // Not an index but, say, an error with status 200: nothing is known about referrers.
  if (!Array.isArray(list) && list !== null)
    throw new TrustError("REGISTRY_ERROR", `${response.url.host} answered the list of referrers with something else`, {
      expected: "an image index",
      found: "JSON without manifests",
    });
  return { kind: "page", descriptors: parseReferrers(list ?? []), next };
}
