import { blobsOf, type ManifestNode } from "../attached/tree.ts";
import type { Digest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import type { Descriptor } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { formatRepository, type RepositoryName } from "../oci/reference.ts";
import { type BlobContent, type BlobPush, blobOf, type Registry, type RequestOptions } from "../oci/registry.ts";

/** Hears how far a copy has come. */
export interface CopyMonitor {
  /** How many blobs and manifests there are in all, and their bytes. */
  begin(total: { readonly items: number; readonly bytes: number }): void;
  /** Bytes that have just passed. */
  bytes(count: number): void;
  /** One blob or manifest has arrived, or was there; `unsent` of its bytes did not have to pass. */
  item(descriptor: Pick<Descriptor, "digest" | "size">, unsent: number): void;
}

/** From where to where, and what came of it so far. */
export interface Transfer extends RequestOptions {
  readonly source: Registry;
  readonly from: RepositoryName;
  readonly target: Registry;
  readonly to: RepositoryName;
  readonly monitor: CopyMonitor;
  /** Where blobs are that are not beside the image. */
  readonly homes: ReadonlyMap<Digest, RepositoryName>;
  /** Blobs that were read before. */
  readonly read: ReadonlyMap<Digest, Buffer>;
  readonly counts: { manifests: number; blobs: number; bytes: number; mounted: number; skipped: number };
}

const blobsAtOnce = 4;
const manifestsAtOnce = 8;

/** The nodes whose manifests the target does not have. */
export async function absentAt(transfer: Transfer, nodes: readonly ManifestNode[]): Promise<readonly ManifestNode[]> {
  const present = await mapLimit(nodes, manifestsAtOnce, ({ descriptor }) => hasManifest(transfer, descriptor.digest));
  return nodes.filter((_, i) => present[i] !== true);
}

async function hasManifest({ target, to, signal }: Transfer, digest: Digest): Promise<boolean> {
  try {
    await target.resolve({ registry: to.registry, repository: to.repository, digest }, { signal });
    return true;
  } catch (error) {
    if (error instanceof TrustError && (error.code === "IMAGE_NOT_FOUND" || error.code === "MANIFEST_INVALID"))
      return false;
    throw error;
  }
}

/**
 * Sends the blobs that the nodes name, the largest first so that the last ones end together. Answers with those that the
 * source does not have.
 */
export async function sendBlobs(
  transfer: Transfer,
  nodes: readonly ManifestNode[],
): Promise<ReadonlyMap<Digest, TrustError>> {
  const missing = new Map<Digest, TrustError>();
  const blobs = blobsOf(nodes).toSorted((a, b) => b.size - a.size);
  await mapLimit(blobs, blobsAtOnce, async (blob) => {
    try {
      await sendBlob(transfer, blob);
    } catch (error) {
      if (!(error instanceof TrustError) || error.code !== "SIGNATURE_MISSING") throw error;
      missing.set(blob.digest, error);
    }
  });
  return missing;
}

async function sendBlob(transfer: Transfer, blob: Descriptor): Promise<void> {
  const { source, target, to, signal, monitor, counts } = transfer;
  const from = transfer.homes.get(blob.digest) ?? transfer.from;
  const isNear = source === target && from.registry === to.registry && from.repository !== to.repository;
  const push = await target.pushBlob(to, contentOf(transfer, from, blob), {
    signal,
    ...(isNear ? { from: from.repository } : {}),
  });
  const unsent: Readonly<Record<BlobPush, number>> = { sent: 0, mounted: blob.size, present: blob.size };
  if (push === "sent") {
    counts.blobs += 1;
    counts.bytes += blob.size;
  } else counts[push === "mounted" ? "mounted" : "skipped"] += 1;
  monitor.item(blob, unsent[push]);
}

function contentOf({ source, read, signal, monitor }: Transfer, from: RepositoryName, blob: Descriptor): BlobContent {
  const known = read.get(blob.digest);
  const content =
    known === undefined
      ? { open: () => source.streamBlob(from, blob, { signal }), isChecked: true }
      : blobOf(known, blob.digest);
  return {
    ...content,
    digest: blob.digest,
    size: blob.size,
    async *open() {
      for await (const piece of content.open()) {
        // Between two layouts nothing else listens to it.
        signal?.throwIfAborted();
        monitor.bytes(piece.length);
        yield piece;
      }
    },
  };
}

/** Pushes manifests by digest, what an index names before the index. */
export async function sendManifests(transfer: Transfer, nodes: readonly ManifestNode[]): Promise<void> {
  const waiting = new Map(nodes.map((node) => [node.descriptor.digest, node]));
  while (waiting.size > 0) {
    const ready = [...waiting.values()].filter(
      ({ manifest }) => manifest.kind !== "index" || !manifest.manifests.some(({ digest }) => waiting.has(digest)),
    );
    await mapLimit(ready, manifestsAtOnce, (node) => sendManifest(transfer, node));
    for (const { descriptor } of ready) waiting.delete(descriptor.digest);
  }
}

/** Pushes one manifest, under a tag if there is one. */
export async function sendManifest(transfer: Transfer, node: ManifestNode, tag?: string): Promise<void> {
  const { target, to, signal } = transfer;
  const { bytes, descriptor } = node;
  await target.pushManifest(to, { bytes, mediaType: descriptor.mediaType, tag }, { signal });
  countManifest(transfer, node);
}

/** Gives a manifest that is there a name. */
export async function tagManifest({ target, to, signal }: Transfer, node: ManifestNode, tag: string): Promise<void> {
  const { bytes, descriptor } = node;
  await target.pushManifest(to, { bytes, mediaType: descriptor.mediaType, tag }, { signal });
}

/** A manifest has arrived by another way. */
export function countManifest({ counts, monitor }: Transfer, { descriptor }: ManifestNode): void {
  counts.manifests += 1;
  counts.bytes += descriptor.size;
  monitor.bytes(descriptor.size);
  monitor.item(descriptor, 0);
}

/** The image needs a blob that its registry lost. */
export function blobGone(name: RepositoryName, cause: TrustError): TrustError {
  return new TrustError("IMAGE_NOT_FOUND", `${formatRepository(name)} lacks a part of the image: ${cause.message}`, {
    expected: cause.expected,
    found: cause.found,
    hint: "Push the image there again, then copy it",
    cause,
  });
}
