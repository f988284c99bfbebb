import { mkdir } from "node:fs/promises";
import { TrustError } from "../../errors.ts";
import { type BlobStore, openBlobs } from "./blobs.ts";
import { ensureFolder, errorCode, readIfThere, removeAll, writeDurably } from "./files.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { createTurns, type Guard, lockFile, openGuard } from "./locks.ts";
import { type ManifestStore, openManifests } from "./manifests.ts";
import { openReferrers, type ReferrerStore } from "./referrers.ts";
import { openRepositories, type RepositoryIndex } from "./repositories.ts";
import { openUploads, type UploadStore } from "./uploads.ts";

/**
 * Content on disk, addressed by digest. Whatever is visible is whole: it was written under another name, put on disk
 * and renamed, so a process that ends at any moment leaves at most files that nothing names.
 */
export interface Storage {
  readonly layout: Layout;
  readonly blobs: BlobStore;
  readonly uploads: UploadStore;
  readonly manifests: ManifestStore;
  readonly referrers: ReferrerStore;
  readonly repositories: RepositoryIndex;
  /** Keeps a collector out between checking content and referring to it. */
  readonly guard: Guard;
  /** Lets go of the locks. */
  close(): void;
}

const formatName = "trust-registry 1\n";

/**
 * Opens a storage folder, made if it is not there, for this process alone, and removes what a process that ended
 * suddenly left behind. Throws `CONFIG_INVALID` where another process has it open or it holds something else,
 * `FILE_UNWRITABLE` where it cannot be made.
 */
export async function openStorage(folder: string): Promise<Storage> {
  const layout = layoutOf(folder);
  await prepare(layout);
  const lock = lockFile(layout.serverLock, `the storage folder ${folder}`);
  try {
    await clearTemporary(layout);
    const turns = createTurns();
    const guard = openGuard(layout.sweepLock);
    const repositories = openRepositories(layout);
    const blobs = openBlobs(layout, guard, repositories);
    const manifests = openManifests(layout, repositories, turns, guard);
    return {
      layout,
      blobs,
      manifests,
      repositories,
      guard,
      referrers: openReferrers(layout, manifests),
      uploads: openUploads(layout, blobs, turns),
      close() {
        guard.release();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function prepare(layout: Layout): Promise<void> {
  try {
    // What is private in the registry is private on disk, also in a folder that was there before.
    await mkdir(layout.root, { recursive: true, mode: 0o700 });
    for (const path of [layout.blobs, layout.repositories, layout.uploads, layout.temporary])
      await ensureFolder(path, 0o700);
    const version = `${layout.root}/version`;
    const found = await readIfThere(version);
    if (found === undefined) await writeDurably(version, formatName, layout.temporary);
    else if (found.toString() !== formatName) throw otherFormat(layout.root, found.toString());
  } catch (cause) {
    if (cause instanceof TrustError) throw cause;
    throw new TrustError("FILE_UNWRITABLE", `the storage folder ${layout.root} cannot be used`, {
      found: errorCode(cause),
      cause,
    });
  }
}

function otherFormat(folder: string, found: string): TrustError {
  return new TrustError("CONFIG_INVALID", `the storage folder ${folder} is of another version`, {
    expected: formatName.trim(),
    found: found.trim().slice(0, 50),
  });
}

/** Nobody but the holder of the lock writes there. */
async function clearTemporary(layout: Layout): Promise<void> {
  await removeAll(layout.temporary);
  await ensureFolder(layout.temporary, 0o700);
}
