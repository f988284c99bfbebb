import { TrustError } from "../errors.ts";
import { readUpTo } from "./body.ts";
import { apiPath, type Client } from "./client.ts";
import { checkedContent, expectContent, sizeMismatch, tooLarge } from "./content.ts";
import type { Descriptor } from "./manifest.ts";
import { isBrokenConnection } from "./network-errors.ts";
import type { RepositoryName } from "./reference.ts";
import type { RequestOptions } from "./registry.ts";
import { repositoryScope } from "./scope.ts";
import type { RegistryRequest } from "./session.ts";
import type { HttpResponse } from "./transport.ts";

type Named = Pick<Descriptor, "digest" | "size">;

/** How often a download goes on after a broken connection without having come further. */
const maxTries = 4;

function get(name: RepositoryName, { digest }: Named, { signal }: RequestOptions, start: number): RegistryRequest {
  const { registry, repository } = name;
  return {
    method: "GET",
    registry,
    repository,
    target: apiPath(name, "blobs", digest),
    what: `blob ${digest}`,
    scopes: repositoryScope(repository, "pull"),
    headers: start === 0 ? {} : { Range: `bytes=${start}-` },
    accept: start === 0 ? [200] : [200, 206],
    missing: "SIGNATURE_MISSING",
    signal,
  };
}

/** See `Registry.fetchBlob`. */
export async function fetchBlob(
  client: Client,
  name: RepositoryName,
  { digest, size }: Pick<Descriptor, "digest"> & Partial<Pick<Descriptor, "size">>,
  limits: { readonly maxBytes: number } & RequestOptions,
): Promise<Buffer> {
  const { maxBytes } = limits;
  const descriptor = { digest, size: size ?? maxBytes };
  if (descriptor.size > maxBytes) throw tooLarge(`blob ${digest}`, descriptor.size, maxBytes);
  return client.session.request(get(name, descriptor, limits, 0), async (response) => {
    const read = await readUpTo(response, { maxBytes: descriptor.size, maxMs: client.bodyMs });
    if (!read.whole && size === undefined) throw tooLarge(`blob ${digest}`, `more than ${maxBytes}`, maxBytes);
    if (!read.whole) throw sizeMismatch(descriptor, descriptor.size + 1, response.url.host);
    expectContent(read.bytes, { digest, size: size ?? read.bytes.length }, response.url.host);
    return read.bytes;
  });
}

/** See `Registry.streamBlob`. After a broken connection the rest is asked for. */
export function streamBlob(
  client: Client,
  name: RepositoryName,
  descriptor: Named,
  options: RequestOptions = {},
): AsyncIterable<Buffer> {
  return checkedContent(downloaded(client, name, descriptor, options), descriptor, name.registry);
}

async function* downloaded(
  client: Client,
  name: RepositoryName,
  descriptor: Named,
  options: RequestOptions,
): AsyncIterable<Buffer> {
  let done = 0;
  for (let tries = 1; ; tries++) {
    try {
      const response = await client.session.request(get(name, descriptor, options, done), async (answer) => answer);
      for await (const piece of from(response, done)) {
        done += piece.length;
        tries = 1;
        yield piece;
      }
      return;
    } catch (error) {
      if (tries >= maxTries || !isBrokenConnection(error)) throw error;
    }
    await client.session.pause(tries, options.signal);
  }
}

/** The content from that byte on, also where the registry sends all of it again. */
async function* from(response: HttpResponse, start: number): AsyncIterable<Buffer> {
  if (response.status === 206 && !String(response.headers["content-range"]).startsWith(`bytes ${start}-`))
    throw new TrustError("REGISTRY_ERROR", `${response.url.host} sent another part of the blob than asked for`, {
      expected: `bytes ${start}-`,
      found: String(response.headers["content-range"]).slice(0, 100),
    });
  let skip = response.status === 206 ? 0 : start;
  for await (const piece of response.body) {
    const rest = piece.subarray(Math.min(skip, piece.length));
    skip -= piece.length - rest.length;
    if (rest.length > 0) yield rest;
  }
}
