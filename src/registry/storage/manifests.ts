import { join } from "node:path";
import { LRUCache } from "lru-cache";
import { type Digest, isDigest, matchesDigest } from "../../crypto/digest.ts";
import { mapLimit } from "../../oci/parallel.ts";
import { manifestUnknown, RegistryError } from "../errors.ts";
import { namesIn, readIfThere, removeEmptyFolder, removeFile, touch, writeDurably, writeMarker } from "./files.ts";
import { type Layout, tagOfFile } from "./layout.ts";
import type { Guard, Turns } from "./locks.ts";
import { formatRecord, readRecord, type StoredManifest } from "./records.ts";
import type { RepositoryIndex } from "./repositories.ts";

/** Throws unless the change may be made to a tag or manifest that has this digest now, or is not there. */
export type Condition = (current: Digest | undefined) => void;

interface ManifestPush extends StoredManifest {
  readonly bytes: Uint8Array;
  /** Tags to move to it. */
  readonly tags: readonly string[];
  /** Tested on each tag, or on the manifest where there are no tags, with nothing in between. */
  readonly condition: Condition;
}

/** Manifests by digest and tag. Changes to one repository are made one after the other. */
export interface ManifestStore {
  /** By digest or tag; nothing where the repository does not have it. */
  find(repository: string, reference: string): Promise<StoredManifest | undefined>;
  /** The bytes as they were pushed, checked against the digest when they are read from disk. */
  read(manifest: StoredManifest): Promise<Buffer>;
  /** Stores a manifest whose digest and references were checked. Manifest and tags are there when this returns. */
  put(repository: string, push: ManifestPush): Promise<void>;
  /** Removes a manifest and the tags on it; false where it was not there. Its content is left to the collector. */
  remove(repository: string, digest: Digest, condition: Condition): Promise<boolean>;
  removeTag(repository: string, tag: string, condition: Condition): Promise<boolean>;
  /** The names of all tags, in no particular order. */
  tags(repository: string): Promise<string[]>;
  /** Keeps a manifest from the collector for its grace time; false where the repository does not have it. */
  keep(repository: string, digest: Digest): Promise<boolean>;
}

const cacheBytes = 32 * 1024 * 1024;

export function openManifests(
  layout: Layout,
  repositories: RepositoryIndex,
  turns: Turns,
  guard: Guard,
): ManifestStore {
  const cache = new LRUCache<Digest, Buffer>({ maxSize: cacheBytes, sizeCalculation: (bytes) => bytes.length + 200 });

  const find = (repository: string, reference: string) =>
    readRecord(isDigest(reference) ? layout.manifest(repository, reference) : layout.tag(repository, reference));

  async function read({ digest }: StoredManifest): Promise<Buffer> {
    const cached = cache.get(digest);
    if (cached !== undefined) return cached;
    const bytes = await readIfThere(layout.blob(digest));
    if (bytes === undefined) throw manifestUnknown(digest);
    if (!matchesDigest(bytes, digest))
      throw new RegistryError(500, "UNKNOWN", "the stored manifest is damaged; push it again", { detail: { digest } });
    cache.set(digest, bytes);
    return bytes;
  }

  async function putContent({ digest, bytes }: ManifestPush): Promise<void> {
    const path = layout.blob(digest);
    const stored = await readIfThere(path);
    if (stored?.equals(bytes) && (await touch(path))) return;
    await writeDurably(path, bytes, layout.temporary);
  }

  async function putRecord(path: string, manifest: StoredManifest): Promise<void> {
    const record = formatRecord(manifest);
    const stored = await readIfThere(path);
    if (stored?.toString() === record && (await touch(path))) return;
    await writeDurably(path, record, layout.temporary);
  }

  async function putNames(repository: string, push: ManifestPush): Promise<void> {
    const { digest, subject, tags, condition } = push;
    for (const reference of tags.length === 0 ? [digest] : tags) condition((await find(repository, reference))?.digest);
    // The record decides what is visible: the listing of referrers leaves out markers without one.
    if (subject !== undefined) await writeMarker(layout.referrer(repository, subject, digest));
    await putRecord(layout.manifest(repository, digest), push);
    for (const tag of tags) await putRecord(layout.tag(repository, tag), push);
    await repositories.changed(repository);
  }

  async function tagNames(repository: string): Promise<string[]> {
    return (await namesIn(layout.tags(repository))).map(tagOfFile).filter((tag) => tag !== undefined);
  }

  async function tagsOn(repository: string, digest: Digest): Promise<string[]> {
    const digests = await mapLimit(await tagNames(repository), 16, async (tag) => ({
      tag,
      digest: (await find(repository, tag))?.digest,
    }));
    return digests.filter((found) => found.digest === digest).map(({ tag }) => tag);
  }

  return {
    find,
    read,
    tags: tagNames,
    keep: async (repository, digest) =>
      (await touch(layout.manifest(repository, digest))) && (await touch(layout.blob(digest))),
    put: (repository, push) =>
      guard.during(async () => {
        await putContent(push);
        await turns(repository, () => putNames(repository, push));
      }),
    remove: (repository, digest, condition) =>
      turns(repository, async () => {
        const path = layout.manifest(repository, digest);
        const record = await readRecord(path);
        condition(record?.digest);
        for (const tag of await tagsOn(repository, digest)) await removeFile(layout.tag(repository, tag));
        const removed = await removeFile(path);
        if (record?.subject !== undefined) await removeFile(layout.referrer(repository, record.subject, digest));
        await removeEmptyFolders(layout.manifests(repository));
        await repositories.changed(repository);
        return removed;
      }),
    removeTag: (repository, tag, condition) =>
      turns(repository, async () => {
        condition((await find(repository, tag))?.digest);
        return removeFile(layout.tag(repository, tag));
      }),
  };
}

async function removeEmptyFolders(manifests: string): Promise<void> {
  for (const algorithm of await namesIn(manifests)) await removeEmptyFolder(join(manifests, algorithm));
  await removeEmptyFolder(manifests);
}
