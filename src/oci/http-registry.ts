import { createAuthorizer } from "./auth.ts";
import { fetchBlob, streamBlob } from "./blobs.ts";
import type { Client } from "./client.ts";
import type { ConnectionSettings } from "./connections.ts";
import { anonymous, type CredentialSource } from "./credential.ts";
import type { PlainHttp } from "./endpoint.ts";
import { listRepositories, listTags } from "./listings.ts";
import { deleteManifest, fetchManifest, pushManifest, resolveManifest } from "./manifests.ts";
import { listReferrers } from "./referrers-api.ts";
import { createReferrersSupport } from "./referrers-support.ts";
import type { Registry } from "./registry.ts";
import { defaultRetry, type RetrySettings } from "./retry.ts";
import { createSession } from "./session.ts";
import { createTransport, defaultTimeouts, type RequestEvent, type Timeouts } from "./transport.ts";
import { defaultUploads, type UploadSettings, uploadBlob } from "./uploads.ts";

/** How registries are spoken to. Whatever is left out has a default. */
export interface HttpRegistryOptions extends ConnectionSettings {
  /** Asked only when a registry wants credentials; default none. */
  readonly credentials?: CredentialSource | undefined;
  /** Default `loopback`: plain HTTP for registries on this machine only. */
  readonly plainHttp?: PlainHttp | undefined;
  readonly userAgent?: string | undefined;
  /** Requests to one host that wait for an answer at once; default 16. */
  readonly maxConcurrent?: number | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<Omit<RetrySettings, "now" | "random">> | undefined;
  readonly uploads?: Partial<UploadSettings> | undefined;
  /** Hears of each request that went over the wire. */
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
  /** From 0 up to 1; for the jitter of pauses. */
  readonly random?: (() => number) | undefined;
}

/** A {@link Registry} over HTTP, for any number of registries. */
export interface HttpRegistry extends Registry {
  /** Closes the connections that wait for further requests. */
  close(): void;
}

const defaultMaxConcurrent = 16;

/**
 * A client of the OCI distribution API (v1.1). Making it costs nothing: connections, credentials and the modules they
 * need come with the first request, and no request is made but those asked for (there is no ping).
 */
export function createHttpRegistry(options: HttpRegistryOptions = {}): HttpRegistry {
  const { client, close } = createClient(options);
  const support = createReferrersSupport(options.now ?? Date.now);
  return {
    resolve: (ref, request) => resolveManifest(client, ref, request),
    fetchManifest: (name, reference, request) => fetchManifest(client, name, reference, request),
    fetchBlob: (name, descriptor, maxBytes, request) => fetchBlob(client, name, descriptor, { ...request, maxBytes }),
    streamBlob: (name, descriptor, request) => streamBlob(client, name, descriptor, request),
    listReferrers: (name, subject, maxPages, request) =>
      support.list(name, () => listReferrers(client, name, subject, { ...request, maxPages })),
    pushBlob: (name, content, request) => uploadBlob(client.session, client.uploads, { ...request, name, content }),
    pushManifest: (name, manifest, request) => pushManifest(client, name, manifest, request),
    deleteManifest: (name, reference, request) => deleteManifest(client, name, reference, request),
    listTags: (name, request) => listTags(client, name, request),
    listRepositories: (registry, request) => listRepositories(client, registry, request),
    close,
  };
}

/** What `createHttpRegistry` is made of; for requests beside the interface. */
export function createClient(options: HttpRegistryOptions): { readonly client: Client; close(): void } {
  const { credentials = anonymous, plainHttp = "loopback", userAgent = "trust" } = options;
  const { now = Date.now, random = Math.random, maxConcurrent = defaultMaxConcurrent } = options;
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const retry = { ...defaultRetry, ...options.retry, now, random };
  const headers = { "User-Agent": userAgent, "Accept-Encoding": "identity" };
  const transport = createTransport({ ...options, timeouts, maxConcurrent });
  const authorizer = createAuthorizer({ transport, credentials, retry, headers, now });
  const hasAuthority = options.ca !== undefined;
  const session = createSession({ transport, authorizer, retry, plainHttp, hasAuthority, headers });
  const uploads = { ...defaultUploads, ...options.uploads };
  return { client: { session, bodyMs: timeouts.body, uploads }, close: transport.close };
}
