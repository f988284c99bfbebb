import type { Digest } from "../crypto/digest.ts";
import { isDigest } from "../crypto/digest.ts";
import { asTrustError, TrustError } from "../errors.ts";
import type { Descriptor } from "../oci/manifest.ts";
import { formatRepository, type ImageReference, manifestReference, type RepositoryName } from "../oci/reference.ts";
import type { Registry, TaggedManifest } from "../oci/registry.ts";
import {
  emptyRepository,
  type Recorded,
  type RecordedError,
  type RecordedRepository,
  type Recording,
  recordedErrors,
} from "./recording.ts";

/** The most bytes of content that are recorded together. */
export const maxRecordedBytes = 48 * 1024 * 1024;

/** A registry that remembers what was read through it, and what it remembers. */
export interface Recorder {
  readonly registry: Registry;
  /**
   * What was read so far. Throws the first error that says nothing for good about an image (an outage, missing
   * credentials): a recording with a hole would be judged as if there were nothing.
   */
  recording(images: readonly string[]): Recording;
}

/** Records what is read of a registry: names, listings and content, never how it was asked. Throws `CONTENT_TOO_LARGE` beyond 48 MiB. */
export function createRecorder(registry: Registry): Recorder {
  const repositories = new Map<string, RecordedRepository>();
  const failures: TrustError[] = [];
  let left = maxRecordedBytes;
  const of = (name: RepositoryName): RecordedRepository => {
    const key = formatRepository(name);
    const known = repositories.get(key) ?? emptyRepository();
    repositories.set(key, known);
    return known;
  };
  const take = (bytes: number) => {
    left -= bytes;
    if (left < 0) throw tooMuch();
  };
  const noting = async <T>(read: Promise<T>, note: (answer: Recorded<T>) => void): Promise<T> => {
    try {
      const value = await read;
      note({ value });
      return value;
    } catch (error) {
      const failure = asTrustError(error);
      if (isFinal(failure.code)) note({ error: failure.code });
      else failures.push(failure);
      throw error;
    }
  };
  const noteManifest = (name: RepositoryName, reference: string, answer: Recorded<TaggedManifest>) => {
    const { tags, manifests } = of(name);
    if ("error" in answer) {
      if (isDigest(reference)) manifests.set(reference, answer);
      else tags.set(reference, answer);
      return;
    }
    const { bytes, descriptor } = answer.value;
    if (!isDigest(reference)) tags.set(reference, { value: descriptor.digest });
    if (manifests.has(descriptor.digest)) return;
    take(bytes.length);
    manifests.set(descriptor.digest, { value: { mediaType: descriptor.mediaType, bytes } });
  };
  const noteResolved = (ref: ImageReference, answer: Recorded<Descriptor>) => {
    const reference = manifestReference(ref);
    if (!isDigest(reference)) of(ref).tags.set(reference, "error" in answer ? answer : { value: answer.value.digest });
    else if ("error" in answer) of(ref).manifests.set(reference, answer);
  };
  const noteBlob = (name: RepositoryName, digest: Digest, answer: Recorded<Buffer>) => {
    const { blobs } = of(name);
    const before = blobs.get(digest);
    // What was too large for one who asked was not for another: the content says it all.
    if (before !== undefined && ("value" in before || "error" in answer)) return;
    if ("value" in answer) take(answer.value.length);
    blobs.set(digest, answer);
  };
  return {
    registry: {
      ...registry,
      resolve: (ref, options) => noting(registry.resolve(ref, options), (answer) => noteResolved(ref, answer)),
      fetchManifest: (name, reference, options) =>
        noting(registry.fetchManifest(name, reference, options), (answer) => noteManifest(name, reference, answer)),
      fetchBlob: (name, descriptor, maxBytes, options) =>
        noting(registry.fetchBlob(name, descriptor, maxBytes, options), (answer) =>
          noteBlob(name, descriptor.digest, answer),
        ),
      listReferrers: (name, subject, maxPages, options) =>
        noting(registry.listReferrers(name, subject, maxPages, options), (answer) =>
          of(name).referrers.set(subject, answer),
        ),
    },
    recording(images) {
      const [failure] = failures;
      if (failure !== undefined) throw failure;
      return { images, repositories };
    },
  };
}

function isFinal(code: string): code is RecordedError {
  return recordedErrors.some((one) => one === code);
}

/** Of another code than what registries say: it must not be recorded as if one had. */
function tooMuch(): TrustError {
  return new TrustError("EVIDENCE_INCOMPLETE", "there is more than one recording holds", {
    expected: `at most ${maxRecordedBytes} bytes`,
    hint: "Record fewer images into one file",
  });
}
