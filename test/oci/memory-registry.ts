import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { digestOf } from "../../src/crypto/digest.ts";
import { parseManifest } from "../../src/oci/manifest.ts";
import { referrerDescriptor } from "../../src/oci/referrer-descriptor.ts";
import { readAll, sendError, sendJson, serve, type TestServer, type TlsOptions } from "./server.ts";

/** How the registry differs from a plain one without the referrers API. */
export interface MemoryRegistryOptions {
  /** `silent`: lists referrers, but does not say so when one is pushed. */
  readonly referrers?: boolean | "silent";
  /** `ignored`: sends ETags but writes whatever If-Match says, as docker-registry 2.8 does. */
  readonly ifMatch?: "honoured" | "ignored";
  readonly pageSize?: number;
  readonly tls?: TlsOptions;
  /** Answers instead of the registry when it returns true. */
  intercept?(request: IncomingMessage, response: ServerResponse, path: string): boolean | Promise<boolean>;
}

export interface MemoryRegistry extends TestServer {
  /** By `REPOSITORY/TAG` and `REPOSITORY/DIGEST`. */
  readonly manifests: Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;
  readonly blobs: Map<string, Buffer>;
}

interface State extends Pick<MemoryRegistry, "manifests" | "blobs"> {
  readonly uploads: Map<string, Buffer>;
  readonly options: MemoryRegistryOptions;
}

type Answer = (
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
  parts: readonly string[],
) => void | Promise<void>;

/** A registry in memory over real HTTP, as strict as the specification, for faults to be put into. */
export async function serveRegistry(options: MemoryRegistryOptions = {}): Promise<MemoryRegistry> {
  const state: State = { manifests: new Map(), blobs: new Map(), uploads: new Map(), options };
  const server = await serve(async (request, response) => {
    const path = (request.url ?? "").replace(/^\/v2\//, "");
    if (await options.intercept?.(request, response, path)) return;
    for (const [pattern, answer] of routes) {
      const match = pattern.exec(path);
      if (match !== null) return answer(state, request, response, match.slice(1));
    }
    sendError(response, 404, "NOT_FOUND");
  }, options.tls);
  return { ...server, manifests: state.manifests, blobs: state.blobs };
}

const manifests: Answer = async (state, request, response, [name = "", reference = ""]) => {
  if (request.method === "PUT") return putManifest(state, request, response, [name, reference]);
  const found = state.manifests.get(`${name}/${reference}`);
  if (found === undefined) return sendError(response, 404, "MANIFEST_UNKNOWN");
  if (request.method === "DELETE") {
    for (const [key, other] of state.manifests)
      if (key.startsWith(`${name}/`) && other.bytes.equals(found.bytes)) state.manifests.delete(key);
    response.writeHead(202).end();
    return;
  }
  response.writeHead(200, {
    "Content-Type": found.mediaType,
    "Content-Length": found.bytes.length,
    "Docker-Content-Digest": digestOf(found.bytes),
    ...(state.options.ifMatch === undefined ? {} : { ETag: `"${digestOf(found.bytes)}"` }),
  });
  response.end(request.method === "HEAD" ? undefined : found.bytes);
};

const putManifest: Answer = async (state, request, response, [name = "", reference = ""]) => {
  const bytes = await readAll(request);
  const mediaType = request.headers["content-type"] ?? "";
  const ifMatch = request.headers["if-match"];
  const current = state.manifests.get(`${name}/${reference}`);
  if (
    state.options.ifMatch === "honoured" &&
    ifMatch !== undefined &&
    (current === undefined || ifMatch !== `"${digestOf(current.bytes)}"`)
  )
    return sendError(response, 412, "MANIFEST_INVALID");
  const manifest = parseManifest(bytes, mediaType);
  const missing =
    manifest.kind === "index"
      ? manifest.manifests.some(({ digest }) => !state.manifests.has(`${name}/${digest}`))
      : [manifest.config, ...manifest.layers].some(({ digest }) => !state.blobs.has(`${name}/${digest}`));
  if (missing) return sendError(response, 400, "MANIFEST_BLOB_UNKNOWN");
  state.manifests.set(`${name}/${reference}`, { bytes, mediaType });
  state.manifests.set(`${name}/${digestOf(bytes)}`, { bytes, mediaType });
  const subject = manifest.subject?.digest;
  response.writeHead(201, {
    "Docker-Content-Digest": digestOf(bytes),
    ...(state.options.referrers === true && subject !== undefined ? { "OCI-Subject": subject } : {}),
  });
  response.end();
};

const referrers: Answer = (state, _request, response, [name = "", subject = "", query = ""]) => {
  if (!state.options.referrers) return sendError(response, 404, "METHOD_UNKNOWN");
  const descriptors = [...state.manifests]
    .filter(([key]) => key.startsWith(`${name}/sha256:`))
    .map(([, { bytes, mediaType }]) => ({ manifest: parseManifest(bytes, mediaType), bytes, mediaType }))
    .filter(({ manifest }) => manifest.subject?.digest === subject)
    .map(({ bytes, mediaType }) => referrerDescriptor(bytes, mediaType));
  const start = Number(new URLSearchParams(query).get("start") ?? 0);
  const size = state.options.pageSize ?? 100;
  const next = `</v2/${name}/referrers/${subject}?start=${start + size}>; rel="next"`;
  sendJson(
    response,
    200,
    {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: descriptors.slice(start, start + size),
    },
    {
      "Content-Type": "application/vnd.oci.image.index.v1+json",
      ...(descriptors.length > start + size ? { Link: next } : {}),
    },
  );
};

const blobs: Answer = (state, request, response, [name = "", digest = ""]) => {
  const blob = state.blobs.get(`${name}/${digest}`);
  if (blob === undefined) return sendError(response, 404, "BLOB_UNKNOWN");
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const range = start > 0 ? { "Content-Range": `bytes ${start}-${blob.length - 1}/${blob.length}` } : {};
  response.writeHead(start > 0 ? 206 : 200, { "Content-Length": blob.length - start, ...range });
  response.end(request.method === "HEAD" ? undefined : blob.subarray(start));
};

const startUpload: Answer = (state, _request, response, [name = "", query = ""]) => {
  const parameters = new URLSearchParams(query);
  const [mount, from] = [parameters.get("mount"), parameters.get("from")];
  const source = state.blobs.get(`${from}/${mount}`);
  if (source !== undefined) {
    state.blobs.set(`${name}/${mount}`, source);
    response.writeHead(201, { Location: `/v2/${name}/blobs/${mount}` }).end();
    return;
  }
  const id = randomUUID();
  state.uploads.set(id, Buffer.of());
  response.writeHead(202, { Location: `/v2/${name}/blobs/uploads/${id}?_state=secret` }).end();
};

const upload: Answer = async (state, request, response, [name = "", id = "", query = ""]) => {
  const held = state.uploads.get(id);
  if (held === undefined) return sendError(response, 404, "BLOB_UPLOAD_UNKNOWN");
  const location = { Location: `/v2/${name}/blobs/uploads/${id}?_state=secret` };
  if (request.method === "PATCH" && request.headers["content-range"]?.startsWith(`${held.length}-`) !== true)
    return sendError(response, 416, "RANGE_INVALID", location);
  let all = held;
  if (request.method !== "GET")
    for await (const piece of request) {
      all = Buffer.concat([all, piece as Buffer]);
      state.uploads.set(id, all);
    }
  if (request.method !== "PUT") {
    response
      .writeHead(request.method === "GET" ? 204 : 202, { ...location, Range: `0-${Math.max(0, all.length - 1)}` })
      .end();
    return;
  }
  const digest = new URLSearchParams(query).get("digest") ?? "";
  if (digestOf(all, digest.startsWith("sha512") ? "sha512" : "sha256") !== digest)
    return sendError(response, 400, "DIGEST_INVALID");
  state.blobs.set(`${name}/${digest}`, all);
  state.uploads.delete(id);
  response.writeHead(201, { Location: `/v2/${name}/blobs/${digest}` }).end();
};

const tags: Answer = (state, _request, response, [name = "", query = ""]) => {
  const all = [...state.manifests.keys()]
    .filter((key) => key.startsWith(`${name}/`) && !key.includes(":"))
    .map((key) => key.slice(name.length + 1))
    .sort();
  const after = all.filter((tag) => tag > (new URLSearchParams(query).get("last") ?? ""));
  const page = after.slice(0, state.options.pageSize ?? 100);
  const link =
    page.length < after.length ? { Link: `</v2/${name}/tags/list?last=${page.at(-1)}>; rel="next"` } : undefined;
  sendJson(response, 200, { name, tags: page }, link);
};

const routes: readonly (readonly [RegExp, Answer])[] = [
  [/^(.+)\/manifests\/([^/?]+)$/, manifests],
  [/^(.+)\/referrers\/([^/?]+)\??(.*)$/, referrers],
  [/^(.+)\/blobs\/uploads\/(?:\?(.*))?$/, startUpload],
  [/^(.+)\/blobs\/uploads\/([^/?]+)\??(.*)$/, upload],
  [/^(.+)\/blobs\/([^/?]+)$/, blobs],
  [/^(.+)\/tags\/list\??(.*)$/, tags],
];
