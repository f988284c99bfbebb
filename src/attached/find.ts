import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import { mapLimit } from "../oci/parallel.ts";
import { formatRepository, type RepositoryName, referrersTag } from "../oci/reference.ts";
import { listReferrers } from "../oci/referrers.ts";
import type { Registry, RequestOptions } from "../oci/registry.ts";
import { type ManifestNode, readTree } from "./tree.ts";

/** A signature, attestation, SBOM or anything else that belongs to an image without being a part of it. */
export interface Attached {
  /** What it belongs to. */
  readonly subject: Digest;
  /** The tag that it is kept under, where it is cosign's; a referrer has none. */
  readonly tag?: string;
  /** Listed under the fallback tag; the referrers API may list it as well. */
  readonly isUnderFallbackTag?: true;
  readonly root: ManifestNode;
  /** All its manifests, the root last. */
  readonly tree: readonly ManifestNode[];
  /** 1: of the image; 2: of something that is attached to the image; and so on. */
  readonly depth: number;
}

/** What is listed and could not be read, and why. */
export interface Unreadable extends Finding {
  readonly digest: Digest;
  readonly subject: Digest;
  readonly tag?: string | undefined;
}

export interface FoundAttached {
  /** What is attached to the subjects comes before what is attached to that. */
  readonly attached: readonly Attached[];
  readonly unreadable: readonly Unreadable[];
  /** False where a limit ended the search; only with `partial`. */
  readonly complete: boolean;
}

export interface FindOptions extends RequestOptions {
  /** Beyond the limits, give what was found instead of an error. */
  readonly partial?: boolean | undefined;
  /** Told of a place that cannot be read, instead of an error; what the others have is given. The search is not complete then. */
  readonly onFailure?: ((error: TrustError) => void) | undefined;
  /** The most to find, and how many of them may hang on each other; default 5000, without end. */
  readonly maxAttached?: number | undefined;
  readonly maxDepth?: number | undefined;
}

/** The tags of a subject's artifacts (sigstore/cosign, specs/SIGNATURE_SPEC.md, "Tag-based object discovery"). */
export const attachedSuffixes = [".sig", ".att", ".sbom"] as const;

const maxAttached = 5_000;
const maxPages = 100;
const readsAtOnce = 8;

interface Search extends FindOptions {
  readonly registry: Registry;
  readonly name: RepositoryName;
  /** Subjects that were looked at, and manifests of the image itself: nothing is searched twice, so that lists may lead in circles. */
  readonly seen: Set<Digest>;
  readonly unreadable: Unreadable[];
  count: number;
  complete: boolean;
}

/**
 * Everything attached to the subjects, and to that, and so on: referrers of the API and of the fallback tag, and the
 * `.sig`, `.att` and `.sbom` tags. Throws `EVIDENCE_INCOMPLETE` where there is more than can be read, and the errors of
 * the registry.
 */
export async function findAttached(
  registry: Registry,
  { registry: host, repository }: RepositoryName,
  subjects: readonly Digest[],
  options: FindOptions = {},
): Promise<FoundAttached> {
  const search: Search = {
    ...options,
    registry,
    // A name that comes with a digest would turn every tag into that digest.
    name: { registry: host, repository },
    seen: new Set(subjects),
    unreadable: [],
    count: 0,
    complete: true,
  };
  const attached: Attached[] = [];
  const { maxDepth = Number.POSITIVE_INFINITY } = options;
  for (let level = [...new Set(subjects)], depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) {
      search.complete = false;
      break;
    }
    const found = (await mapLimit(level, readsAtOnce, (subject) => findOf(search, subject, depth))).flat();
    attached.push(...found);
    level = [...new Set(found.map(({ root }) => root.descriptor.digest))].filter((digest) => !search.seen.has(digest));
    for (const digest of level) search.seen.add(digest);
  }
  return { attached, unreadable: search.unreadable, complete: search.complete };
}

async function findOf(search: Search, subject: Digest, depth: number): Promise<readonly Attached[]> {
  const [referrers, ...tagged] = await Promise.all([
    referrersOf(search, subject),
    ...attachedSuffixes.map((suffix) => taggedOf(search, `${referrersTag(subject)}${suffix}`)),
  ]);
  const places = [...referrers, ...tagged.flat()];
  const read = await mapLimit(places, readsAtOnce, async ({ digest, ...place }): Promise<readonly Attached[]> => {
    const tree = await readAttached(search, digest, { ...place, subject });
    const root = tree?.at(-1);
    return tree === undefined || root === undefined ? [] : [{ subject, ...place, root, tree, depth }];
  });
  return read.flat();
}

/** What cannot be read is told where somebody listens, else it is an error. */
async function unlessFailed<T>(search: Search, nothing: T, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (search.onFailure === undefined || !(error instanceof TrustError)) throw error;
    search.complete = false;
    search.onFailure(error);
    return nothing;
  }
}

interface Place {
  readonly digest: Digest;
  readonly tag?: string;
  readonly isUnderFallbackTag?: true;
}

async function referrersOf(search: Search, subject: Digest): Promise<readonly Place[]> {
  const { registry, name, signal } = search;
  const listing = await unlessFailed(search, { descriptors: [], complete: false }, () =>
    listReferrers(registry, name, subject, { maxPages, signal }),
  );
  const { descriptors, complete, failure, underTag } = listing;
  if (failure !== undefined) await unlessFailed(search, undefined, () => Promise.reject(failure));
  // What lists itself, or the image, among its referrers says nothing.
  const digests = descriptors.map(({ digest }) => digest).filter((digest) => digest !== subject);
  const places = digests.map((digest) =>
    underTag?.has(digest) === true ? { digest, isUnderFallbackTag: true as const } : { digest },
  );
  const room = (search.maxAttached ?? maxAttached) - search.count;
  search.count += digests.length;
  if (complete && digests.length <= room) return places;
  if (search.partial !== true) throw incomplete(search, subject, digests.length);
  search.complete = false;
  return places.slice(0, Math.max(0, room));
}

/** What a tag stands for. Asked by HEAD, which does not count as a pull where pulls are counted. */
async function taggedOf(search: Search, tag: string): Promise<readonly Place[]> {
  const { registry, name, signal } = search;
  return unlessFailed(search, [], async () => {
    try {
      const { digest } = await registry.resolve({ ...name, tag }, { signal });
      return [{ digest, tag }];
    } catch (error) {
      if (error instanceof TrustError && error.code === "IMAGE_NOT_FOUND") return [];
      throw error;
    }
  });
}

/** What is listed and gone, or is no manifest, is told and keeps nothing else back. */
async function readAttached(
  search: Search,
  digest: Digest,
  { tag, subject }: { readonly tag?: string; readonly subject: Digest },
) {
  const { registry, name, signal, unreadable } = search;
  try {
    return await readTree(registry, name, digest, { signal });
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    if (!unreadableCodes.has(error.code)) {
      if (search.onFailure === undefined) throw error;
      search.complete = false;
    }
    const where = tag === undefined ? `the referrer ${digest}` : `what the tag ${tag} stands for`;
    const code = error.code === "IMAGE_NOT_FOUND" ? "SIGNATURE_MISSING" : error.code;
    const { expected, found } = error;
    const told = new TrustError(code, `${where} cannot be read: ${error.message}`, { expected, found });
    unreadable.push({ ...toFinding(told, { evidence: digest }), digest, subject, tag });
    return undefined;
  }
}

const unreadableCodes = new Set(["IMAGE_NOT_FOUND", "MANIFEST_INVALID", "CONTENT_TOO_LARGE"]);

function incomplete({ name }: Search, subject: Digest, found: number): TrustError {
  return new TrustError(
    "EVIDENCE_INCOMPLETE",
    `${formatRepository(name)}@${subject} has more signatures and other referrers than can be read`,
    { expected: `at most ${maxAttached}, in lists that can be read to their end`, found: `${found} and more` },
  );
}
