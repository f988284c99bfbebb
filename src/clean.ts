import { type Attached, findAttached } from "./attached/find.ts";
import { type AttachedKind, countOf, kindOf } from "./attached/kind.ts";
import { readTree } from "./attached/tree.ts";
import type { Digest } from "./crypto/digest.ts";
import { asTrustError, TrustError } from "./errors.ts";
import { answerOf } from "./oci/answers.ts";
import { dropEmptyFallbackIndex, removeFromFallbackIndex } from "./oci/fallback-index.ts";
import { mapLimit } from "./oci/parallel.ts";
import { formatReference, formatRepository, type ImageReference, manifestReference } from "./oci/reference.ts";
import type { Registry, RequestOptions } from "./oci/registry.ts";

/** What can be asked to go. */
export const cleanableKinds = ["signature", "attestation", "sbom"] as const;
export type CleanableKind = (typeof cleanableKinds)[number];

export interface CleanRequest extends RequestOptions {
  readonly image: ImageReference;
  readonly kinds: readonly CleanableKind[];
  /** Also what is attached to each platform. */
  readonly recursive?: boolean | undefined;
}

/** Something that can be removed. */
export interface Removable {
  /** `gone`: listed as a referrer, though there is nothing any more. */
  readonly kind: CleanableKind | "gone";
  readonly digest: Digest;
  /** How many signatures or attestations it holds. */
  readonly count: number;
  /** What it is attached to. */
  readonly subject: Digest;
  /** The tag it is under, or the referrer. */
  readonly place: string;
}

/** What a cleaning would remove. */
export interface CleanPlan {
  readonly image: string;
  readonly digest: Digest;
  /** What is attached to something that goes comes before it. */
  readonly items: readonly Removable[];
  /** Artifacts that stay: of other kinds, or of kinds that this program does not know. */
  readonly staying: number;
  /** False where there is more than is read at once: another run finds the rest. */
  readonly complete: boolean;
}

const readsAtOnce = 8;
const deletionsAtOnce = 4;

/**
 * Finds the signatures, attestations and SBOMs of an image, in all places, that may be removed. Never the image, one of
 * its platforms, or a referrer that is something else or refers to something else. Errors are those of the registry.
 */
export async function planClean(registry: Registry, request: CleanRequest): Promise<CleanPlan> {
  const { image, recursive, signal } = request;
  const nodes = await readTree(registry, image, manifestReference(image), { signal });
  const own = nodes.map(({ descriptor }) => descriptor.digest).toReversed();
  const [digest] = own;
  if (digest === undefined) throw new TrustError("INTERNAL", "an image without a manifest");
  const subjects = recursive === true ? own : [digest];
  const found = await findAttached(registry, image, subjects, { signal, partial: true });
  const candidates = found.attached.filter(
    ({ root, subject, tag }) =>
      !own.includes(root.descriptor.digest) && (tag !== undefined || root.manifest.subject?.digest === subject),
  );
  const kinds = await mapLimit(candidates, readsAtOnce, (item) => kindWithin(registry, request, item));
  const items = chosen(candidates, kinds, request);
  const gone = request.kinds.length === cleanableKinds.length ? found.unreadable.filter(isGone) : [];
  return {
    image: formatReference(image),
    digest,
    items: [
      ...items.toReversed().map(({ item, kind }) => removable(image, item, kind)),
      ...gone.map(({ digest: dead, subject }) => goneFrom(image, dead, subject)),
    ],
    staying: found.attached.length - items.length,
    complete: found.complete,
  };
}

/** A bundle whose content is gone proves nothing any more: it goes where signatures go. */
async function kindWithin(registry: Registry, { image, signal }: CleanRequest, item: Attached): Promise<AttachedKind> {
  try {
    return await kindOf(item, (blob, maxBytes) => registry.fetchBlob(image, blob, maxBytes, { signal }));
  } catch (error) {
    if (error instanceof TrustError && error.code === "SIGNATURE_MISSING") return "signature";
    throw error;
  }
}

/** What was asked for, and what is attached to that: without it, it is about nothing. */
function chosen(
  candidates: readonly Attached[],
  kinds: readonly AttachedKind[],
  request: CleanRequest,
): readonly { readonly item: Attached; readonly kind: CleanableKind }[] {
  const going = new Set<Digest>();
  return candidates.flatMap((item, i) => {
    const kind = kinds[i];
    if (kind === undefined || kind === "other") return [];
    if (item.depth === 1 ? !request.kinds.includes(kind) : !going.has(item.subject)) return [];
    going.add(item.root.descriptor.digest);
    return [{ item, kind }];
  });
}

function isGone({ code, tag }: { readonly code: string; readonly tag?: string | undefined }): boolean {
  return tag === undefined && code === "SIGNATURE_MISSING";
}

function removable(image: ImageReference, item: Attached, kind: CleanableKind): Removable {
  const { digest } = item.root.descriptor;
  const place = item.tag === undefined ? `@${digest}` : `:${item.tag}`;
  return { kind, digest, count: countOf(item), subject: item.subject, place: `${formatRepository(image)}${place}` };
}

function goneFrom(image: ImageReference, digest: Digest, subject: Digest): Removable {
  return { kind: "gone", digest, count: 0, subject, place: `${formatRepository(image)}@${digest}` };
}

/**
 * Removes what a plan names: 1. the manifests, by digest; the first shows whether the registry deletes at all, before
 * anything is changed; 2. their entries in lists of referrers, so that it holds against writers that carry them along.
 * What is gone meanwhile is no error. Throws `REGISTRY_REFUSED` where the registry does not delete, `UPDATE_CONFLICT`,
 * and the errors of the registry.
 */
export async function cleanImage(
  registry: Registry,
  image: ImageReference,
  { items }: CleanPlan,
  { signal }: RequestOptions = {},
): Promise<void> {
  const digests = [...new Set(items.filter(({ kind }) => kind !== "gone").map(({ digest }) => digest))];
  const [first, ...others] = digests;
  const remove = (digest: Digest) => deleteOne(registry, image, digest, { signal });
  if (first !== undefined) await remove(first); // 1
  await mapLimit(others, deletionsAtOnce, remove);
  const bySubject = Map.groupBy(items, ({ subject }) => subject);
  await mapLimit([...bySubject], deletionsAtOnce, async ([subject, entries]) => {
    await unlist(registry, image, subject, { digests: entries.map(({ digest }) => digest), signal }); // 2
  });
}

async function deleteOne(
  registry: Registry,
  image: ImageReference,
  digest: Digest,
  options: RequestOptions,
): Promise<void> {
  try {
    await registry.deleteManifest(image, digest, options);
  } catch (error) {
    if (asTrustError(error).code === "IMAGE_NOT_FOUND") return;
    throw doesNotDelete(error) ? refused(image, error) : error;
  }
}

/** The registry knows no deletion, or it is turned off (distribution-spec v1.1, "Content Management"). */
function doesNotDelete(error: unknown): boolean {
  const answer = answerOf(error);
  return (
    answer !== undefined && (answer.status === 405 || answer.status === 501 || answer.codes.includes("UNSUPPORTED"))
  );
}

function refused(image: ImageReference, cause: unknown): TrustError {
  return new TrustError("REGISTRY_REFUSED", `${image.registry} deletes nothing`, {
    expected: "a registry with deletion turned on",
    found: asTrustError(cause).found,
    hint: "Turn deletion on: storage.delete.enabled in the configuration of docker-registry, or the setting of that name elsewhere",
    cause,
  });
}

async function unlist(
  registry: Registry,
  image: ImageReference,
  subject: Digest,
  entries: { readonly digests: readonly Digest[] } & RequestOptions,
): Promise<void> {
  try {
    await removeFromFallbackIndex(registry, image, subject, entries);
    await dropEmptyFallbackIndex(registry, image, subject, entries);
  } catch (error) {
    // Under that tag is no list of referrers, so nothing is listed there.
    if (asTrustError(error).code !== "REFERRERS_TAG_CONFLICT") throw error;
  }
}
