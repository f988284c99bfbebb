import { type Attached, findAttached } from "../attached/find.ts";
import { type AttachedKind, kindOf } from "../attached/kind.ts";
import { type ManifestNode, readTree } from "../attached/tree.ts";
import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import type { Descriptor, Platform } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { formatReference, type ImageReference, manifestReference } from "../oci/reference.ts";
import type { Registry, RequestOptions } from "../oci/registry.ts";
import { digestFor } from "./platform.ts";

/** One side of a copy. */
export interface ImagePlace {
  readonly registry: Registry;
  readonly image: ImageReference;
}

/** Something attached, and what it is for. */
export interface PlannedArtifact extends Attached {
  readonly kind: AttachedKind;
}

/** All that a copy is to bring over, read before anything is written. */
export interface CopyPlan {
  readonly root: ManifestNode;
  /** Children before their indexes, the root last. */
  readonly image: readonly ManifestNode[];
  readonly artifacts: readonly PlannedArtifact[];
  /** Small blobs that were read on the way. */
  readonly read: ReadonlyMap<Digest, Buffer>;
  /** What is listed at the source and cannot be read there. */
  readonly leftOut: readonly Finding[];
}

export interface PlanOptions extends RequestOptions {
  /** Copy nothing but this digest. */
  readonly expectDigest?: Digest | undefined;
  /** The image for one platform alone. */
  readonly platform?: Platform | undefined;
  /** False: the image alone. */
  readonly withAttached?: boolean | undefined;
}

const readsAtOnce = 8;
const maxKept = 32 * 1024 * 1024;

/** Reads what the source's name stands for, with everything attached to it and to each platform. */
export async function planCopy({ registry, image }: ImagePlace, options: PlanOptions): Promise<CopyPlan> {
  const { platform, signal } = options;
  const reference =
    platform === undefined ? manifestReference(image) : await digestFor(registry, image, platform, { signal });
  const nodes = await readTree(registry, image, reference, { signal });
  const subjects = nodes.toReversed().map(({ descriptor }) => descriptor.digest);
  const root = nodes.at(-1) ?? nodes[0];
  expectDigest(image, root.descriptor.digest, options.expectDigest);
  if (options.withAttached === false) return { root, image: nodes, artifacts: [], read: new Map(), leftOut: [] };
  const { attached, unreadable } = await findAttached(registry, image, subjects, { signal });
  const own = new Set(subjects);
  // An image that stands among its own referrers, or under a tag of signatures, is none of them.
  const others = attached.filter((item) => !own.has(item.root.descriptor.digest));
  const findings = unreadable.map(({ digest: _, subject: __, tag: ___, ...finding }) => finding);
  return { root, image: nodes, ...(await classified({ registry, image }, others, findings, { signal })) };
}

function expectDigest(image: ImageReference, found: Digest, expected: Digest | undefined): void {
  if (expected === undefined || expected === found) return;
  throw new TrustError("DIGEST_MISMATCH", `${formatReference(image)} is not the image that was to be copied`, {
    expected,
    found,
  });
}

/** Tells the kinds apart; what lacks the blob that would say so is left out. */
async function classified(
  { registry, image }: ImagePlace,
  attached: readonly Attached[],
  unreadable: readonly Finding[],
  { signal }: RequestOptions,
): Promise<Pick<CopyPlan, "artifacts" | "read" | "leftOut">> {
  const read = new Map<Digest, Buffer>();
  let kept = 0;
  const readBlob = async (blob: Descriptor, maxBytes: number) => {
    const known = read.get(blob.digest);
    if (known !== undefined) return known;
    const bytes = await registry.fetchBlob(image, blob, maxBytes, { signal });
    kept += bytes.length;
    if (kept <= maxKept) read.set(blob.digest, bytes);
    return bytes;
  };
  const leftOut = [...unreadable];
  const items = await mapLimit(attached, readsAtOnce, async (item): Promise<readonly PlannedArtifact[]> => {
    try {
      return [{ ...item, kind: await kindOf(item, readBlob) }];
    } catch (error) {
      if (!(error instanceof TrustError) || error.code !== "SIGNATURE_MISSING") throw error;
      leftOut.push(toFinding(error, { evidence: item.root.descriptor.digest }));
      return [];
    }
  });
  return { artifacts: items.flat(), read, leftOut };
}
