import { type Digest, digestAlgorithm, digestOf, isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { discard, readBody } from "./body.ts";
import { apiPath, type Client } from "./client.ts";
import { digestMismatch, expectDigest, tooLarge } from "./content.ts";
import { type Descriptor, manifestMediaTypes, maxManifestBytes } from "./manifest.ts";
import { bareMediaType, isManifestMediaType, manifestMediaType } from "./media-type.ts";
import { type ImageReference, manifestReference, type RepositoryName } from "./reference.ts";
import type { PushedManifest, PushManifestOptions, Registry, RequestOptions, TaggedManifest } from "./registry.ts";
import { repositoryScope } from "./scope.ts";
import type { RegistryRequest } from "./session.ts";
import type { HttpResponse } from "./transport.ts";

/** All that a manifest can be: a registry may convert what is not listed. */
const accepted = { Accept: manifestMediaTypes.join(", ") };

function request(
  name: RepositoryName,
  reference: string,
  what: string,
  more: Pick<RegistryRequest, "method" | "scopes" | "accept"> & Partial<RegistryRequest>,
): RegistryRequest {
  const { registry, repository } = name;
  const target = apiPath(name, "manifests", reference);
  return { registry, repository, target, what, missing: "IMAGE_NOT_FOUND", ...more };
}

/** See `Registry.resolve`. */
export async function resolveManifest(
  client: Client,
  ref: ImageReference,
  options: RequestOptions = {},
): Promise<Descriptor> {
  const reference = manifestReference(ref);
  const head = request(ref, reference, `manifest ${reference}`, {
    method: "HEAD",
    scopes: repositoryScope(ref.repository, "pull"),
    headers: accepted,
    accept: [200, 405, 501],
    signal: options.signal,
  });
  const described = await client.session.request(head, async (response) => describedBy(response, reference));
  if (described !== undefined) return described;
  // The registry has no HEAD, or one that does not tell all: look at the manifest itself.
  return (await fetchManifest(client, ref, reference, options)).descriptor;
}

function describedBy(response: HttpResponse, reference: string): Descriptor | undefined {
  const mediaType = bareMediaType(response.headers["content-type"]);
  const size = Number(response.headers["content-length"] ?? Number.NaN);
  const digest = contentDigest(response);
  if (response.status !== 200 || !isManifestMediaType(mediaType) || !Number.isSafeInteger(size)) return undefined;
  if (!isDigest(reference)) return digest === undefined ? undefined : { mediaType, digest, size };
  const isComparable = digest !== undefined && digestAlgorithm(digest) === digestAlgorithm(reference);
  if (isComparable && digest !== reference) throw digestMismatch(reference, digest, response.url.host);
  return { mediaType, digest: reference, size };
}

function contentDigest(response: HttpResponse): Digest | undefined {
  const header = response.headers["docker-content-digest"];
  return isDigest(header) ? header : undefined;
}

/** See `Registry.fetchManifest`. */
export async function fetchManifest(
  client: Client,
  name: RepositoryName,
  reference: string,
  options: RequestOptions = {},
): Promise<TaggedManifest> {
  const what = `manifest ${reference}`;
  const get = request(name, reference, what, {
    method: "GET",
    scopes: repositoryScope(name.repository, "pull"),
    headers: accepted,
    accept: [200],
    signal: options.signal,
  });
  return client.session.request(get, async (response) => {
    refusePage(response, what);
    const bytes = await readBody(response, { maxBytes: maxManifestBytes, maxMs: client.bodyMs }, what);
    const digest = checkedDigest(response, reference, bytes);
    const { etag } = response.headers;
    const mediaType = manifestMediaType(bytes, response.headers["content-type"]);
    const descriptor = { mediaType, digest, size: bytes.length };
    return { descriptor, bytes, ...(etag === undefined ? {} : { etag }) };
  });
}

/** A page for people, as of maintenance or a sign-in, says nothing about what is there. */
function refusePage(response: HttpResponse, what: string): void {
  if (bareMediaType(response.headers["content-type"]) !== "text/html") return;
  throw new TrustError("REGISTRY_ERROR", `${response.url.host} answered with a page for people`, {
    expected: what,
    found: "text/html",
  });
}

/** What was asked for by digest must have it; what was asked for by tag must be what the registry says it is. */
function checkedDigest(response: HttpResponse, reference: string, bytes: Buffer): Digest {
  const { host } = response.url;
  const said = contentDigest(response);
  if (said !== undefined) expectDigest(bytes, said, host);
  if (!isDigest(reference)) return said ?? digestOf(bytes);
  expectDigest(bytes, reference, host);
  return reference;
}

/** See `Registry.pushManifest`. */
export async function pushManifest(
  client: Client,
  name: RepositoryName,
  manifest: Parameters<Registry["pushManifest"]>[1],
  options: PushManifestOptions = {},
): Promise<PushedManifest> {
  const { bytes, mediaType } = manifest;
  if (bytes.length > maxManifestBytes) throw tooLarge("the manifest", bytes.length, maxManifestBytes);
  const digest = digestOf(bytes);
  const reference = manifest.tag ?? digest;
  const put = request(name, reference, `the push of manifest ${reference}`, {
    method: "PUT",
    scopes: repositoryScope(name.repository, "pull", "push"),
    headers: { "Content-Type": mediaType, ...(options.ifMatch === undefined ? {} : { "If-Match": options.ifMatch }) },
    body: bytes,
    accept: [200, 201, 202, 204],
    signal: options.signal,
    missing: undefined,
  });
  return client.session.request(put, async (response) => {
    await discard(response);
    // Says what the registry keeps now: it must be what was sent.
    const said = contentDigest(response);
    if (said !== undefined) expectDigest(bytes, said, response.url.host);
    const subject = response.headers["oci-subject"];
    const descriptor = { mediaType, digest, size: bytes.length };
    return isDigest(subject) ? { descriptor, subject } : { descriptor };
  });
}

/** See `Registry.deleteManifest`. */
export async function deleteManifest(
  client: Client,
  name: RepositoryName,
  reference: string,
  options: RequestOptions = {},
): Promise<void> {
  const message = request(name, reference, `the deletion of manifest ${reference}`, {
    method: "DELETE",
    scopes: repositoryScope(name.repository, "pull", "delete"),
    accept: [200, 202, 204],
    signal: options.signal,
  });
  await client.session.request(message, discard);
}
