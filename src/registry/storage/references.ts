import type { Digest } from "../../crypto/digest.ts";
import {
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  isIndexMediaType,
  parseManifest,
} from "../../oci/manifest.ts";
import { mapLimit } from "../../oci/parallel.ts";
import { RegistryError } from "../errors.ts";
import type { BlobStore } from "./blobs.ts";
import type { ManifestStore } from "./manifests.ts";

/** Layers that stay where their `urls` point (image-spec v1.1, layer.md "Non-Distributable Layers"). */
const foreignLayer = /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.)/;
const maxDepth = 8;
const atOnce = 16;

type Stores = { readonly blobs: BlobStore; readonly manifests: ManifestStore };

/**
 * Checks that a repository has everything a manifest refers to (its subject may come later), and keeps all of it from
 * the collector. To be called under the guard, together with storing the manifest. Throws `MANIFEST_BLOB_UNKNOWN`.
 */
export async function keepReferences(
  stores: Stores,
  repository: string,
  manifest: ImageManifest | ImageIndex,
): Promise<void> {
  await keepAll(stores, repository, manifest, new Set(), 0);
}

async function keepAll(
  stores: Stores,
  repository: string,
  manifest: ImageManifest | ImageIndex,
  seen: Set<Digest>,
  depth: number,
): Promise<void> {
  if (depth > maxDepth) throw new RegistryError(400, "MANIFEST_INVALID", "indexes nested too deeply");
  const needed = neededBy(manifest).filter(({ digest }) => !seen.has(digest));
  for (const { digest } of needed) seen.add(digest);
  await mapLimit(needed, atOnce, async (descriptor) => {
    const { digest } = descriptor;
    if (!(await keepOne(stores, repository, digest, manifest.kind === "index")))
      throw new RegistryError(400, "MANIFEST_BLOB_UNKNOWN", "the manifest names content that the repository lacks", {
        detail: { digest },
      });
    if (manifest.kind === "index" && isIndexMediaType(descriptor.mediaType))
      await keepChild(stores, repository, digest, seen, depth);
  });
}

function neededBy(manifest: ImageManifest | ImageIndex): readonly Descriptor[] {
  if (manifest.kind === "index") return manifest.manifests;
  return [manifest.config, ...manifest.layers.filter(({ mediaType }) => !foreignLayer.test(mediaType))];
}

/** An index may also list plain blobs: build caches do. */
async function keepOne(stores: Stores, repository: string, digest: Digest, inIndex: boolean): Promise<boolean> {
  return (inIndex && (await stores.manifests.keep(repository, digest))) || stores.blobs.keep(repository, digest);
}

/** What an index in an index lists was checked when that was pushed; here it only has to be kept. */
async function keepChild(
  stores: Stores,
  repository: string,
  digest: Digest,
  seen: Set<Digest>,
  depth: number,
): Promise<void> {
  const record = await stores.manifests.find(repository, digest);
  if (record === undefined) return;
  const child = parseManifest(await stores.manifests.read(record), record.mediaType);
  await keepAll(stores, repository, child, seen, depth + 1);
}
