import { type Digest, digestOf } from "../../src/crypto/digest.ts";
import { type Descriptor, emptyDescriptor, emptyJson, mediaTypes } from "../../src/oci/manifest.ts";
import type { RepositoryName } from "../../src/oci/reference.ts";
import { blobOf, type Registry } from "../../src/oci/registry.ts";

/** A manifest as it would be pushed, with the blobs it names. */
export interface MadeManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly descriptor: Descriptor;
  readonly blobs: readonly Buffer[];
}

/** A small image: a config and a layer that hold the text. */
export function makeImage(text: string): MadeManifest {
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers" }, text }));
  const layer = Buffer.from(`layer of ${text}`);
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    config: descriptorOf(config, mediaTypes.imageConfig),
    layers: [descriptorOf(layer, mediaTypes.imageLayerGzip)],
  };
  return made(manifest, [config, layer]);
}

/** An artifact that refers to a subject, like a signature does. */
export function makeReferrer(
  subject: Descriptor,
  text: string,
  artifactType = "application/vnd.test.signature",
): MadeManifest {
  const layer = Buffer.from(`signature ${text}`);
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
    artifactType,
    config: emptyDescriptor,
    layers: [descriptorOf(layer, "text/plain")],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    annotations: { text },
  };
  return made(manifest, [emptyJson, layer]);
}

/** An index over manifests. */
export function makeIndex(manifests: readonly Descriptor[], more: Record<string, unknown> = {}): MadeManifest {
  return made({ schemaVersion: 2, mediaType: mediaTypes.imageIndex, manifests, ...more }, []);
}

function made(
  manifest: { readonly mediaType: string; readonly [field: string]: unknown },
  blobs: readonly Buffer[],
): MadeManifest {
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { bytes, mediaType: manifest.mediaType, descriptor: descriptorOf(bytes, manifest.mediaType), blobs };
}

export function descriptorOf(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** Pushes the blobs, then the manifest. */
export async function push(
  registry: Registry,
  name: RepositoryName,
  manifest: MadeManifest,
  tag?: string,
): Promise<Digest> {
  for (const blob of manifest.blobs) await registry.pushBlob(name, blobOf(blob, digestOf(blob)));
  const { descriptor } = await registry.pushManifest(name, { ...manifest, tag });
  return descriptor.digest;
}
