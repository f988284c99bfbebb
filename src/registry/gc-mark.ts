import { join } from "node:path";
import { type Digest, isDigest, matchesDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { type ImageIndex, type ImageManifest, parseManifest } from "../oci/manifest.ts";
import { mapLimit } from "../oci/parallel.ts";
import { namesIn, readIfThere, statIfThere } from "./storage/files.ts";
import { type Layout, tagOfFile } from "./storage/layout.ts";
import { readRecord } from "./storage/records.ts";

/** A file that stands for a digest, and when it was last used (milliseconds since the epoch). */
export interface Mark {
  readonly digest: Digest;
  readonly path: string;
  readonly usedAt: number;
}

/** Whatever a repository holds, as the collector sees it. */
export interface RepositoryMarks {
  readonly name: string;
  readonly manifests: readonly Mark[];
  readonly blobLinks: readonly Mark[];
  readonly tagged: ReadonlySet<Digest>;
  /** Nothing where the content is missing, damaged or unreadable: then nobody knows what it refers to. */
  readonly documents: ReadonlyMap<Digest, ImageManifest | ImageIndex | undefined>;
}

export async function markRepository(layout: Layout, name: string): Promise<RepositoryMarks> {
  const manifests = await marksIn(layout.manifests(name));
  const documents = await mapLimit(manifests, 8, async ({ digest, path }) => {
    const record = await readRecord(path);
    const bytes = await readIfThere(layout.blob(digest));
    return [digest, parseOrNothing(bytes, digest, record?.mediaType)] as const;
  });
  const tags = (await namesIn(layout.tags(name))).map(tagOfFile).filter((tag) => tag !== undefined);
  const tagged = await mapLimit(tags, 8, async (tag) => (await readRecord(layout.tag(name, tag)))?.digest);
  return {
    name,
    manifests,
    blobLinks: await marksIn(layout.blobLinks(name)),
    tagged: new Set(tagged.filter((digest) => digest !== undefined)),
    documents: new Map(documents),
  };
}

function parseOrNothing(
  bytes: Buffer | undefined,
  digest: Digest,
  mediaType: string | undefined,
): ImageManifest | ImageIndex | undefined {
  if (bytes === undefined || mediaType === undefined || !matchesDigest(bytes, digest)) return undefined;
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}

/** The files `ALG/HEX` in a folder. */
async function marksIn(folder: string): Promise<Mark[]> {
  const marks: Mark[] = [];
  for (const algorithm of await namesIn(folder)) {
    const found = await mapLimit(await namesIn(join(folder, algorithm)), 8, async (hex) => {
      const [digest, path] = [`${algorithm}:${hex}`, join(folder, algorithm, hex)];
      const changedAt = (await statIfThere(path))?.changedAt;
      return isDigest(digest) && changedAt !== undefined ? [{ digest, path, usedAt: changedAt }] : [];
    });
    marks.push(...found.flat());
  }
  return marks;
}

/**
 * Manifests that nothing keeps: no tag, no index that is kept, no subject that is kept, and older than `cutoff`. What is
 * younger counts as kept.
 */
export function unkeptManifests(marks: RepositoryMarks, cutoff: number): readonly Mark[] {
  const referrers = new Map<Digest, Digest[]>();
  for (const [digest, document] of marks.documents) {
    const subject = document?.subject?.digest;
    if (subject !== undefined) referrers.set(subject, [...(referrers.get(subject) ?? []), digest]);
  }
  const kept = new Set<Digest>();
  const waiting: Digest[] = [
    ...marks.tagged,
    ...marks.manifests.filter(({ usedAt }) => usedAt >= cutoff).map(({ digest }) => digest),
  ];
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (kept.has(digest)) continue;
    kept.add(digest);
    const document = marks.documents.get(digest);
    if (document?.kind === "index") waiting.push(...document.manifests.map((child) => child.digest));
    waiting.push(...(referrers.get(digest) ?? []));
  }
  return marks.manifests.filter(({ digest }) => !kept.has(digest));
}

/**
 * Blob links that no manifest of the repository needs, older than `cutoff`; `gone` are manifests that no longer count.
 * None where a manifest cannot be read.
 */
export function unneededLinks(marks: RepositoryMarks, gone: ReadonlySet<Digest>, cutoff: number): readonly Mark[] {
  const needed = new Set<Digest>();
  for (const [digest, document] of marks.documents) {
    if (gone.has(digest)) continue;
    if (document === undefined) return [];
    const references = document.kind === "index" ? document.manifests : [document.config, ...document.layers];
    for (const reference of references) needed.add(reference.digest);
  }
  return marks.blobLinks.filter(({ digest, usedAt }) => usedAt < cutoff && !needed.has(digest));
}
