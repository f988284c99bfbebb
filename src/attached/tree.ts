import type { Digest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { type Descriptor, type ImageIndex, type ImageManifest, parseManifest } from "../oci/manifest.ts";
import { isManifestMediaType } from "../oci/media-type.ts";
import { mapLimit } from "../oci/parallel.ts";
import type { RepositoryName } from "../oci/reference.ts";
import type { Registry, RequestOptions } from "../oci/registry.ts";

/** A manifest as it stands in a registry, and what it says. */
export interface ManifestNode {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly manifest: ImageManifest | ImageIndex;
}

/** An index of indexes is rare, one deeper than this a trap. */
const maxDepth = 4;
const maxManifests = 2_000;
const maxTreeBytes = 64 * 1024 * 1024;
const readsAtOnce = 8;

/** Layers that their owners forbid to distribute: clients fetch them from where the manifest says. */
const foreignLayer = /^application\/vnd\.(?:docker\.image\.rootfs\.foreign|oci\.image\.layer\.nondistributable)/;

interface Reading extends RequestOptions {
  readonly registry: Registry;
  readonly name: RepositoryName;
  readonly nodes: Map<Digest, Promise<readonly ManifestNode[]>>;
  bytes: number;
}

/**
 * The manifests of an image or artifact, all platforms of it: each once, children before the indexes that name them, the
 * one that was asked for last. Throws `MANIFEST_INVALID` where they are nested too deep, `CONTENT_TOO_LARGE` where they
 * are too many, and the errors of the registry.
 */
export async function readTree(
  registry: Registry,
  name: RepositoryName,
  reference: string,
  options: RequestOptions = {},
): Promise<readonly [...ManifestNode[], ManifestNode]> {
  const reading: Reading = { ...options, registry, name, nodes: new Map(), bytes: 0 };
  const root = await readNode(reading, reference, undefined);
  const below = await readChildren(reading, root, 1);
  return [...distinct(below).filter((node) => node.descriptor.digest !== root.descriptor.digest), root];
}

async function readNode(reading: Reading, reference: string, mediaType: string | undefined): Promise<ManifestNode> {
  const { bytes, descriptor } = await reading.registry.fetchManifest(reading.name, reference, reading);
  reading.bytes += bytes.length;
  if (reading.bytes > maxTreeBytes) throw tooMany(`${maxTreeBytes} bytes of manifests`);
  // The registry knows the kind of what was asked for by name; a child's kind stands in its index.
  const kind = mediaType ?? descriptor.mediaType;
  return { descriptor: { ...descriptor, mediaType: kind }, bytes, manifest: parseManifest(bytes, kind) };
}

async function readChildren(reading: Reading, node: ManifestNode, depth: number): Promise<readonly ManifestNode[]> {
  if (node.manifest.kind !== "index") return [];
  const children = node.manifest.manifests.filter(({ mediaType }) => isManifestMediaType(mediaType));
  if (children.length > 0 && depth > maxDepth)
    throw new TrustError("MANIFEST_INVALID", `indexes are nested deeper than ${maxDepth}`);
  const trees = await mapLimit(children, readsAtOnce, (child) => {
    const known = reading.nodes.get(child.digest) ?? readSubtree(reading, child, depth);
    reading.nodes.set(child.digest, known);
    if (reading.nodes.size > maxManifests) throw tooMany(`${maxManifests} manifests`);
    return known;
  });
  return trees.flat();
}

async function readSubtree(reading: Reading, child: Descriptor, depth: number): Promise<readonly ManifestNode[]> {
  const node = await readNode(reading, child.digest, child.mediaType);
  return [...(await readChildren(reading, node, depth + 1)), node];
}

function distinct(nodes: readonly ManifestNode[]): readonly ManifestNode[] {
  return [...new Map(nodes.map((node) => [node.descriptor.digest, node])).values()];
}

/** What manifests name that is no manifest: configs, layers, and what else an index lists; each once. */
export function blobsOf(nodes: readonly ManifestNode[]): readonly Descriptor[] {
  const blobs = nodes.flatMap(({ manifest }) =>
    manifest.kind === "index"
      ? manifest.manifests.filter(({ mediaType }) => !isManifestMediaType(mediaType))
      : [manifest.config, ...manifest.layers.filter(({ mediaType }) => !foreignLayer.test(mediaType))],
  );
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

function tooMany(what: string): TrustError {
  return new TrustError("CONTENT_TOO_LARGE", "the image consists of too many manifests", {
    expected: `at most ${what}`,
  });
}
