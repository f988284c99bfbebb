import { type AttachedKind, countOf } from "./attached/kind.ts";
import { blobsOf, type ManifestNode } from "./attached/tree.ts";
import { attachAll, missingAt, withBlobs } from "./copy/attach.ts";
import { type CopyPlan, type ImagePlace, type PlannedArtifact, type PlanOptions, planCopy } from "./copy/plan.ts";
import {
  absentAt,
  blobGone,
  type CopyMonitor,
  sendBlobs,
  sendManifests,
  type Transfer,
  tagManifest,
} from "./copy/transfer.ts";
import type { Digest } from "./crypto/digest.ts";
import { type Finding, TrustError } from "./errors.ts";
import { formatReference, type ImageReference, type RepositoryName } from "./oci/reference.ts";

export type { ImagePlace } from "./copy/plan.ts";
export type { CopyMonitor } from "./copy/transfer.ts";

export interface CopyOptions extends PlanOptions {
  readonly monitor?: CopyMonitor | undefined;
}

/** What a copy came to; plain JSON. */
export interface CopiedImage {
  readonly source: string;
  readonly destination: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the manifest that the digest is of. */
  readonly size: number;
  /** Manifests that were sent. */
  readonly manifests: number;
  /** Blobs that were sent. */
  readonly blobs: number;
  /** Bytes that were sent. */
  readonly bytes: number;
  /** Blobs that the destination's registry linked from another repository. */
  readonly mounted: number;
  /** Blobs and manifests that were there. */
  readonly skipped: number;
  /** Signatures that the source has and the destination has now, of the image, its platforms, and what is attached. */
  readonly signatures: number;
  readonly attestations: number;
  readonly sboms: number;
  /** How many artifacts of all kinds are referrers. */
  readonly referrers: number;
  /** What is attached at the source and could not be brought over, and why. */
  readonly leftOut: readonly Finding[];
}

const nobody: CopyMonitor = { begin: () => {}, bytes: () => {}, item: () => {} };

/**
 * Copies an image with everything it consists of and everything that is attached to it, byte for byte:
 * 1. Read what is to be copied; limits end it before anything is written.
 * 2. Ask what of it the destination has: that is not sent again.
 * 3. Send the blobs, each checked against its digest on the way.
 * 4. Send the image's manifests by digest, platforms before their index.
 * 5. Attach signatures and the like, beside those that the destination has.
 * 6. Set the tag last: under it there is never half an image, nor one without its signatures.
 *
 * Nothing is written under the fallback tag but lists of referrers. Errors: `DIGEST_MISMATCH` where the source, or the
 * digest in the destination's name, is another; `EVIDENCE_INCOMPLETE` where more is attached than can be read;
 * `CONTENT_MISMATCH`, `IMAGE_NOT_FOUND`, and the errors of both registries.
 */
export async function copyImage(
  source: ImagePlace,
  target: ImagePlace,
  options: CopyOptions = {},
): Promise<CopiedImage> {
  const plan = await planCopy(source, options); // 1
  expectTarget(target.image, plan);
  const transfer = startTransfer(source, target, plan, options);
  const image = await absentAt(transfer, plan.image); // 2
  const artifacts = await missingAt(transfer, plan.artifacts);
  announce(transfer, plan, image, artifacts);
  const missing = await sendBlobs(transfer, [...image, ...artifacts.flatMap(({ tree }) => tree)]); // 3
  const { whole, findings } = withBlobs(artifacts, missing);
  await sendImage(transfer, image, missing); // 4
  const kept = await attachAll(transfer, whole); // 5
  await setTag(transfer, target.image, plan); // 6
  const leftOut = [...plan.leftOut, ...findings, ...kept];
  return { ...described(source.image, target.image, plan), ...transfer.counts, ...counted(plan, leftOut), leftOut };
}

function expectTarget(image: ImageReference, { root }: CopyPlan): void {
  const { digest } = image;
  if (digest === undefined || digest === root.descriptor.digest) return;
  throw new TrustError("DIGEST_MISMATCH", `what was to be copied is not ${formatReference(image)}`, {
    expected: digest,
    found: root.descriptor.digest,
  });
}

function startTransfer(source: ImagePlace, target: ImagePlace, plan: CopyPlan, options: CopyOptions): Transfer {
  return {
    source: source.registry,
    from: repositoryOf(source.image),
    target: target.registry,
    to: repositoryOf(target.image),
    monitor: options.monitor ?? nobody,
    homes: homesOf(plan),
    read: plan.read,
    signal: options.signal,
    counts: { manifests: 0, blobs: 0, bytes: 0, mounted: 0, skipped: 0 },
  };
}

/** The blobs of artifacts that are in another repository than the image. */
function homesOf({ image, artifacts }: CopyPlan): ReadonlyMap<Digest, RepositoryName> {
  const own = new Set(blobsOf(image).map(({ digest }) => digest));
  return new Map(
    artifacts.flatMap(({ tree, home }) =>
      blobsOf(tree).flatMap(({ digest }) => (own.has(digest) ? [] : [[digest, home] as const])),
    ),
  );
}

function repositoryOf({ registry, repository }: ImageReference): RepositoryName {
  return { registry, repository };
}

/** Says how much there is to do, and counts what is done already. */
function announce(
  { monitor, counts }: Transfer,
  plan: CopyPlan,
  image: readonly ManifestNode[],
  artifacts: readonly PlannedArtifact[],
): void {
  const nodes = [...image, ...artifacts.flatMap(({ tree }) => tree)];
  const items = [...blobsOf(nodes), ...nodes.map(({ descriptor }) => descriptor)];
  monitor.begin({ items: items.length, bytes: items.reduce((sum, { size }) => sum + size, 0) });
  counts.skipped = plan.image.length - image.length + plan.artifacts.length - artifacts.length;
}

/** Pushes what the destination lacks of the image. */
async function sendImage(
  transfer: Transfer,
  image: readonly ManifestNode[],
  missing: ReadonlyMap<Digest, TrustError>,
): Promise<void> {
  const gone = blobsOf(image).flatMap(({ digest }) => missing.get(digest) ?? [])[0];
  if (gone !== undefined) throw blobGone(transfer.from, gone);
  await sendManifests(transfer, image);
}

/** A tag that stands for the image already is left alone: where tags are immutable, writing the same again is refused. */
async function setTag(transfer: Transfer, image: ImageReference, { root }: CopyPlan): Promise<void> {
  const { registry, repository, tag } = image;
  if (tag === undefined) return;
  const current = await digestAt(transfer, { registry, repository, tag });
  if (current !== root.descriptor.digest) await tagManifest(transfer, root, tag);
}

async function digestAt({ target, signal }: Transfer, image: ImageReference): Promise<Digest | undefined> {
  try {
    return (await target.resolve(image, { signal })).digest;
  } catch (error) {
    if (error instanceof TrustError && error.code === "IMAGE_NOT_FOUND") return undefined;
    throw error;
  }
}

function described(from: ImageReference, to: ImageReference, { root }: CopyPlan) {
  const { digest, mediaType, size } = root.descriptor;
  return { source: formatReference(from), destination: formatReference(to), digest, mediaType, size };
}

/** What is attached at the destination now. */
function counted({ artifacts }: CopyPlan, leftOut: readonly Finding[]) {
  const without = new Set(leftOut.map(({ evidence }) => evidence));
  const there = artifacts.filter(({ root }) => !without.has(root.descriptor.digest));
  const count = (kind: AttachedKind) =>
    there.filter((item) => item.kind === kind).reduce((sum, item) => sum + countOf(item), 0);
  return {
    signatures: count("signature"),
    attestations: count("attestation"),
    sboms: count("sbom"),
    referrers: there.filter(({ tag }) => tag === undefined).length,
  };
}
