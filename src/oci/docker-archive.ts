import { posix } from "node:path";
import { createDigester, type Digest, digestOf, isDigest } from "../crypto/digest.ts";
import { isJsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { LayoutFiles } from "./layout-files.ts";
import { encodeLayoutIndex, type LayoutIndex, parseObject, withName } from "./layout-index.ts";
import type { TarFiles } from "./layout-tar.ts";
import { type Descriptor, maxManifestBytes, mediaTypes, parseDescriptor } from "./manifest.ts";
import { type ImageReference, parseReference } from "./reference.ts";

const maxImages = 1_000;
const maxLinks = 8;
const layerTypes = {
  tar: "application/vnd.oci.image.layer.v1.tar",
  gzip: mediaTypes.imageLayerGzip,
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
} as const;

/** One image of an archive that `docker save` wrote (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format"). */
interface SavedImage {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

/** Content by its path in the layout: bytes made here, or the path of a file in the archive. */
type Content = Map<string, Buffer | string>;

/**
 * An archive of `docker save` as the files of a layout; nothing where it is no such archive. Each image becomes an OCI
 * image of the very config and layers that are in the archive, the same each time. A layer that is not compressed must
 * be what the config says. Throws `MANIFEST_INVALID`, `FILE_UNREADABLE`, `CONTENT_TOO_LARGE`.
 */
export async function dockerArchive(tar: TarFiles): Promise<LayoutFiles | undefined> {
  const list = await tar.read("manifest.json", maxManifestBytes);
  if (list === undefined) return undefined;
  const content: Content = new Map();
  let index: LayoutIndex = { document: { schemaVersion: 2, mediaType: mediaTypes.imageIndex }, entries: [] };
  for (const image of savedImages(tar, list)) {
    const descriptor = await convert(tar, image, content);
    const names = image.names.map(nameOf).filter((name) => name !== undefined);
    for (const name of names) index = entriesOf(index, withName(index, descriptor, name));
    if (names.length === 0) index = entriesOf(index, [...index.entries.map(({ raw }) => raw), { ...descriptor }]);
  }
  const raws = index.entries.map(({ raw }) => raw);
  content.set("index.json", encodeLayoutIndex(index, raws));
  return filesOf(tar, content);
}

function entriesOf(index: LayoutIndex, raws: ReturnType<typeof withName>): LayoutIndex {
  return { ...index, entries: raws.map((raw) => ({ raw, descriptor: parseDescriptor(raw, "entry") })) };
}

function savedImages(tar: TarFiles, bytes: Buffer): readonly SavedImage[] {
  const where = `${tar.where}: manifest.json`;
  let list: unknown;
  try {
    list = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new TrustError("MANIFEST_INVALID", `${where} is not JSON`, { expected: "a list of images", cause });
  }
  if (!Array.isArray(list) || list.length > maxImages)
    throw invalid(`${where} is not a list of images`, `at most ${maxImages} images`, typeof list);
  return list.map((item: unknown) => {
    const { Config: config, RepoTags: names, Layers: layers } = isJsonObject(item) ? item : {};
    if (typeof config !== "string" || !isTexts(layers))
      throw invalid(`${where} has an image that is none`, "Config and Layers", typeof item);
    return { config, names: isTexts(names) ? names : [], layers };
  });
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function nameOf(text: string): ImageReference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}

async function convert(tar: TarFiles, image: SavedImage, content: Content): Promise<Descriptor> {
  const config = await readConfig(tar, image);
  const put = (bytes: Buffer, mediaType: string): Descriptor => {
    const digest = digestOf(bytes);
    content.set(blobPath(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const layers: Descriptor[] = [];
  for (const [i, name] of image.layers.entries()) {
    const path = follow(tar, name);
    const layer = await describeLayer(tar, path, config.diffIds[i]);
    content.set(blobPath(layer.digest), path);
    layers.push(layer);
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    config: put(config.bytes, mediaTypes.imageConfig),
    layers,
  };
  return put(Buffer.from(JSON.stringify(manifest)), mediaTypes.imageManifest);
}

async function readConfig(tar: TarFiles, { config, layers }: SavedImage) {
  const bytes = await tar.read(follow(tar, config), maxManifestBytes);
  if (bytes === undefined) throw invalid(`${tar.where} lacks the config of an image`, config, "nothing");
  const { rootfs } = parseObject(bytes, `${tar.where}: ${config}`);
  const diffIds = isJsonObject(rootfs) ? rootfs["diff_ids"] : undefined;
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest) || diffIds.length !== layers.length)
    throw invalid(`${tar.where}: ${config} is not about these layers`, `${layers.length} diff_ids`, "others");
  return { bytes, diffIds: diffIds as readonly Digest[] };
}

/** The file that a path leads to inside the archive: of equal layers Docker keeps one and links to it. */
function follow(tar: TarFiles, path: string): string {
  let at = posix.normalize(path);
  for (let count = 0; count < maxLinks; count++) {
    const target = tar.links.get(at);
    if (target === undefined) return at;
    at = target.startsWith("/") ? posix.normalize(target.slice(1)) : posix.join(posix.dirname(at), target);
  }
  throw invalid(`${tar.where}: ${path} is a link that leads nowhere`, "a file", "links");
}

async function describeLayer(tar: TarFiles, path: string, diffId: Digest | undefined): Promise<Descriptor> {
  const size = await tar.size(path);
  if (size === undefined || diffId === undefined)
    throw invalid(`${tar.where} lacks a layer of an image`, path.slice(0, 200), "nothing");
  const compression = await compressionOf(tar, path);
  // The stream of it is checked against this wherever it goes.
  if (compression === "tar") return { mediaType: layerTypes.tar, digest: diffId, size };
  const digester = createDigester();
  for await (const piece of tar.stream(path)) digester.update(piece);
  return { mediaType: layerTypes[compression], digest: digester.digest(), size };
}

async function compressionOf(tar: TarFiles, path: string): Promise<keyof typeof layerTypes> {
  for await (const piece of tar.stream(path)) {
    if (piece.length >= 2 && piece.readUInt16BE(0) === 0x1f8b) return "gzip";
    return piece.length >= 4 && piece.readUInt32LE(0) === 0xfd2fb528 ? "zstd" : "tar";
  }
  return "tar";
}

function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function filesOf(tar: TarFiles, content: Content): LayoutFiles {
  const missing = (path: string) => new TrustError("SIGNATURE_MISSING", `${path} is not in ${tar.where}`);
  return {
    where: tar.where,
    async read(path, maxBytes) {
      const found = content.get(path);
      return typeof found === "string" ? tar.read(found, maxBytes) : found;
    },
    async size(path) {
      const found = content.get(path);
      return typeof found === "string" ? tar.size(found) : found?.length;
    },
    async *stream(path) {
      const found = content.get(path);
      if (found === undefined) throw missing(path);
      if (typeof found === "string") yield* tar.stream(found);
      else yield found;
    },
    // Nothing in such an archive refers to anything.
    list: () => Promise.resolve([]),
  };
}

function invalid(message: string, expected: string, found: string): TrustError {
  return new TrustError("MANIFEST_INVALID", message, { expected, found });
}
