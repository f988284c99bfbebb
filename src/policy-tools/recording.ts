import type { Digest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import type { ReferrersPage } from "../oci/registry.ts";

/** What a registry may say for good of something that was asked for. */
export const recordedErrors = [
  "IMAGE_NOT_FOUND",
  "SIGNATURE_MISSING",
  "CONTENT_MISMATCH",
  "CONTENT_TOO_LARGE",
  "MANIFEST_INVALID",
] as const;
export type RecordedError = (typeof recordedErrors)[number];

/** An answer, or the error that was the answer. */
export type Recorded<T> = { readonly value: T } | { readonly error: RecordedError };

/** What was read of one repository. Content is held to the digest that it stands under by whoever makes one of these. */
export interface RecordedRepository {
  readonly tags: Map<string, Recorded<Digest>>;
  readonly referrers: Map<Digest, Recorded<ReferrersPage>>;
  readonly manifests: Map<Digest, Recorded<{ readonly mediaType: string; readonly bytes: Buffer }>>;
  readonly blobs: Map<Digest, Recorded<Buffer>>;
}

/** What was read to judge images: enough to judge them again without their registry. */
export interface Recording {
  /** The names that it was recorded for, in canonical form. */
  readonly images: readonly string[];
  /** By `HOST/REPOSITORY`. */
  readonly repositories: ReadonlyMap<string, RecordedRepository>;
}

export function emptyRepository(): RecordedRepository {
  return { tags: new Map(), referrers: new Map(), manifests: new Map(), blobs: new Map() };
}

/**
 * Several recordings as one. Throws `CONFIG_INVALID` where two of them say different things of one tag or one list of
 * signatures: which of them were true would be left to chance.
 */
export function mergeRecordings(recordings: readonly Recording[]): Recording {
  const [only, ...others] = recordings;
  if (only !== undefined && others.length === 0) return only;
  const repositories = new Map<string, RecordedRepository>();
  for (const recording of recordings)
    for (const [name, from] of recording.repositories) {
      const to = repositories.get(name) ?? emptyRepository();
      repositories.set(name, to);
      addAll(to.tags, from.tags, (tag) => `${name}:${tag}`);
      addAll(to.referrers, from.referrers, (digest) => `the signatures of ${name}@${digest}`);
      // Content says the same wherever it was read; what was not there once may have been there later.
      addContent(to.manifests, from.manifests);
      addContent(to.blobs, from.blobs);
    }
  return { images: [...new Set(recordings.flatMap(({ images }) => images))], repositories };
}

function addAll<K, V>(to: Map<K, V>, from: ReadonlyMap<K, V>, describe: (key: K) => string): void {
  for (const [key, value] of from) {
    const other = to.get(key);
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(value))
      throw new TrustError("CONFIG_INVALID", `two recordings say different things of ${describe(key)}`, {
        expected: "recordings of one time",
        hint: "Record both images into one file with: trust policy record IMAGE IMAGE --file FILE",
      });
    to.set(key, value);
  }
}

function addContent<T>(to: Map<Digest, Recorded<T>>, from: ReadonlyMap<Digest, Recorded<T>>): void {
  for (const [digest, content] of from) {
    const other = to.get(digest);
    if (other === undefined || "error" in other) to.set(digest, content);
  }
}
