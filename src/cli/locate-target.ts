import type { CopiedImage } from "../copy.ts";
import { type ImageReference, isTag, parseReference } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import type { CommandContext } from "./command.ts";
import { isInLayout, type LocatedImage } from "./locate.ts";

/** Where an image is put. */
export interface TargetImage extends Omit<LocatedImage, "isNamed"> {
  /** Makes what was copied visible where that takes a last step. */
  finish(copied: Pick<CopiedImage, "digest" | "mediaType" | "size">): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the place that the user named to put an image, making a layout where there is none. In a layout the image keeps
 * the name it comes with. Errors as of opening either.
 */
export async function openTarget(
  context: CommandContext,
  registry: Registry,
  text: string,
  source: ImageReference,
): Promise<TargetImage> {
  if (isInLayout(text)) return openLayoutTarget(context, text, source);
  const image = parseReference(text);
  return { text, registry, image, finish: () => Promise.resolve(), close: () => Promise.resolve() };
}

async function openLayoutTarget(context: CommandContext, text: string, source: ImageReference): Promise<TargetImage> {
  const { layoutScheme, openLayoutFor, parseLayoutPlace } = await import("../oci/locate.ts");
  const { path, name, digest } = await parseLayoutPlace(text.slice(layoutScheme.length), context.resolvePath);
  const image = named(source, name);
  const layout = await openLayoutFor(path);
  return {
    text,
    registry: layout,
    image: digest === undefined ? image : { ...image, digest },
    async finish({ mediaType, digest: copied, size }) {
      await layout.list(
        { mediaType, digest: copied, size },
        image.tag === undefined ? { ...image, digest: copied } : image,
      );
      await layout.finish?.();
    },
    close: () => layout.close(),
  };
}

/** The name to record: the given one where it is whole, the source's under the given tag, or the source's. */
function named({ registry, repository, tag }: ImageReference, name: string | undefined): ImageReference {
  if (name !== undefined && !isTag(name)) return parseReference(name);
  const own = name ?? tag;
  return { registry, repository, ...(own === undefined ? {} : { tag: own }) };
}
