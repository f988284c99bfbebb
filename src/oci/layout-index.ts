import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import type { LayoutFiles } from "./layout-files.ts";
import { type Descriptor, isIndexMediaType, maxManifestBytes, mediaTypes, parseDescriptor } from "./manifest.ts";
import {
  formatReference,
  formatRepository,
  type ImageReference,
  isTag,
  parseReference,
  type RepositoryName,
  referrersTag,
} from "./reference.ts";

/** One line of a layout's index.json: as it stands, and as a descriptor. */
export interface LayoutEntry {
  readonly raw: JsonObject;
  readonly descriptor: Descriptor;
}

/** A layout's index.json. `document` keeps what is not understood. */
export interface LayoutIndex {
  readonly document: JsonObject;
  readonly entries: readonly LayoutEntry[];
}

const refName = "org.opencontainers.image.ref.name";
const containerdName = "io.containerd.image.name";
/** What `cosign save` calls the entries of a layout, which has no tags. */
const cosignKind = "kind";
const cosignKinds = {
  images: ["dev.cosignproject.cosign/image", "dev.cosignproject.cosign/imageIndex"],
  ".sig": "dev.cosignproject.cosign/sigs",
  ".att": "dev.cosignproject.cosign/atts",
} as const;
const signatureKinds = new Set<string | undefined>([cosignKinds[".sig"], cosignKinds[".att"]]);
/** Tags of what belongs to an image: signatures, attestations, SBOMs, lists of referrers. */
const evidenceTag = /^sha(?:256|512)-[0-9a-f]{64}/;

/** Reads index.json; a layout without one is empty. Throws `MANIFEST_INVALID`, `CONTENT_TOO_LARGE`. */
export async function readLayoutIndex(files: LayoutFiles): Promise<LayoutIndex> {
  const bytes = await files.read("index.json", maxManifestBytes);
  if (bytes === undefined) return { document: emptyIndex, entries: [] };
  const document = parseObject(bytes, `${files.where}/index.json`);
  const list = document["manifests"] ?? [];
  if (!Array.isArray(list)) throw invalid(`${files.where}/index.json has no list of manifests`);
  const entries = list.map((raw, i) => {
    if (!isJsonObject(raw)) throw invalid(`${files.where}/index.json: manifests[${i}] is not an object`);
    return { raw, descriptor: parseDescriptor(raw, `${files.where}/index.json: manifests[${i}]`) };
  });
  return { document, entries };
}

const emptyIndex: JsonObject = { schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests: [] };

/** Parses a JSON object; `what` names it in the error. Throws `MANIFEST_INVALID`. */
export function parseObject(bytes: Buffer, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new TrustError("MANIFEST_INVALID", `${what} is not JSON`, { expected: "a JSON object", cause });
  }
  if (isJsonObject(value)) return value;
  throw invalid(`${what} is not a JSON object`);
}

/** The bytes of index.json with these entries instead of its own; everything else stays. */
export function encodeLayoutIndex(index: LayoutIndex, manifests: readonly JsonObject[]): Buffer {
  return Buffer.from(`${JSON.stringify({ ...index.document, manifests }, undefined, 2)}\n`);
}

/**
 * The entry of a tag: by its whole name, by the tag alone, by what `cosign save` calls signatures, or the only image of
 * a layout that names nothing. Throws `MANIFEST_INVALID` where the tag could be two images.
 */
export function entryOfTag(
  index: LayoutIndex,
  ref: Omit<ImageReference, "tag" | "digest">,
  tag: string,
): Descriptor | undefined {
  const whole = `${formatRepository(ref)}:${tag}`;
  const named = (name: string) => index.entries.filter(({ descriptor }) => namesOf(descriptor).includes(name));
  for (const found of [named(whole), named(tag)]) if (found.length > 0) return onlyOne(found, tag);
  return cosignEntry(index, tag) ?? onlyImage(index, tag);
}

function namesOf(descriptor: Descriptor): readonly (string | undefined)[] {
  return [descriptor.annotations?.[refName], descriptor.annotations?.[containerdName]];
}

function onlyOne(found: readonly LayoutEntry[], tag: string): Descriptor | undefined {
  const first = found[0]?.descriptor;
  if (found.every(({ descriptor }) => descriptor.digest === first?.digest)) return first;
  throw invalid(`the tag ${tag} stands for ${found.length} images in this layout`);
}

function cosignEntry(index: LayoutIndex, tag: string): Descriptor | undefined {
  const suffix = tag.slice(-4);
  if (suffix !== ".sig" && suffix !== ".att") return undefined;
  // Such an entry does not say whose signatures it holds: the layout must be about one image.
  const images = index.entries.filter(({ descriptor }) => isCosignImage(descriptor));
  const image = images.length === 1 ? images[0]?.descriptor : undefined;
  if (image === undefined || `${referrersTag(image.digest)}${suffix}` !== tag) return undefined;
  const kind = cosignKinds[suffix];
  const nameless = index.entries.filter(
    ({ descriptor }) => kindOf(descriptor) === kind && descriptor.annotations?.[refName] === undefined,
  );
  return onlyOne(nameless, tag);
}

function onlyImage(index: LayoutIndex, tag: string): Descriptor | undefined {
  if (/^sha(?:256|512)-/.test(tag)) return undefined;
  const images = imagesOf(index);
  const only = images.length === 1 ? images[0] : undefined;
  return only === undefined || hasName(only) ? undefined : only;
}

/** The images of a layout: no signatures, no referrers. */
export function imagesOf(index: LayoutIndex): readonly Descriptor[] {
  const descriptors = index.entries.map(({ descriptor }) => descriptor);
  return descriptors.filter((descriptor) => {
    const isSignatures =
      signatureKinds.has(kindOf(descriptor)) || evidenceTag.test(descriptor.annotations?.[refName] ?? "");
    return descriptor.artifactType === undefined && !isSignatures;
  });
}

function kindOf(descriptor: Descriptor): string | undefined {
  return descriptor.annotations?.[cosignKind];
}

function isCosignImage(descriptor: Descriptor): boolean {
  return cosignKinds.images.some((kind) => kind === kindOf(descriptor));
}

/** Stands for the registry of an image that has no name: `.invalid` is nobody's (RFC 2606). */
export const unnamed: RepositoryName = { registry: "layout.invalid", repository: "unnamed" };

/** The whole name that was recorded with an image, if one was; a layout may claim any. */
export function recordedName(descriptor: Descriptor): ImageReference | undefined {
  // Alone, a tag would read as a repository of Docker Hub.
  const whole = namesOf(descriptor).find(
    (name) => name !== undefined && /^[^/]*[.:[\]][^/]*\/|^localhost\//.test(name),
  );
  if (whole === undefined) return undefined;
  try {
    return parseReference(whole);
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}

/** The tag of an image, if it has one. */
export function recordedTag(descriptor: Descriptor): string | undefined {
  const name = descriptor.annotations?.[refName];
  return name !== undefined && isTag(name) ? name : recordedName(descriptor)?.tag;
}

/**
 * The entries after a manifest got a name: what had that name loses it, and stays while it has another. An image's whole
 * name is kept beside its tag; of two images with one tag the later is called by its whole name. Readers of `cosign
 * save` are told the kind.
 */
export function withName(index: LayoutIndex, descriptor: Descriptor, ref: ImageReference): readonly JsonObject[] {
  const { tag } = ref;
  const isImage = ref.registry !== unnamed.registry && (tag === undefined || !evidenceTag.test(tag));
  const whole = isImage ? formatReference(ref) : undefined;
  const others = index.entries.filter((entry) => !isNamed(entry.descriptor, tag, whole));
  const isTaken = tag !== undefined && others.some((entry) => entry.descriptor.annotations?.[refName] === tag);
  const refNameOf = isTaken && whole !== undefined ? whole : tag;
  const kind = kindOfNew(descriptor, tag ?? "");
  const annotations = {
    ...descriptor.annotations,
    ...(refNameOf === undefined ? {} : { [refName]: refNameOf }),
    ...(whole === undefined ? {} : { [containerdName]: whole }),
    ...(kind === undefined ? {} : { [cosignKind]: kind }),
  };
  const kept = others.filter((entry) => entry.descriptor.digest !== descriptor.digest || hasName(entry.descriptor));
  return [...kept.map(({ raw }) => raw), { ...descriptor, annotations }];
}

function isNamed(descriptor: Descriptor, tag: string | undefined, whole: string | undefined): boolean {
  const [ref, containerd] = namesOf(descriptor);
  if (whole !== undefined && (ref === whole || containerd === whole)) return true;
  return tag !== undefined && ref === tag && (whole === undefined || containerd === undefined);
}

/** Whether an entry says what its image is called. */
export function hasName(descriptor: Descriptor): boolean {
  return namesOf(descriptor).some((name) => name !== undefined);
}

function kindOfNew({ mediaType, artifactType }: Descriptor, tag: string): string | undefined {
  if (tag.endsWith(".sig") && evidenceTag.test(tag)) return cosignKinds[".sig"];
  if (tag.endsWith(".att") && evidenceTag.test(tag)) return cosignKinds[".att"];
  if (artifactType !== undefined || evidenceTag.test(tag)) return undefined;
  return cosignKinds.images[isIndexMediaType(mediaType) ? 1 : 0];
}

/** The entries after a nameless manifest came: a referrer is found by its entry, anything else needs none. */
export function withReferrer(index: LayoutIndex, descriptor: Descriptor): readonly JsonObject[] {
  const raws = index.entries.map(({ raw }) => raw);
  const known = index.entries.some((entry) => entry.descriptor.digest === descriptor.digest);
  return known ? raws : [...raws, { ...descriptor }];
}

/** The tags of the layout, each once. */
export function tagsOf(index: LayoutIndex): readonly string[] {
  const names = index.entries.map(({ descriptor }) => descriptor.annotations?.[refName]);
  return [...new Set(names.filter((name): name is string => name !== undefined && isTag(name)))].sort();
}

/** The entries without a tag or digest. */
export function without(index: LayoutIndex, reference: string): readonly LayoutEntry[] {
  return index.entries.filter(
    ({ descriptor }) => descriptor.digest !== reference && descriptor.annotations?.[refName] !== reference,
  );
}

function invalid(message: string): TrustError {
  return new TrustError("MANIFEST_INVALID", message, { expected: "the index of an OCI image layout" });
}
