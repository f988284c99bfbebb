import { type Digest, digestOf, isDigest } from "../crypto/digest.ts";
import type { JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { checkedContent, expectContent, expectDigest, tooLarge } from "./content.ts";
import type { LayoutChanges, LayoutFiles } from "./layout-files.ts";
import * as layoutIndex from "./layout-index.ts";
import { createReferrerFinder, type ReferrerFinder } from "./layout-referrers.ts";
import { type Descriptor, maxManifestBytes, parseManifest } from "./manifest.ts";
import { manifestMediaType } from "./media-type.ts";
import type { ImageReference, RepositoryName } from "./reference.ts";
import { referrerDescriptor } from "./referrer-descriptor.ts";
import type { BlobContent, BlobPush, PushedManifest, Registry, RequestOptions, TaggedManifest } from "./registry.ts";

/**
 * An OCI image layout (image-spec v1.1, image-layout.md) behind the interface of a registry. Registry and repository
 * of a name matter only where an entry has a whole name; a layout lists no repositories.
 */
export interface Layout extends Registry {
  /** The images of the layout with their annotations: no signatures, no referrers. */
  images(): Promise<readonly Descriptor[]>;
  /** Lists an image whose manifest was pushed under this name; one without a tag is found by its digest. */
  list(descriptor: Descriptor, ref: ImageReference): Promise<void>;
  close(): Promise<void>;
}

/** The registry over the files of a layout, wherever they lie. */
export function layoutOver(files: LayoutFiles, close: () => Promise<void>): Layout {
  const referrers = createReferrerFinder(files);
  return {
    resolve: async (ref, options) => {
      const { descriptor } = await fetchManifest(files, ref, ref.digest ?? ref.tag ?? "latest", options);
      return descriptor;
    },
    fetchManifest: (name, reference, options) => fetchManifest(files, name, reference, options),
    fetchBlob: (_name, descriptor, maxBytes) => fetchBlob(files, descriptor, maxBytes),
    streamBlob: (_name, descriptor) =>
      checkedContent(files.stream(blobPath(descriptor.digest)), descriptor, files.where),
    listReferrers: (_name, subject) => referrers.find(subject),
    pushBlob: (_name, content) => pushBlob(files, content),
    pushManifest: (name, manifest) => pushManifest(files, referrers, name, manifest),
    async deleteManifest(_name, reference) {
      referrers.forget();
      await deleteManifest(files, reference);
    },
    listTags: () => listTags(files),
    async *listRepositories() {},
    images: async () => imagesIn(files, layoutIndex.imagesOf(await layoutIndex.readLayoutIndex(files))),
    list: (descriptor, ref) =>
      changesOf(files).exclusively(async () => {
        const index = await layoutIndex.readLayoutIndex(files);
        await writeIndex(files, index, layoutIndex.withName(index, descriptor, ref));
      }),
    close,
  };
}

/** Without the nameless ones that refer to another image: an index that does so has nothing in its entry that tells. */
async function imagesIn(files: LayoutFiles, entries: readonly Descriptor[]): Promise<readonly Descriptor[]> {
  const images: Descriptor[] = [];
  for (const entry of entries) if (layoutIndex.hasName(entry) || !(await refersTo(files, entry))) images.push(entry);
  return images;
}

async function refersTo(files: LayoutFiles, { digest, mediaType }: Descriptor): Promise<boolean> {
  const bytes = await files.read(blobPath(digest), maxManifestBytes);
  return bytes !== undefined && subjectIn(bytes, mediaType) !== undefined;
}

/** What cannot be read is told by whoever uses it. */
function subjectIn(bytes: Buffer, mediaType: string): Descriptor | undefined {
  try {
    return parseManifest(bytes, mediaType).subject;
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
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
  descriptor: Pick<Descriptor, "digest"> & Partial<Pick<Descriptor, "size">>,
  maxBytes: number,
): Promise<Buffer> {
  const { digest, size } = descriptor;
  if (size !== undefined && size > maxBytes) throw tooLarge(digest, size, maxBytes);
  const bytes = await files.read(blobPath(descriptor.digest), maxBytes);
  if (bytes === undefined) throw new TrustError("SIGNATURE_MISSING", `${descriptor.digest} is not in ${files.where}`);
  expectContent(bytes, { digest, size: size ?? bytes.length }, files.where);
  return bytes;
}

async function pushBlob(files: LayoutFiles, content: BlobContent): Promise<BlobPush> {
  const { write } = changesOf(files);
  const path = blobPath(content.digest);
  if ((await files.size(path)) === content.size) return "present";
  const pieces = content.isChecked === true ? content.open() : checkedContent(content.open(), content, "the source");
  await write(path, pieces, content.size);
  return "sent";
}

async function pushManifest(
  files: LayoutFiles,
  referrers: ReferrerFinder,
  name: RepositoryName,
  manifest: { readonly bytes: Uint8Array; readonly mediaType: string; readonly tag?: string | undefined },
): Promise<PushedManifest> {
  const { write, exclusively } = changesOf(files);
  const { bytes, mediaType, tag } = manifest;
  if (bytes.length > maxManifestBytes) throw tooLarge("the manifest", bytes.length, maxManifestBytes);
  const subject = parseManifest(bytes, mediaType).subject?.digest;
  const digest = digestOf(bytes);
  const descriptor: Descriptor =
    subject === undefined ? { mediaType, digest, size: bytes.length } : referrerDescriptor(bytes, mediaType, digest);
  await write(blobPath(digest), pieces(bytes), bytes.length);
  if (subject !== undefined) referrers.forget();
  if (tag !== undefined || subject !== undefined)
    await exclusively(async () => {
      const index = await layoutIndex.readLayoutIndex(files);
      const entries =
        tag === undefined
          ? layoutIndex.withReferrer(index, descriptor)
          : layoutIndex.withName(index, descriptor, { registry: name.registry, repository: name.repository, tag });
      await writeIndex(files, index, entries);
    });
  return subject === undefined ? { descriptor } : { descriptor, subject };
}

async function deleteManifest(files: LayoutFiles, reference: string): Promise<void> {
  const { remove, exclusively } = changesOf(files);
  await exclusively(async () => {
    const index = await layoutIndex.readLayoutIndex(files);
    const left = layoutIndex.without(index, reference);
    const isLoose = isDigest(reference) && (await files.size(blobPath(reference))) !== undefined;
    if (left.length === index.entries.length && !isLoose) throw notThere(files, reference);
    await writeIndex(
      files,
      index,
      left.map(({ raw }) => raw),
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

/** Writes index.json with these entries instead of its own. */
export async function writeIndex(
  files: LayoutFiles,
  index: layoutIndex.LayoutIndex,
  entries: readonly JsonObject[],
): Promise<void> {
  const bytes = layoutIndex.encodeLayoutIndex(index, entries);
  await changesOf(files).write("index.json", pieces(bytes), bytes.length);
}

/** What can change the layout. Throws `FILE_UNWRITABLE` where nothing can. */
export function changesOf(files: LayoutFiles): LayoutChanges {
  if (files.changes !== undefined) return files.changes;
  throw new TrustError("FILE_UNWRITABLE", `${files.where} can only be read`, {
    hint: "Unpack the archive and give the folder",
  });
}

/** Bytes as content. */
export async function* pieces(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

function notThere(files: LayoutFiles, reference: string): TrustError {
  return new TrustError("IMAGE_NOT_FOUND", `${files.where} holds no manifest ${reference}`, { found: "nothing" });
}
