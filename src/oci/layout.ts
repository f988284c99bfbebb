import { readdir } from "node:fs/promises";
import { TrustError } from "../errors.ts";
import { dockerArchive } from "./docker-archive.ts";
import { type ArchiveFiles, newArchive } from "./layout-archive.ts";
import { type LayoutFiles, layoutFolder } from "./layout-files.ts";
import * as layoutIndex from "./layout-index.ts";
import { changesOf, type Layout, layoutOver, pieces, writeIndex } from "./layout-registry.ts";
import { layoutTar } from "./layout-tar.ts";

export type { Layout } from "./layout-registry.ts";

/**
 * Opens a layout folder; with `create` a missing or empty one is made a layout. Throws `FILE_NOT_FOUND`,
 * `FILE_UNREADABLE`, `FILE_UNWRITABLE`, `FILE_EXISTS` where the folder holds something else, `MANIFEST_INVALID` where
 * it is a layout of another version.
 */
export async function openLayout(folder: string, options: { readonly create?: boolean } = {}): Promise<Layout> {
  const files = layoutFolder(folder);
  const marker = await files.read(markerFile, 4096);
  if (marker !== undefined) checkMarker(files, marker);
  else if (options.create === true) await createLayout(folder, files);
  else throw notALayout(folder);
  return layoutOver(files, () => Promise.resolve());
}

/** A layout inside an archive. */
export interface ArchiveLayout extends Layout {
  /** True for what older `docker save` writes: the image is made of it here, so that its digest is not the registry's. */
  readonly isConverted: boolean;
  /** True for what any `docker save` writes. */
  readonly isOfDocker: boolean;
}

/**
 * Opens a layout inside an uncompressed tar archive, or an archive of `docker save`, for reading only. Throws as
 * {@link openLayout}.
 */
export async function openLayoutTar(file: string): Promise<ArchiveLayout> {
  const archive = await layoutTar(file);
  try {
    const marker = await archive.read(markerFile, 4096);
    const converted = marker === undefined ? await dockerArchive(archive) : undefined;
    if (marker !== undefined) checkMarker(archive, marker);
    else if (converted === undefined) throw notALayout(file);
    const isOfDocker = (await archive.size("manifest.json")) !== undefined;
    return { ...layoutOver(converted ?? archive, archive.close), isConverted: converted !== undefined, isOfDocker };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

/** A layout that is being written into a tar archive. */
export interface NewArchiveLayout extends Layout {
  /** Gives the archive its name; until then, and after `close` alone, nothing is there. */
  finish(): Promise<void>;
}

/**
 * Begins a tar archive of a new layout; the same content, pushed in the same order, gives the same bytes. Throws
 * `FILE_EXISTS`, `FILE_UNWRITABLE`.
 */
export async function createLayoutTar(file: string): Promise<NewArchiveLayout> {
  const files: ArchiveFiles = await newArchive(file);
  try {
    await files.changes.write(markerFile, pieces(marker), marker.length);
    await writeIndex(files, await layoutIndex.readLayoutIndex(files), []);
  } catch (error) {
    await files.close();
    throw error;
  }
  return { ...layoutOver(files, files.close), finish: files.finish };
}

const markerFile = "oci-layout";
const marker = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

function checkMarker(files: LayoutFiles, marker: Buffer): void {
  const version = layoutIndex.parseObject(marker, `${files.where}/${markerFile}`)["imageLayoutVersion"];
  if (typeof version === "string" && version.startsWith("1.")) return;
  throw new TrustError("MANIFEST_INVALID", `${files.where} is a layout of an unknown version`, {
    expected: "imageLayoutVersion 1.x",
    found: String(version).slice(0, 50),
  });
}

async function createLayout(folder: string, files: LayoutFiles): Promise<void> {
  await expectEmpty(folder);
  // The marker comes last: a folder that has it is a whole layout.
  const index = await layoutIndex.readLayoutIndex(files);
  await writeIndex(
    files,
    index,
    index.entries.map(({ raw }) => raw),
  );
  await changesOf(files).write(markerFile, pieces(marker), marker.length);
}

/** A mistyped path must not make a layout of somebody's folder; what an interrupted creation left is no obstacle. */
async function expectEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  const [other] = names.filter((name) => !["index.json", "blobs"].includes(name) && !name.endsWith(".tmp"));
  if (other === undefined) return;
  throw new TrustError("FILE_EXISTS", `${folder} is there and is not an OCI image layout`, {
    expected: "a layout, or no such folder",
    found: `a folder with ${other.slice(0, 100)}`,
  });
}

function notALayout(where: string): TrustError {
  return new TrustError("FILE_NOT_FOUND", `${where} is not an OCI image layout: it has no ${markerFile} file`, {
    hint: "Give the folder that holds oci-layout, index.json and blobs",
  });
}
