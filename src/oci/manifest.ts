import { describeJson } from "../crypto/describe-json.ts";
import { type Digest, digestOf, isDigest } from "../crypto/digest.ts";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";

/** The media types that manifests have (image-spec v1.1, media-types.md; Docker image manifest v2 schema 2). */
export const mediaTypes = {
  imageManifest: "application/vnd.oci.image.manifest.v1+json",
  imageIndex: "application/vnd.oci.image.index.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  imageConfig: "application/vnd.oci.image.config.v1+json",
  imageLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  empty: "application/vnd.oci.empty.v1+json",
} as const;

export const manifestMediaTypes: readonly string[] = [
  mediaTypes.imageIndex,
  mediaTypes.imageManifest,
  mediaTypes.dockerList,
  mediaTypes.dockerManifest,
];

/** Registries refuse larger manifests (distribution-spec v1.1, "Pushing Manifests"). */
export const maxManifestBytes = 4 * 1024 * 1024;

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** A pointer to content (image-spec v1.1, descriptor.md). `size` in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

/** An image manifest (image-spec v1.1, manifest.md), as far as it is read here. */
export interface ImageManifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
}

/** An image index (image-spec v1.1, image-index.md), as far as it is read here. */
export interface ImageIndex {
  readonly kind: "index";
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A manifest's bytes with the descriptor that they were checked against. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** The two bytes `{}`, used where a config or layer is required but says nothing (image-spec v1.1, manifest.md). */
export const emptyJson = Buffer.from("{}");
export const emptyDescriptor: Descriptor = { mediaType: mediaTypes.empty, digest: digestOf(emptyJson), size: 2 };

/**
 * Parses a manifest or index. `mediaType` is what the registry or descriptor said; the document's own `mediaType`, where
 * present, must agree (so that one digest has one meaning). Throws `MANIFEST_INVALID`.
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): ImageManifest | ImageIndex {
  const document = parseDocument(bytes);
  const own = document["mediaType"];
  if (own !== undefined && own !== mediaType)
    throw invalid("two media types for one manifest", mediaType, describeJson(own).slice(0, 200));
  if (isIndexMediaType(mediaType)) return parseIndex(document, mediaType);
  if (mediaType === mediaTypes.imageManifest || mediaType === mediaTypes.dockerManifest)
    return parseImage(document, mediaType);
  throw invalid("not a media type of a manifest", manifestMediaTypes.join(", "), mediaType.slice(0, 200));
}

export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === mediaTypes.imageIndex || mediaType === mediaTypes.dockerList;
}

function parseDocument(bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TrustError("MANIFEST_INVALID", "the manifest is not JSON", {
      expected: "a JSON object",
      found: `${bytes.length} bytes`,
      cause,
    });
  }
  if (!isJsonObject(value)) throw invalid("the manifest is not an object", "a JSON object", typeof value);
  if (value["schemaVersion"] !== 2)
    throw invalid("unsupported schemaVersion", "2", describeJson(value["schemaVersion"]).slice(0, 20));
  return value;
}

function parseImage(document: JsonObject, mediaType: string): ImageManifest {
  // A document with both lists can be read as two things (image-spec security note on ambiguous documents).
  if (document["manifests"] !== undefined)
    throw invalid("a manifest that also lists manifests", "layers only", "manifests and layers");
  return {
    kind: "manifest",
    mediaType,
    ...common(document),
    config: parseDescriptor(document["config"], "config"),
    layers: parseList(document["layers"], "layers"),
  };
}

function parseIndex(document: JsonObject, mediaType: string): ImageIndex {
  if (document["layers"] !== undefined || document["config"] !== undefined)
    throw invalid("an index that also has layers", "manifests only", "manifests and layers");
  return {
    kind: "index",
    mediaType,
    ...common(document),
    manifests: parseList(document["manifests"] ?? [], "manifests"),
  };
}

function common(document: JsonObject) {
  const artifactType = document["artifactType"];
  const subject = document["subject"];
  return {
    ...(typeof artifactType === "string" && artifactType !== "" ? { artifactType } : {}),
    ...(subject === undefined || subject === null ? {} : { subject: parseDescriptor(subject, "subject") }),
    annotations: parseAnnotations(document["annotations"]),
  };
}

function parseList(value: unknown, where: string): readonly Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`${where} is not a list`, "a list of descriptors", typeof value);
  return value.map((item, i) => parseDescriptor(item, `${where}[${i}]`));
}

/** Parses one descriptor; `where` names it in the error. Throws `MANIFEST_INVALID`. */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  if (!isJsonObject(value)) throw invalid(`${where} is not a descriptor`, "an object", typeof value);
  const { mediaType, digest, size, artifactType, platform } = value;
  if (typeof mediaType !== "string") throw invalid(`${where} has no mediaType`, "a string", typeof mediaType);
  if (!isDigest(digest))
    throw invalid(`${where} has no valid digest`, "a sha256 or sha512 digest", describeJson(digest).slice(0, 150));
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`${where} has no valid size`, "bytes, a whole number", describeJson(size).slice(0, 50));
  return {
    mediaType,
    digest,
    size,
    ...(typeof artifactType === "string" && artifactType !== "" ? { artifactType } : {}),
    ...(value["annotations"] === undefined ? {} : { annotations: parseAnnotations(value["annotations"]) }),
    ...(isJsonObject(platform) ? { platform: parsePlatform(platform) } : {}),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function parsePlatform(value: JsonObject): Platform {
  const variant = value["variant"];
  return {
    os: textOf(value["os"]),
    architecture: textOf(value["architecture"]),
    ...(typeof variant === "string" && variant !== "" ? { variant } : {}),
  };
}

/** Only string values count; the rest is not what the specification allows and is left out. */
function parseAnnotations(value: unknown): Readonly<Record<string, string>> {
  if (!isJsonObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function invalid(message: string, expected: string, found: string): TrustError {
  return new TrustError("MANIFEST_INVALID", message, { expected, found });
}
