import { gzipSync } from "node:zlib";
import { type Digest, digestOf } from "../../src/crypto/digest.ts";
import { type Descriptor, mediaTypes } from "../../src/oci/manifest.ts";
import type { ImageReference } from "../../src/oci/reference.ts";
import { blobOf, type Registry } from "../../src/oci/registry.ts";

/** A file of a layer: path without leading slash, and content. */
export type LayerFiles = Readonly<Record<string, string | Uint8Array>>;

export interface ImageRecipe {
  readonly layers: readonly LayerFiles[];
  readonly entrypoint?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface BuiltImage {
  readonly manifest: Buffer;
  readonly descriptor: Descriptor;
  readonly blobs: readonly Uint8Array[];
}

const blockSize = 512;

/** One ustar header and its content, padded (POSIX.1-1988 ustar); the same files always give the same bytes. */
function tarEntry(path: string, content: Uint8Array): Buffer {
  const header = Buffer.alloc(blockSize);
  header.write(path, 0, 100);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((blockSize - (content.length % blockSize)) % blockSize)]);
}

function tarOf(files: LayerFiles): Buffer {
  const entries = Object.entries(files).map(([path, content]) => tarEntry(path, Buffer.from(content)));
  return Buffer.concat([...entries, Buffer.alloc(2 * blockSize)]);
}

/** Builds an OCI image: gzipped tar layers, config, manifest. */
export function buildImage(recipe: ImageRecipe): BuiltImage {
  const tars = recipe.layers.map(tarOf);
  const layers = tars.map((tar) => gzipSync(tar, { level: 6 }));
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: { Entrypoint: recipe.entrypoint ?? ["/app"], Labels: recipe.labels ?? {}, User: "10001" },
      rootfs: { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) },
      history: recipe.layers.map(() => ({ created: "2026-01-01T00:00:00Z" })),
    }),
  );
  const describe = (mediaType: string, bytes: Uint8Array): { mediaType: string; digest: Digest; size: number } => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
      config: describe(mediaTypes.imageConfig, config),
      layers: layers.map((layer) => describe(mediaTypes.imageLayerGzip, layer)),
    }),
  );
  return { manifest, descriptor: describe(mediaTypes.imageManifest, manifest), blobs: [config, ...layers] };
}

/** Pushes an image under the tag of the reference; its digest. */
export async function pushImage(registry: Registry, ref: ImageReference, image: BuiltImage): Promise<Digest> {
  for (const blob of image.blobs) await registry.pushBlob(ref, blobOf(blob, digestOf(blob)));
  const { mediaType } = image.descriptor;
  const pushed = await registry.pushManifest(ref, {
    bytes: image.manifest,
    mediaType,
    ...(ref.tag === undefined ? {} : { tag: ref.tag }),
  });
  return pushed.descriptor.digest;
}

/** A small image that differs from every other seed. */
export function tinyImage(seed: string): BuiltImage {
  return buildImage({ layers: [{ "app/seed.txt": seed }] });
}
