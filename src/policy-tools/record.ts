import type { Digest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { createEvidenceStore, type EvidenceStore } from "../evidence/store.ts";
import { formats } from "../formats/index.ts";
import { withMirrors } from "../oci/mirrors.ts";
import { mapLimit } from "../oci/parallel.ts";
import { formatReference, type ImageReference, type RepositoryName } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import type { Whereabouts } from "../policy/mirrors.ts";
import { defaultSettings } from "../policy/settings.ts";
import { createRecorder } from "./recorder.ts";
import type { Recording } from "./recording.ts";

export interface RecordRequest {
  readonly images: readonly ImageReference[];
  /** Where policies say that evidence may be read. What comes from a mirror is recorded under its own name. */
  readonly whereabouts?: Whereabouts | undefined;
  /** Where signatures of all images are looked for, beside the image's own repository. */
  readonly signatureRepository?: RepositoryName | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of each image that is done. */
  readonly onImage?: ((image: string) => void) | undefined;
}

const imagesAtOnce = 4;
const subjectsAtOnce = 8;

/** Nobody: what is read does not depend on who is trusted. */
const trust = { revision: "nobody", keys: [] };

/**
 * Reads, of each image, whatever a policy could ask for: what its name stands for, its manifest, everything below an
 * index, the configs, and the signatures and attestations of all of these in all places. An image that is not there is
 * recorded as not there. Throws `EVIDENCE_INCOMPLETE` beyond 48 MiB, and what the registry failed with.
 */
export async function recordImages(registry: Registry, request: RecordRequest): Promise<Recording> {
  const { images, signatureRepository, now } = request;
  const recorder = createRecorder(withMirrors(registry, request.whereabouts?.mirrors ?? []));
  const store = createEvidenceStore({
    registry: recorder.registry,
    settings: defaultSettings,
    formats,
    signatureRepository,
    signaturesAt: request.whereabouts?.signaturesAt ?? [],
    now,
  });
  await mapLimit(images, imagesAtOnce, async (image) => {
    await unlessMissing(() => readImage(store, recorder.registry, image));
    request.onImage?.(formatReference(image));
  });
  return recorder.recording(images.map(formatReference));
}

async function readImage(store: EvidenceStore, registry: Registry, image: ImageReference): Promise<void> {
  const { digest } = await store.resolve(image, 0);
  await registry.fetchManifest(image, digest);
  const children = (await store.children(image, digest)) ?? [];
  const subjects: readonly Digest[] = [digest, ...children.map(({ descriptor }) => descriptor.digest)];
  await mapLimit(subjects, subjectsAtOnce, (subject) =>
    store.collect(image, subject, trust, 0, { attestations: true }),
  );
  await unlessMissing(() => store.configs(image, digest));
}

/** What the registry said for good is in the recording; that it says no is worth recording. */
async function unlessMissing(read: () => Promise<unknown>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof TrustError) || error.category !== "untrusted") throw error;
  }
}
