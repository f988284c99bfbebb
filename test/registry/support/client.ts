import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http, { type IncomingHttpHeaders } from "node:http";
import https from "node:https";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The code of the OCI error in the body. */
  readonly code: string | undefined;
  json(): unknown;
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** `NAME:PASSWORD` */
  readonly user?: string | undefined;
  readonly ca?: string;
}

/** A bare client: sends exactly what it is told, follows nothing, retries nothing. */
export type Client = (method: string, path: string, ask?: Ask) => Promise<Answer>;

export function clientOf(base: string, always: Ask = {}): Client {
  return async (method, path, ask = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const { user, body } = { ...always, ...ask };
    const headers = {
      ...always.headers,
      ...(user === undefined ? {} : { authorization: `Basic ${Buffer.from(user).toString("base64")}` }),
      ...lengthOf(body),
      ...ask.headers,
    };
    const url = new URL(path, base);
    const send = url.protocol === "https:" ? https.request : http.request;
    const request = send(url, { method, headers, path, agent: false, ...(always.ca && { ca: always.ca }) });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve(answerOf(response.statusCode ?? 0, response.headers, Buffer.concat(chunks))));
    });
    if (body === undefined || typeof body === "string" || body instanceof Uint8Array) request.end(body);
    else void pump(body, request);
    return promise;
  };
}

function lengthOf(body: Ask["body"]): Record<string, string> {
  if (typeof body === "string") return { "content-length": String(Buffer.byteLength(body)) };
  return body instanceof Uint8Array ? { "content-length": String(body.length) } : {};
}

async function pump(body: AsyncIterable<Uint8Array>, request: http.ClientRequest): Promise<void> {
  for await (const chunk of body) {
    if (request.destroyed) return;
    if (request.write(chunk)) continue;
    const either = new AbortController();
    const { signal } = either;
    await Promise.race([once(request, "drain", { signal }), once(request, "close", { signal })]).catch(() => {});
    either.abort();
  }
  request.end();
}

function answerOf(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  const json = () => JSON.parse(body.toString()) as unknown;
  let code: string | undefined;
  try {
    code = (json() as { errors?: { code: string }[] }).errors?.[0]?.code;
  } catch {
    code = undefined;
  }
  return { status, headers, body, code, json };
}

export function sha(bytes: string | Uint8Array, algorithm: "sha256" | "sha512" = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** Pushes a blob with one request; gives its digest. */
export async function pushBlob(client: Client, repository: string, bytes: string | Uint8Array): Promise<string> {
  const digest = sha(bytes);
  const answer = await client("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes });
  if (answer.status !== 201) throw new Error(`push of a blob: ${answer.status} ${answer.body}`);
  return digest;
}

export const imageType = "application/vnd.oci.image.manifest.v1+json";
export const indexType = "application/vnd.oci.image.index.v1+json";

export interface ManifestParts {
  readonly config?: string;
  readonly layers?: readonly string[];
  readonly subject?: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The text of an image manifest; the config is `{}` unless a digest is given. */
export function manifestText(parts: ManifestParts = {}): string {
  const descriptor = (digest: string, mediaType: string, size = 2) => ({ mediaType, digest, size });
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: imageType,
    artifactType: parts.artifactType,
    config: descriptor(parts.config ?? sha("{}"), "application/vnd.oci.image.config.v1+json"),
    layers: (parts.layers ?? []).map((digest) => descriptor(digest, "application/vnd.oci.image.layer.v1.tar+gzip")),
    subject: parts.subject === undefined ? undefined : descriptor(parts.subject, imageType, 100),
    annotations: parts.annotations,
  });
}

export function indexText(digests: readonly string[], more: object = {}): string {
  const manifests = digests.map((digest) => ({ mediaType: imageType, digest, size: 2 }));
  return JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests, ...more });
}

export function putManifest(client: Client, repository: string, reference: string, text: string, ask: Ask = {}) {
  const type = (JSON.parse(text) as { mediaType?: string }).mediaType ?? imageType;
  const headers = { "content-type": type, ...ask.headers };
  return client("PUT", `/v2/${repository}/manifests/${reference}`, { ...ask, body: text, headers });
}

/** Pushes a small image that differs from all others; gives the digest of its manifest. */
export async function pushImage(client: Client, repository: string, tag?: string): Promise<string> {
  await pushBlob(client, repository, "{}");
  const layer = await pushBlob(client, repository, randomBytes(64));
  const text = manifestText({ layers: [layer] });
  const answer = await putManifest(client, repository, tag ?? sha(text), text);
  if (answer.status !== 201) throw new Error(`push of a manifest: ${answer.status} ${answer.body}`);
  return sha(text);
}
