import { type Digest, digestOf, isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { checkedContent, expectContent, expectDigest, tooLarge } from "./content.ts";
import { type LayoutChanges, type LayoutFiles, layoutFolder } from "./layout-files.ts";
import * as layoutIndex from "./layout-index.ts";
import { referrersInLayout } from "./layout-referrers.ts";
import { layoutTar } from "./layout-tar.ts";
import { type Descriptor, maxManifestBytes, parseManifest } from "./manifest.ts";
import { manifestMediaType } from "./media-type.ts";
import type { RepositoryName } from "./reference.ts";
import { referrerDescriptor } from "./referrer-descriptor.ts";
import type { BlobContent, BlobPush, PushedManifest, Registry, RequestOptions, TaggedManifest } from "./registry.ts";

/**
 * An OCI image layout (image-spec v1.1, image-layout.md) behind the interface of a registry. Registry and repository
 * of a name matter only where an entry has a whole name; a layout lists no repositories.
 */
export interface Layout extends Registry {
  /** The images of the layout with their annotations: no signatures, no referrers. */
  images(): Promise<readonly Descriptor[]>;
  close(): Promise<void>;
}

/**
 * Opens a layout folder; with `create` a missing one is made. Throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`,
 * `FILE_UNWRITABLE`, `MANIFEST_INVALID` where it is a layout of another version.
 */
export async function openLayout(folder: string, options: { readonly create?: boolean } = {}): Promise<Layout> {
  const files = layoutFolder(folder);
  const marker = await files.read(markerFile, 4096);
  if (marker !== undefined) checkMarker(files, marker);
  else if (options.create === true) await createLayout(files);
  else throw notALayout(folder);
  return layoutOver(files, () => Promise.resolve());
}

/** Opens a layout inside an uncompressed tar archive, for reading only. Throws as {@link openLayout}. */
export async function openLayoutTar(file: string): Promise<Layout> {
  const files = await layoutTar(file);
  try {
    const marker = await files.read(markerFile, 4096);
    if (marker === undefined) throw notALayout(file);
    checkMarker(files, marker);
  } catch (error) {
    await files.close();
    throw error;
  }
  return layoutOver(files, files.close);
}

const markerFile = "oci-layout";

function checkMarker(files: LayoutFiles, marker: Buffer): void {
  const version = layoutIndex.parseObject(marker, `${files.where}/${markerFile}`)["imageLayoutVersion"];
  if (typeof version === "string" && version.startsWith("1.")) return;
  throw new TrustError("MANIFEST_INVALID", `${files.where} is a layout of an unknown version`, {
    expected: "imageLayoutVersion 1.x",
    found: String(version).slice(0, 50),
  });
}

async function createLayout(files: LayoutFiles): Promise<void> {
  const { write } = changesOf(files);
  // The marker comes last: a folder that has it is a whole layout.
  const index = await layoutIndex.readLayoutIndex(files);
  const entries = index.entries.map(({ raw }) => raw);
  await write("index.json", pieces(layoutIndex.encodeLayoutIndex(index, entries)));
  await write(markerFile, pieces(Buffer.from('{"imageLayoutVersion":"1.0.0"}')));
}

function layoutOver(files: LayoutFiles, close: () => Promise<void>): Layout {
  return {
    resolve: async (ref, options) => {
      const { descriptor } = await fetchManifest(files, ref, ref.digest ?? ref.tag ?? "latest", options);
      return descriptor;
    },
    fetchManifest: (name, reference, options) => fetchManifest(files, name, reference, options),
    fetchBlob: (_name, descriptor, maxBytes) => fetchBlob(files, descriptor, maxBytes),
    streamBlob: (_name, descriptor) =>
      checkedContent(files.stream(blobPath(descriptor.digest)), descriptor, files.where),
    listReferrers: (_name, subject) => referrersInLayout(files, subject),
    pushBlob: (_name, content) => pushBlob(files, content),
    pushManifest: (_name, manifest) => pushManifest(files, manifest),
    deleteManifest: (_name, reference) => deleteManifest(files, reference),
    listTags: () => listTags(files),
    async *listRepositories() {},
    images: async () => layoutIndex.imagesOf(await layoutIndex.readLayoutIndex(files)),
    close,
  };
}

async function fetchManifest(
  files: LayoutFiles,
  name: RepositoryName,
  reference: string,
  options: RequestOptions = {},
): Promise<TaggedManifest> {
  options.signal?.throwIfAborted();
  const index = await layoutIndex.readLayoutIndex(files);
  const entry = isDigest(reference)
    ? index.entries.find(({ descriptor }) => descriptor.digest === reference)?.descriptor
    : layoutIndex.entryOfTag(index, name, reference);
  const digest = isDigest(reference) ? reference : entry?.digest;
  const bytes = digest === undefined ? undefined : await files.read(blobPath(digest), maxManifestBytes);
  if (digest === undefined || bytes === undefined) throw notThere(files, reference);
  expectDigest(bytes, digest, files.where);
  return { descriptor: { mediaType: manifestMediaType(bytes, entry?.mediaType), digest, size: bytes.length }, bytes };
}

async function fetchBlob(
  files: LayoutFiles,
  descriptor: Pick<Descriptor, "digest" | "size">,
  maxBytes: number,
): Promise<Buffer> {
  if (descriptor.size > maxBytes) throw tooLarge(descriptor.digest, descriptor.size, maxBytes);
  const bytes = await files.read(blobPath(descriptor.digest), maxBytes);
  if (bytes === undefined) throw new TrustError("SIGNATURE_MISSING", `${descriptor.digest} is not in ${files.where}`);
  expectContent(bytes, descriptor, files.where);
  return bytes;
}

async function pushBlob(files: LayoutFiles, content: BlobContent): Promise<BlobPush> {
  const { write } = changesOf(files);
  if ((await files.size(blobPath(content.digest))) === content.size) return "present";
  await write(blobPath(content.digest), checkedContent(buffers(content.open()), content, "the source"));
  return "sent";
}

async function pushManifest(
  files: LayoutFiles,
  manifest: { readonly bytes: Uint8Array; readonly mediaType: string; readonly tag?: string | undefined },
): Promise<PushedManifest> {
  const { write, exclusively } = changesOf(files);
  const { bytes, mediaType, tag } = manifest;
  if (bytes.length > maxManifestBytes) throw tooLarge("the manifest", bytes.length, maxManifestBytes);
  const subject = parseManifest(bytes, mediaType).subject?.digest;
  const digest = digestOf(bytes);
  const descriptor: Descriptor =
    subject === undefined ? { mediaType, digest, size: bytes.length } : referrerDescriptor(bytes, mediaType, digest);
  await write(blobPath(digest), pieces(bytes));
  if (tag !== undefined || subject !== undefined)
    await exclusively(async () => {
      const index = await layoutIndex.readLayoutIndex(files);
      const entries =
        tag === undefined ? layoutIndex.withReferrer(index, descriptor) : layoutIndex.withTag(index, descriptor, tag);
      await write("index.json", pieces(layoutIndex.encodeLayoutIndex(index, entries)));
    });
  return subject === undefined ? { descriptor } : { descriptor, subject };
}

async function deleteManifest(files: LayoutFiles, reference: string): Promise<void> {
  const { write, remove, exclusively } = changesOf(files);
  await exclusively(async () => {
    const index = await layoutIndex.readLayoutIndex(files);
    const left = layoutIndex.without(index, reference);
    const isLoose = isDigest(reference) && (await files.size(blobPath(reference))) !== undefined;
    if (left.length === index.entries.length && !isLoose) throw notThere(files, reference);
    await write(
      "index.json",
      pieces(
        layoutIndex.encodeLayoutIndex(
          index,
          left.map(({ raw }) => raw),
        ),
      ),
    );
    if (isDigest(reference)) await remove(blobPath(reference));
  });
}

async function* listTags(files: LayoutFiles): AsyncIterable<string> {
  yield* layoutIndex.tagsOf(await layoutIndex.readLayoutIndex(files));
}

/** Digests are checked when they are parsed, so that this leads nowhere but into the layout. */
function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function changesOf(files: LayoutFiles): LayoutChanges {
  if (files.changes !== undefined) return files.changes;
  throw new TrustError("FILE_UNWRITABLE", `${files.where} can only be read`, {
    hint: "Unpack the archive and give the folder",
  });
}

async function* pieces(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

async function* buffers(source: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  for await (const piece of source) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}

function notThere(files: LayoutFiles, reference: string): TrustError {
  return new TrustError("IMAGE_NOT_FOUND", `${files.where} holds no manifest ${reference}`, { found: "nothing" });
}

function notALayout(where: string): TrustError {
  return new TrustError("FILE_NOT_FOUND", `${where} is not an OCI image layout: it has no ${markerFile} file`, {
    hint: "Give the folder that holds oci-layout, index.json and blobs",
  });
}
