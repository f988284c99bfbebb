import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { readBody } from "./body.ts";
import type { Client } from "./client.ts";
import { tooLarge } from "./content.ts";
import { bareMediaType } from "./media-type.ts";
import { nextPage } from "./pages.ts";
import { isRepository, isTag, type RepositoryName } from "./reference.ts";
import type { RequestOptions } from "./registry.ts";
import { catalogScope, repositoryScope } from "./scope.ts";
import type { RegistryRequest } from "./session.ts";
import type { HttpResponse } from "./transport.ts";

const maxPageBytes = 4 * 1024 * 1024;
const maxPages = 1_000;
const pageSize = 1_000;

interface Page {
  readonly document: JsonObject;
  readonly next: string | undefined;
}

/** One page of a listing, at most 4 MiB. Throws `CONTENT_TOO_LARGE`, `REGISTRY_ERROR`. */
export async function readPage(client: Client, response: HttpResponse, what: string): Promise<Page> {
  const bytes = await readBody(response, { maxBytes: maxPageBytes, maxMs: client.bodyMs }, what);
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString("utf8"));
  } catch {
    document = undefined;
  }
  if (!isJsonObject(document))
    throw new TrustError("REGISTRY_ERROR", `${response.url.host} answered ${what} with something else`, {
      expected: "a JSON object",
      found: `${bytes.length} bytes of ${bareMediaType(response.headers["content-type"]) || "unnamed content"}`,
    });
  return { document, next: nextPage(response.headers.link, response.url) };
}

/** See `Registry.listTags`. */
export function listTags(client: Client, name: RepositoryName, options: RequestOptions = {}): AsyncIterable<string> {
  const { registry, repository } = name;
  return listNames(client, "tags", isTag, {
    method: "GET",
    registry,
    repository,
    target: `${repository}/tags/list?n=${pageSize}`,
    what: "the list of tags",
    scopes: repositoryScope(repository, "pull"),
    accept: [200],
    missing: "IMAGE_NOT_FOUND",
    signal: options.signal,
  });
}

/** See `Registry.listRepositories`. */
export function listRepositories(
  client: Client,
  registry: string,
  options: RequestOptions = {},
): AsyncIterable<string> {
  return listNames(client, "repositories", isRepository, {
    method: "GET",
    registry,
    target: `_catalog?n=${pageSize}`,
    what: "the list of repositories",
    scopes: catalogScope,
    accept: [200],
    signal: options.signal,
    // Registries list to everybody what everybody may pull, and do not say that there is more.
    eager: true,
  });
}

async function* listNames(
  client: Client,
  field: string,
  isName: (text: string) => boolean,
  first: RegistryRequest & { readonly target: string },
): AsyncIterable<string> {
  const { registry, what } = first;
  const seen = new Set<string>();
  for (let target: string | undefined = first.target; target !== undefined; ) {
    if (seen.has(target)) throw badListing(registry, what, "a page that leads to itself");
    if (seen.size === maxPages) throw tooLarge(`${registry}: ${what}`, `more than ${maxPages} pages of`, maxPageBytes);
    seen.add(target);
    const page: Page = await client.session.request({ ...first, target }, (response) =>
      readPage(client, response, what),
    );
    const names = page.document[field] ?? [];
    if (!Array.isArray(names)) throw badListing(registry, what, `no list of ${field}`);
    for (const name of names) {
      // Silence about an image that nobody can name would be a hole in an audit.
      if (typeof name !== "string" || !isName(name))
        throw badListing(registry, what, JSON.stringify(name).slice(0, 200));
      yield name;
    }
    target = page.next;
  }
}

function badListing(registry: string, what: string, found: string): TrustError {
  return new TrustError("REGISTRY_ERROR", `${registry}: ${what} cannot be read`, { expected: "valid names", found });
}
