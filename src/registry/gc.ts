import { basename, dirname, join } from "node:path";
import { type Digest, isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import { type Mark, markRepository, type RepositoryMarks, unkeptManifests, unneededLinks } from "./gc-mark.ts";
import { namesIn, removeEmptyFolder, removeFile, statIfThere } from "./storage/files.ts";
import { type Layout, layoutOf } from "./storage/layout.ts";
import { alone, lockFile } from "./storage/locks.ts";
import { walk } from "./storage/repositories.ts";

export interface CollectOptions {
  /** Only counts what would go. */
  readonly dryRun?: boolean;
  /** Also deletes manifests that no tag, no index and no subject keeps. Without it, what was pushed by digest stays. */
  readonly untagged?: boolean;
  /** What was pushed or looked at in the last so many milliseconds stays: a push that is under way needs it. One hour. */
  readonly graceMs?: number;
}

/** What was deleted, or would be. */
export interface CollectReport {
  readonly repositories: number;
  readonly manifests: number;
  /** Blobs taken out of repositories none of whose manifests needs them. */
  readonly links: number;
  /** Files of content, which may have been in several repositories. */
  readonly blobs: number;
  readonly bytes: number;
  /** Manifests that cannot be read; their repositories keep all their blobs. */
  readonly damaged: number;
}

interface Run {
  readonly layout: Layout;
  readonly cutoff: number;
  readonly dryRun: boolean;
  readonly untagged: boolean;
  /** Everything that repositories still hold. */
  readonly held: Set<Digest>;
}

const defaultGraceMs = 60 * 60 * 1000;
const batch = 50;

/**
 * Deletes content that nothing refers to, and nothing else: blobs that no manifest of their repository names, and content
 * that no repository holds. Signatures and other referrers stay with their subject. Safe while a registry serves the
 * same folder: whatever a push relies on is marked as used under a lock, and the mark is looked at again under that lock
 * before each deletion. Throws `CONFIG_INVALID` where the folder holds no registry or another collector is at work.
 */
export async function collectGarbage(folder: string, options: CollectOptions = {}): Promise<CollectReport> {
  const layout = layoutOf(folder);
  if ((await statIfThere(join(folder, "version"))) === undefined)
    throw new TrustError("CONFIG_INVALID", `${folder} is not the storage folder of a registry`, {
      expected: "a folder that trust registry serve has used",
      found: folder,
    });
  const lock = lockFile(layout.collectorLock, `garbage collection in ${folder}`);
  try {
    const { dryRun = false, untagged = false, graceMs = defaultGraceMs } = options;
    const run: Run = { layout, cutoff: Date.now() - graceMs, dryRun, untagged, held: new Set() };
    // Pushes that marked their content before the cutoff have named it when this returns.
    await alone(layout.sweepLock, async () => {});
    return await collect(run);
  } finally {
    lock.release();
  }
}

async function collect(run: Run): Promise<CollectReport> {
  const names = await walk(run.layout.repositories);
  let [manifests, links, damaged] = [0, 0, 0];
  for (const name of names) {
    const found = await collectRepository(run, name);
    manifests += found.manifests;
    links += found.links;
    damaged += found.damaged;
  }
  return { repositories: names.size, manifests, links, damaged, ...(await collectContent(run)) };
}

async function collectRepository(
  run: Run,
  name: string,
): Promise<{ manifests: number; links: number; damaged: number }> {
  let marks = await markRepository(run.layout, name);
  const gone = new Set<Digest>();
  if (run.untagged && unkeptManifests(marks, run.cutoff).length > 0) {
    await alone(run.layout.sweepLock, async () => {
      // Looked at again, because a tag may have come in between.
      marks = await markRepository(run.layout, name);
      for (const mark of unkeptManifests(marks, run.cutoff)) {
        gone.add(mark.digest);
        if (!run.dryRun) await removeManifest(run, marks, mark);
      }
    });
  }
  const links = await sweep(run, unneededLinks(marks, gone, run.cutoff));
  for (const { digest } of marks.manifests) if (!gone.has(digest)) run.held.add(digest);
  for (const { digest } of marks.blobLinks) if (!links.has(digest)) run.held.add(digest);
  if (!run.dryRun) await removeEmptyRepository(run, name);
  const damaged = [...marks.documents].filter(([digest, document]) => document === undefined && !gone.has(digest));
  return { manifests: gone.size, links: links.size, damaged: damaged.length };
}

async function removeManifest(run: Run, marks: RepositoryMarks, { digest, path }: Mark): Promise<void> {
  await removeFile(path);
  const subject = marks.documents.get(digest)?.subject?.digest;
  if (subject !== undefined) await removeFile(run.layout.referrer(marks.name, subject, digest));
}

/** Deletes files that are still as old as they were, in small batches so that pushes wait only for moments. */
async function sweep(run: Run, marks: readonly Mark[]): Promise<Map<Digest, number>> {
  const gone = new Map<Digest, number>();
  for (let i = 0; i < marks.length; i += batch) {
    await alone(run.layout.sweepLock, async () => {
      for (const { digest, path } of marks.slice(i, i + batch)) {
        const found = await statIfThere(path);
        if (found === undefined || found.changedAt >= run.cutoff) continue;
        if (!run.dryRun) await removeFile(path);
        gone.set(digest, found.size);
      }
    });
  }
  return gone;
}

async function collectContent(run: Run): Promise<{ blobs: number; bytes: number }> {
  const { blobs } = run.layout;
  let [count, bytes] = [0, 0];
  for (const algorithm of await namesIn(blobs)) {
    for (const prefix of await namesIn(join(blobs, algorithm))) {
      const digests = (await namesIn(join(blobs, algorithm, prefix))).map((hex) => `${algorithm}:${hex}`);
      const unheld = digests.filter(isDigest).filter((digest) => !run.held.has(digest));
      const gone = await sweep(
        run,
        unheld.map((digest) => ({ digest, path: run.layout.blob(digest), usedAt: 0 })),
      );
      count += gone.size;
      for (const size of gone.values()) bytes += size;
      if (!run.dryRun) for (const digest of gone.keys()) await removeEmptyFolder(dirname(run.layout.blob(digest)));
    }
  }
  return { blobs: count, bytes };
}

/** Removes what is left of a repository that holds nothing, and markers of referrers that never came or went. */
async function removeEmptyRepository(run: Run, name: string): Promise<void> {
  const { layout } = run;
  const referrers = join(layout.repository(name), "_referrers");
  for (const path of await filesBelow(referrers, 2)) {
    const manifest = basename(path).replace("-", ":");
    const orphan = isDigest(manifest) && (await statIfThere(layout.manifest(name, manifest))) === undefined;
    if (orphan) await sweep(run, [{ digest: manifest, path, usedAt: 0 }]);
    await removeEmptyFolder(dirname(path));
  }
  for (const part of ["_manifests", "_blobs", "_referrers"]) {
    const folder = join(layout.repository(name), part);
    for (const algorithm of await namesIn(folder)) await removeEmptyFolder(join(folder, algorithm));
    await removeEmptyFolder(folder);
  }
  await removeEmptyFolder(layout.tags(name));
  let folder = layout.repository(name);
  while (folder.length > layout.repositories.length && (await removeEmptyFolder(folder))) folder = dirname(folder);
}

async function filesBelow(folder: string, depth: number): Promise<string[]> {
  const names = (await namesIn(folder)).map((name) => join(folder, name));
  if (depth === 0) return names;
  return (await Promise.all(names.map((name) => filesBelow(name, depth - 1)))).flat();
}
