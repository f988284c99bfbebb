import { type Digest, digestOf } from "../crypto/digest.ts";
import { isJsonObject, type JsonObject } from "../crypto/json.ts";
import { TrustError } from "../errors.ts";
import { type Descriptor, type FetchedManifest, mediaTypes, parseDescriptor } from "./manifest.ts";
import { canonicalText, parseRawObject } from "./raw-json.ts";
import type { RepositoryName } from "./reference.ts";
import { blobOf, type Registry } from "./registry.ts";
import {
  removeFromSharedManifest,
  type SharedContent,
  type SharedManifest,
  tagConflict,
  type UpdateSettings,
  updateSharedManifest,
} from "./shared-index.ts";

const dockerConfig = "application/vnd.docker.container.image.v1+json";
/** Signatures and attestations are small; read only to see whether they are there. */
const maxLayerBytes = 16 * 1024 * 1024;

/**
 * Adds a layer to the manifest under a `.sig` or `.att` tag, with every layer that other writers put there.
 * The layer's blob must have been pushed. Errors as of `updateSharedManifest`.
 */
export async function attachSignatureLayer(
  registry: Registry,
  name: RepositoryName,
  tag: string,
  layer: Descriptor,
  settings: UpdateSettings = {},
): Promise<void> {
  await updateSharedManifest(signatureManifest(registry, name, tag), [{ ...layer }], settings);
}

/**
 * Adds every layer of such a manifest from elsewhere, as it stands there. The layers' blobs must have been pushed.
 * Throws `REFERRERS_TAG_CONFLICT` where either is something else; errors as of `updateSharedManifest`.
 */
export async function mergeSignatureLayers(
  registry: Registry,
  name: RepositoryName,
  tag: string,
  other: FetchedManifest,
  settings: UpdateSettings = {},
): Promise<void> {
  const { entries } = readLayers(other, { name, tag });
  await updateSharedManifest(signatureManifest(registry, name, tag), entries, settings);
}

/** Takes layers out of that manifest, and leaves everything else in it. Errors as of `updateSharedManifest`. */
export async function detachSignatureLayers(
  registry: Registry,
  name: RepositoryName,
  tag: string,
  isRemoved: (layer: Descriptor) => boolean,
  settings: UpdateSettings = {},
): Promise<void> {
  const shared = signatureManifest(registry, name, tag);
  const { entries } = shared.read(await registry.fetchManifest(name, tag, { signal: settings.signal }));
  const removed = entries.filter((entry) => isRemoved(parseDescriptor(entry, "layer")));
  if (removed.length > 0) await removeFromSharedManifest(shared, new Set(removed.map(shared.keyOf)), settings);
}

function signatureManifest(registry: Registry, name: RepositoryName, tag: string): SharedManifest {
  const pushed = new Set<Digest>();
  return {
    registry,
    name,
    tag,
    // Two signers of one image sign the same bytes: the layers differ in their annotations only.
    keyOf: canonicalText,
    read: (found) => readLayers(found, { name, tag }),
    write: async (content) => {
      const { manifest, config } = encodeLayers(content);
      const digest = digestOf(config);
      if (!pushed.has(digest)) await registry.pushBlob(name, blobOf(config, digest));
      pushed.add(digest);
      return { bytes: Buffer.from(JSON.stringify(manifest)), mediaType: manifest.mediaType };
    },
    isGone: (entry) => isBlobGone(registry, name, entry),
  };
}

function readLayers(
  { bytes, descriptor }: FetchedManifest,
  about: { readonly name: RepositoryName; readonly tag: string },
): SharedContent {
  const expected = "an image manifest with a layer for each signature";
  const { mediaType } = descriptor;
  if (mediaType !== mediaTypes.imageManifest && mediaType !== mediaTypes.dockerManifest)
    throw tagConflict(about, expected, descriptor);
  const document = parseRawObject(bytes, `the manifest under ${about.tag}`);
  const { layers, manifests } = document;
  if (manifests !== undefined) throw tagConflict(about, expected, descriptor);
  if (!Array.isArray(layers) || !layers.every(isJsonObject))
    throw new TrustError("MANIFEST_INVALID", `the manifest under ${about.tag} has no list of layers`, {
      expected: "a list of descriptors",
      found: typeof layers,
    });
  // An image that somebody tagged so: layers of ours would make another image of it.
  if (layers.length > 0 && !layers.some(isSignatureLayer)) throw tagConflict(about, expected, descriptor);
  return { document: { mediaType, ...document }, entries: layers };
}

/** `.sig` and `.att` layers carry the signature annotation, the latter an empty one. */
function isSignatureLayer({ annotations }: JsonObject): boolean {
  return isJsonObject(annotations) && Object.hasOwn(annotations, "dev.cosignproject.cosign/signature");
}

/**
 * A manifest with these layers and the config that belongs to it: an image config whose `diff_ids` and `history` have
 * one entry a layer, because readers that append parse it. The same layers make the same config.
 */
function encodeLayers({ document, entries }: SharedContent) {
  const config = Buffer.from(
    JSON.stringify({
      architecture: "",
      config: {},
      history: entries.map(() => ({ created: "0001-01-01T00:00:00Z" })),
      os: "",
      rootfs: { type: "layers", diff_ids: entries.map((entry) => entry["digest"]) },
    }),
  );
  const isDocker = document["mediaType"] === mediaTypes.dockerManifest;
  const manifest = {
    ...document,
    schemaVersion: 2,
    mediaType: isDocker ? mediaTypes.dockerManifest : mediaTypes.imageManifest,
    config: {
      mediaType: isDocker ? dockerConfig : mediaTypes.imageConfig,
      size: config.length,
      digest: digestOf(config),
    },
    layers: entries,
  };
  return { manifest, config };
}

async function isBlobGone(registry: Registry, name: RepositoryName, entry: JsonObject): Promise<boolean> {
  try {
    await registry.fetchBlob(name, parseDescriptor(entry, "layer"), maxLayerBytes);
    return false;
  } catch (error) {
    return error instanceof TrustError && error.code === "SIGNATURE_MISSING";
  }
}
