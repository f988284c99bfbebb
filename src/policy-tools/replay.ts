import type { Digest } from "../crypto/digest.ts";
import { isDigest } from "../crypto/digest.ts";
import { errorCodes, TrustError } from "../errors.ts";
import type { Descriptor } from "../oci/manifest.ts";
import { formatRepository, manifestReference, type RepositoryName } from "../oci/reference.ts";
import type { Registry, TaggedManifest } from "../oci/registry.ts";
import type { Recorded, RecordedRepository, Recording } from "./recording.ts";

/**
 * A recording as a registry, for reading. What was not recorded is not known, so that it is `EVIDENCE_NOT_RECORDED`,
 * never "not there".
 */
export function replay(recording: Recording): Registry {
  const repositoryOf = (name: RepositoryName, what: string): RecordedRepository => {
    const found = recording.repositories.get(formatRepository(name));
    if (found === undefined) throw notRecorded(what);
    return found;
  };
  const manifestAt = (name: RepositoryName, digest: Digest): TaggedManifest => {
    const what = `${formatRepository(name)}@${digest}`;
    const { mediaType, bytes } = answerOf(repositoryOf(name, what).manifests.get(digest), what);
    return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
  };
  const fetchManifest: Registry["fetchManifest"] = async (name, reference) => {
    if (isDigest(reference)) return manifestAt(name, reference);
    const what = `${formatRepository(name)}:${reference}`;
    return manifestAt(name, answerOf(repositoryOf(name, what).tags.get(reference), what));
  };
  const fetchBlob: Registry["fetchBlob"] = async (name, descriptor, maxBytes) => {
    const what = `the blob ${descriptor.digest} of ${formatRepository(name)}`;
    const bytes = answerOf(repositoryOf(name, what).blobs.get(descriptor.digest), what);
    checkSize(descriptor, bytes.length, maxBytes);
    return bytes;
  };
  return {
    resolve: async (ref) => (await fetchManifest(ref, manifestReference(ref))).descriptor,
    fetchManifest,
    fetchBlob,
    async *streamBlob(name, descriptor) {
      yield await fetchBlob(name, descriptor, descriptor.size);
    },
    async listReferrers(name, subject) {
      const what = `the signatures of ${formatRepository(name)}@${subject}`;
      return answerOf(repositoryOf(name, what).referrers.get(subject), what);
    },
    pushBlob: refuse,
    pushManifest: refuse,
    deleteManifest: refuse,
    async *listTags(name) {
      yield* repositoryOf(name, formatRepository(name)).tags.keys();
    },
    async *listRepositories(registry) {
      for (const name of recording.repositories.keys())
        if (name.startsWith(`${registry}/`)) yield name.slice(registry.length + 1);
    },
  };
}

function answerOf<T>(answer: Recorded<T> | undefined, what: string): T {
  if (answer === undefined) throw notRecorded(what);
  if ("value" in answer) return answer.value;
  throw new TrustError(answer.error, `${what}: ${answer.error}, as it was recorded`, {
    hint: errorCodes[answer.error].hint,
  });
}

function notRecorded(what: string): TrustError {
  return new TrustError("EVIDENCE_NOT_RECORDED", `${what} is not in the recorded evidence`, {
    expected: "an evidence file that was recorded of it",
  });
}

/** As a registry's client does: the size in a manifest is a stranger's claim. */
function checkSize({ size, digest }: Partial<Descriptor>, found: number, maxBytes: number): void {
  if (found > maxBytes)
    throw new TrustError("CONTENT_TOO_LARGE", `the blob ${digest} is too large`, {
      expected: `at most ${maxBytes} bytes`,
      found: `${found} bytes`,
    });
  if (size !== undefined && size !== found)
    throw new TrustError("CONTENT_MISMATCH", `the blob ${digest} has another size than its descriptor says`, {
      expected: `${size} bytes`,
      found: `${found} bytes`,
    });
}

async function refuse(): Promise<never> {
  throw new TrustError("REGISTRY_REFUSED", "recorded evidence cannot be written to", {
    expected: "reading only",
  });
}
