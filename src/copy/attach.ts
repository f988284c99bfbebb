import { blobsOf } from "../attached/tree.ts";
import type { Digest } from "../crypto/digest.ts";
import { type Finding, TrustError, toFinding } from "../errors.ts";
import type { FetchedManifest } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { formatRepository } from "../oci/reference.ts";
import { referrerDescriptor } from "../oci/referrer-descriptor.ts";
import { attachReferrers, listReferrers } from "../oci/referrers.ts";
import { mergeSignatureLayers } from "../oci/signature-tag.ts";
import type { PlannedArtifact } from "./plan.ts";
import { absentAt, countManifest, sendManifest, sendManifests, type Transfer } from "./transfer.ts";

const subjectsAtOnce = 4;
const tagsAtOnce = 4;
const maxPages = 100;

/** The artifacts that the target lacks, or has another version of under their tag. */
export async function missingAt(
  transfer: Transfer,
  artifacts: readonly PlannedArtifact[],
): Promise<readonly PlannedArtifact[]> {
  const groups = Map.groupBy(artifacts, ({ subject, tag }) => (tag === undefined ? subject : undefined));
  const found = await mapLimit([...groups], subjectsAtOnce, ([subject, items]) =>
    subject === undefined ? tagsToWrite(transfer, items) : referrersToList(transfer, subject, items),
  );
  const wanted = new Set(found.flat());
  return artifacts.filter((item) => wanted.has(item));
}

async function referrersToList(
  transfer: Transfer,
  subject: Digest,
  items: readonly PlannedArtifact[],
): Promise<readonly PlannedArtifact[]> {
  const { target, to, signal } = transfer;
  const { descriptors, failure } = await listReferrers(target, to, subject, { maxPages, signal });
  if (failure !== undefined) throw failure;
  const listed = new Set(descriptors.map(({ digest }) => digest));
  // A list may name what is gone.
  const there = items.filter(({ root }) => listed.has(root.descriptor.digest)).map(({ root }) => root);
  const gone = new Set(await absentAt(transfer, there));
  return items.filter(({ root }) => !listed.has(root.descriptor.digest) || gone.has(root));
}

async function tagsToWrite(transfer: Transfer, items: readonly PlannedArtifact[]): Promise<readonly PlannedArtifact[]> {
  const present = await mapLimit(items, tagsAtOnce, ({ tag }) => fetchTagged(transfer, tag ?? ""));
  return items.filter(({ root }, i) => present[i]?.descriptor.digest !== root.descriptor.digest);
}

async function fetchTagged({ target, to, signal }: Transfer, tag: string): Promise<FetchedManifest | undefined> {
  try {
    return await target.fetchManifest(to, tag, { signal });
  } catch (error) {
    if (error instanceof TrustError && error.code === "IMAGE_NOT_FOUND") return undefined;
    throw error;
  }
}

/**
 * Puts the artifacts beside the image, where every reader looks for them: referrers into the target's list, signatures
 * of a tag beside those that the target has under it. Their blobs must be there. Answers with what had to be left out.
 */
export async function attachAll(
  transfer: Transfer,
  artifacts: readonly PlannedArtifact[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  // What something is attached to comes first.
  for (const [, level] of [...Map.groupBy(artifacts, ({ depth }) => depth)].sort(([a], [b]) => a - b)) {
    const referrers = Map.groupBy(
      level.filter(({ tag }) => tag === undefined),
      ({ subject }) => subject,
    );
    await mapLimit([...referrers], subjectsAtOnce, ([subject, items]) => attachTo(transfer, subject, items));
    const tagged = level.filter(({ tag }) => tag !== undefined);
    findings.push(...(await mapLimit(tagged, tagsAtOnce, (item) => putTagged(transfer, item))).flat());
  }
  return findings;
}

async function attachTo(transfer: Transfer, subject: Digest, items: readonly PlannedArtifact[]): Promise<void> {
  const { target, to, signal } = transfer;
  for (const { tree } of items) await sendManifests(transfer, tree.slice(0, -1));
  const referrers = items.map(({ root: { bytes, descriptor } }) => ({
    bytes,
    descriptor: referrerDescriptor(bytes, descriptor.mediaType, descriptor.digest),
  }));
  await attachReferrers(target, to, referrers, subject, { signal });
  for (const { root } of items) countManifest(transfer, root);
}

async function putTagged(transfer: Transfer, artifact: PlannedArtifact): Promise<readonly Finding[]> {
  const { target, to, signal } = transfer;
  const { root, tree, tag = "" } = artifact;
  const present = await fetchTagged(transfer, tag);
  if (present === undefined) {
    await sendManifests(transfer, tree.slice(0, -1));
    await sendManifest(transfer, root, tag);
    if (isMergeable(artifact)) await settle(transfer, tag, root);
    return [];
  }
  if (!isMergeable(artifact)) return [kept(transfer, artifact, present)];
  await mergeSignatureLayers(target, to, tag, root, { signal });
  countManifest(transfer, root);
  return [];
}

/** Others may have written the same tag in the same moment: looks until all of it stays. */
async function settle({ target, to, signal }: Transfer, tag: string, root: FetchedManifest): Promise<void> {
  try {
    await mergeSignatureLayers(target, to, tag, root, { signal, written: true });
  } catch (error) {
    // What nobody could add to is there as it was at the source.
    if (!(error instanceof TrustError) || error.code !== "REFERRERS_TAG_CONFLICT") throw error;
  }
}

/** Signatures and attestations stand side by side under their tag; of anything else a tag holds one. */
function isMergeable({ root, kind }: PlannedArtifact): boolean {
  return root.manifest.kind === "manifest" && (kind === "signature" || kind === "attestation");
}

function kept({ to }: Transfer, { root, tag }: PlannedArtifact, present: FetchedManifest): Finding {
  const error = new TrustError(
    "REFERRERS_TAG_CONFLICT",
    `${formatRepository(to)}:${tag} holds another one, which stays`,
    {
      expected: root.descriptor.digest,
      found: present.descriptor.digest,
      hint: "To have the one of the source, remove the present one with: trust clean --type sbom IMAGE; then copy again",
    },
  );
  return toFinding(error, { evidence: root.descriptor.digest });
}

/** The artifacts whose blobs are all at the source, and a finding for each of the others. */
export function withBlobs(
  artifacts: readonly PlannedArtifact[],
  missing: ReadonlyMap<Digest, TrustError>,
): { readonly whole: readonly PlannedArtifact[]; readonly findings: readonly Finding[] } {
  const gone = new Map(
    artifacts.flatMap((item) => {
      const error = blobsOf(item.tree).flatMap(({ digest }) => missing.get(digest) ?? [])[0];
      return error === undefined ? [] : [[item, error] as const];
    }),
  );
  return {
    whole: artifacts.filter((item) => !gone.has(item)),
    findings: [...gone].map(([{ root }, error]) => toFinding(error, { evidence: root.descriptor.digest })),
  };
}
