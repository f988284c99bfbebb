import { stat } from "node:fs/promises";
import { type Digest, isDigest } from "../crypto/digest.ts";
import { TrustError } from "../errors.ts";
import {
  type ArchiveLayout,
  createLayoutTar,
  type Layout,
  type NewArchiveLayout,
  openLayout,
  openLayoutTar,
} from "./layout.ts";
import { recordedName, recordedTag, unnamed } from "./layout-index.ts";
import type { Descriptor } from "./manifest.ts";
import { formatReference, type ImageReference, isTag, parseReference } from "./reference.ts";

/** What comes before the path where an image is meant that lies in a layout: `oci-layout:DIR[:TAG]`. */
export const layoutScheme = "oci-layout:";

/** An image in a layout, as somebody names it. */
export interface LayoutPlace {
  readonly path: string;
  /** A tag, or a whole name. */
  readonly name?: string;
  readonly digest?: Digest;
}

/**
 * Reads PATH[:NAME][@DIGEST]. A path that is there is taken as it is, with its colons; else the first colon ends it, as
 * in the `oci:` names of containers/image.
 */
export async function parseLayoutPlace(text: string, resolvePath: (path: string) => string): Promise<LayoutPlace> {
  const at = text.lastIndexOf("@");
  const tail = text.slice(at + 1);
  const [rest, digest] = at >= 0 && isDigest(tail) ? [text.slice(0, at), tail] : [text, undefined];
  const colons = [...rest.matchAll(/:/g)].map(({ index }) => index);
  const splits = [rest.length, ...colons].filter((end) => end > 0);
  let end = splits[1] ?? rest.length;
  for (const candidate of splits) {
    if ((await kindOf(resolvePath(rest.slice(0, candidate)))) === undefined) continue;
    end = candidate;
    break;
  }
  const name = rest.slice(end + 1);
  if (rest === "" || rest.startsWith(":") || (end < rest.length && name === ""))
    throw new TrustError(
      "REFERENCE_INVALID",
      `${JSON.stringify(text.slice(0, 300))} does not name an image of a layout`,
      {
        expected: `${layoutScheme}PATH[:TAG][@DIGEST]`,
        found: text.slice(0, 300),
      },
    );
  const path = resolvePath(rest.slice(0, end));
  return { path, ...(name === "" ? {} : { name }), ...(digest === undefined ? {} : { digest }) };
}

async function kindOf(path: string): Promise<"folder" | "file" | undefined> {
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) return undefined;
  return stats.isDirectory() ? "folder" : "file";
}

/** Opens the layout of a folder or of an archive. Errors as of `openLayout`. */
export async function openLayoutAt(path: string): Promise<Layout & Partial<ArchiveLayout>> {
  return (await kindOf(path)) === "file" ? openLayoutTar(path) : openLayout(path);
}

/** A layout to put images into; for an archive they are there once it is finished. */
export type WritableLayout = Layout & Partial<Pick<NewArchiveLayout, "finish">>;

/** Opens or begins the layout of a folder, or begins an archive, by the ending `.tar`. Errors as of both. */
export async function openLayoutFor(path: string): Promise<WritableLayout> {
  const kind = await kindOf(path);
  const isArchive = kind === "file" || (kind === undefined && path.endsWith(".tar"));
  return isArchive ? createLayoutTar(path) : openLayout(path, { create: true });
}

/**
 * The image that is meant: by its digest, its tag or its whole name, or the only one there is. The reference has its
 * digest, and the name that was recorded with it, which is the layout's claim; an image without one is in the repository
 * `unnamed`. Throws `IMAGE_NOT_FOUND`, `USAGE` where it could be several.
 */
export async function imageIn(
  layout: Layout,
  { path, name, digest }: LayoutPlace,
): Promise<ImageReference & { readonly digest: Digest }> {
  const images = await layout.images();
  const wanted = images.filter(
    (image) => (digest === undefined || image.digest === digest) && (name === undefined || isCalled(image, name)),
  );
  const [image] = wanted;
  if (new Set(wanted.map((found) => found.digest)).size > 1) throw severalImages(path, wanted);
  if (image !== undefined) return referenceOf(image);
  if (digest === undefined || name !== undefined) throw noImage(path, name ?? "", images);
  // A platform of an image has no entry of its own.
  const { descriptor } = await layout.fetchManifest(unnamed, digest);
  return { ...unnamed, digest: descriptor.digest };
}

/** What each image of a layout is called after its path: `:NAME`, or `@DIGEST` where it has no name. */
export async function suffixesOf(layout: Layout): Promise<readonly string[]> {
  const suffixes = (await layout.images()).map((image) => {
    const whole = recordedName(image);
    const name = whole === undefined ? recordedTag(image) : formatReference(whole);
    return name === undefined || whole?.digest !== undefined ? `@${image.digest}` : `:${name}`;
  });
  return [...new Set(suffixes)];
}

/** Whether a reference that `imageIn` gave has a recorded name. */
export function isNamed(image: ImageReference): boolean {
  return image.registry !== unnamed.registry;
}

function isCalled(image: Descriptor, name: string): boolean {
  if (recordedTag(image) === name) return true;
  const whole = recordedName(image);
  if (whole === undefined || isTag(name)) return false;
  try {
    return formatReference(parseReference(name)) === formatReference(whole);
  } catch (error) {
    if (error instanceof TrustError) return false;
    throw error;
  }
}

function referenceOf(image: Descriptor): ImageReference & { readonly digest: Digest } {
  const { registry, repository, tag } = recordedName(image) ?? { ...unnamed, tag: recordedTag(image) };
  return { registry, repository, ...(tag === undefined ? {} : { tag }), digest: image.digest };
}

function namesOf(images: readonly Descriptor[]): string {
  const names = images.map((image) => {
    const whole = recordedName(image);
    return whole === undefined ? (recordedTag(image) ?? image.digest) : formatReference(whole);
  });
  return names.slice(0, 20).join(", ").slice(0, 1000) || "no images";
}

function severalImages(path: string, images: readonly Descriptor[]): TrustError {
  return new TrustError("USAGE", `${path} holds several images`, {
    expected: "one of them by its name",
    found: namesOf(images),
    hint: `Name one: ${layoutScheme}PATH:TAG, or ${layoutScheme}PATH@DIGEST`,
  });
}

function noImage(path: string, name: string, images: readonly Descriptor[]): TrustError {
  return new TrustError("IMAGE_NOT_FOUND", `${path} holds no image ${name}`.trimEnd(), {
    expected: name === "" ? "an image" : name,
    found: namesOf(images),
    hint: "Name one of the images that were found, by tag or digest",
  });
}
