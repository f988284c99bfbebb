import {
  type Content,
  documentOf,
  emptyJson,
  freshConfig,
  freshContent,
  type ManifestFields,
  types,
} from "./content.ts";
import { expectBody, expectStatus, headerOf } from "./expect.ts";
import type { Answer, Question } from "./http.ts";
import type { Repository } from "./requirement.ts";

const octets = { "content-type": types.bytes };

/** Asks a `Location` that an answer gave, whether absolute or relative. */
export function follow(
  repository: Repository,
  answer: Answer,
  method: string,
  question: Question = {},
): Promise<Answer> {
  return repository.server.ask(method, new URL(headerOf(answer, "location"), answer.url), question);
}

/** Begins an upload. */
export async function startUpload(repository: Repository): Promise<Answer> {
  return expectStatus(await repository.ask("POST", "blobs/uploads/"), 202);
}

/** Ends the upload that an answer told of, with these bytes as its rest. */
export function finishUpload(
  repository: Repository,
  answer: Answer,
  digest: string,
  bytes: Uint8Array = Buffer.alloc(0),
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return follow(repository, answer, "PUT", { query: { digest }, headers: { ...octets, ...headers }, body: bytes });
}

/** Sends a chunk, saying which bytes of the blob it is. */
export function sendChunk(repository: Repository, answer: Answer, start: number, bytes: Uint8Array): Promise<Answer> {
  const range = `${start}-${start + bytes.length - 1}`;
  return follow(repository, answer, "PATCH", { headers: { ...octets, "content-range": range }, body: bytes });
}

/** Pushes a blob with POST and PUT. */
export async function pushBlob<C extends Content>(repository: Repository, content: C): Promise<C> {
  const { digest } = content.descriptor;
  expectStatus(await finishUpload(repository, await startUpload(repository), digest, content.bytes), 201);
  return content;
}

/** That a `Location` is where the content can be pulled from. */
export async function expectPullable(repository: Repository, answer: Answer, content: Content): Promise<void> {
  const accept = content.descriptor.mediaType;
  expectBody(expectStatus(await follow(repository, answer, "GET", { headers: { accept } }), 200), content.bytes);
}

/** That the repository has the blob. */
export async function expectBlob(repository: Repository, { bytes, descriptor }: Content): Promise<void> {
  expectBody(expectStatus(await repository.ask("GET", `blobs/${descriptor.digest}`), 200), bytes);
}

/** Puts a manifest under a tag, or under its digest where none is given. */
export function putManifest(
  repository: Repository,
  manifest: Content,
  reference: string = manifest.descriptor.digest,
  contentType: string = manifest.descriptor.mediaType,
): Promise<Answer> {
  const headers = { "content-type": contentType };
  return repository.ask("PUT", `manifests/${reference}`, { headers, body: manifest.bytes });
}

/** Puts a manifest that has to be taken. */
export async function pushManifest<C extends Content>(
  repository: Repository,
  manifest: C,
  reference?: string,
): Promise<C> {
  expectStatus(await putManifest(repository, manifest, reference), 201);
  return manifest;
}

export function getManifest(
  repository: Repository,
  reference: string,
  accept: string,
  method = "GET",
): Promise<Answer> {
  return repository.ask(method, `manifests/${reference}`, { headers: { accept } });
}

/** That the repository gives the manifest, byte for byte, as the type it was pushed as. */
export async function expectManifest(
  repository: Repository,
  manifest: Content,
  reference: string = manifest.descriptor.digest,
): Promise<Answer> {
  const answer = await getManifest(repository, reference, manifest.descriptor.mediaType);
  return expectBody(expectStatus(answer, 200), manifest.bytes);
}

/** Pushes the blobs of an image that nobody has pushed before, and makes its manifest; that itself is not pushed. */
export async function makeImage(repository: Repository, fields: ManifestFields = {}, space?: string): Promise<Content> {
  const config = await pushBlob(repository, freshConfig());
  const layer = await pushBlob(repository, freshContent(256, types.layerGzip));
  const image = { config: config.descriptor, layers: [layer.descriptor], ...fields };
  return documentOf(types.manifest, image, space);
}

/** Pushes such an image. */
export async function pushImage(
  repository: Repository,
  reference?: string,
  fields: ManifestFields = {},
): Promise<Content> {
  return pushManifest(repository, await makeImage(repository, fields), reference);
}

/** An artifact with an empty configuration and one layer of its type; its blobs are pushed. */
export async function makeArtifact(
  repository: Repository,
  artifactType: string,
  fields: ManifestFields = {},
): Promise<Content> {
  await pushBlob(repository, emptyJson);
  const layer = await pushBlob(repository, freshContent(64, artifactType));
  const artifact = { artifactType, config: emptyJson.descriptor, layers: [layer.descriptor], ...fields };
  return documentOf(types.manifest, artifact);
}
