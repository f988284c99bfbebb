import { type Attached, findAttached } from "../attached/find.ts";
import { type AttachedKind, kindOf } from "../attached/kind.ts";
import { type ManifestNode, readTree } from "../attached/tree.ts";
import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import type { Descriptor, Platform } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { formatReference, type ImageReference, manifestReference, type RepositoryName } from "../oci/reference.ts";
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
  /** The repository that it is in. */
  readonly home: RepositoryName;
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
  /** Where the source keeps signatures beside the image's own repository. */
  readonly signatureRepository?: RepositoryName | undefined;
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
  const homes = [image, ...(options.signatureRepository === undefined ? [] : [options.signatureRepository])];
  const found = await mapLimit(homes, 1, (home) => attachedIn(registry, home, subjects, { signal }));
  return { root, image: nodes, ...combined(found) };
}

type Classified = Pick<CopyPlan, "artifacts" | "read" | "leftOut">;

async function attachedIn(
  registry: Registry,
  { registry: host, repository }: RepositoryName,
  subjects: readonly Digest[],
  options: RequestOptions,
): Promise<Classified> {
  const home = { registry: host, repository };
  const { attached, unreadable } = await findAttached(registry, home, subjects, options);
  const own = new Set(subjects);
  // An image that stands among its own referrers, or under a tag of signatures, is none of them.
  const others = attached.filter((item) => !own.has(item.root.descriptor.digest));
  const findings = unreadable.map(({ digest: _, subject: __, tag: ___, ...finding }) => finding);
  return classified(registry, home, others, findings, options);
}

/** What is in several repositories comes from the first. */
function combined(found: readonly Classified[]): Classified {
  const artifacts = new Map<string, PlannedArtifact>();
  for (const item of found.flatMap((each) => each.artifacts)) {
    const key = `${item.subject} ${item.tag ?? ""} ${item.root.descriptor.digest}`;
    if (!artifacts.has(key)) artifacts.set(key, item);
  }
  return {
    artifacts: [...artifacts.values()],
    read: new Map(found.flatMap(({ read }) => [...read])),
    leftOut: found.flatMap(({ leftOut }) => leftOut),
  };
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
  registry: Registry,
  home: RepositoryName,
  attached: readonly Attached[],
  unreadable: readonly Finding[],
  { signal }: RequestOptions,
): Promise<Classified> {
  const read = new Map<Digest, Buffer>();
  let kept = 0;
  const readBlob = async (blob: Descriptor, maxBytes: number) => {
    const known = read.get(blob.digest);
    if (known !== undefined) return known;
    const bytes = await registry.fetchBlob(home, blob, maxBytes, { signal });
    kept += bytes.length;
    if (kept <= maxKept) read.set(blob.digest, bytes);
    return bytes;
  };
  const leftOut = [...unreadable];
  const items = await mapLimit(attached, readsAtOnce, async (item): Promise<readonly PlannedArtifact[]> => {
    try {
      return [{ ...item, home, kind: await kindOf(item, readBlob) }];
    } catch (error) {
      if (!(error instanceof TrustError) || error.code !== "SIGNATURE_MISSING") throw error;
      leftOut.push(toFinding(error, { evidence: item.root.descriptor.digest }));
      return [];
    }
  });
  return { artifacts: items.flat(), read, leftOut };
}
