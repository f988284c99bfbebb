import type { Layout } from "../oci/layout.ts";
import { formatReference, type ImageReference, parseReference } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import type { VerifierOptions } from "../verify.ts";
import type { CommandContext } from "./command.ts";

/** An image where it is kept: in a registry, or in a layout on this machine. */
export interface LocatedImage {
  /** As the user wrote it where it is in a layout, else its whole name. */
  readonly text: string;
  readonly registry: Registry;
  /** In a layout: by digest, under the name that is recorded there. */
  readonly image: ImageReference;
  /** False for an image in a layout that says no name: it cannot be signed by name. */
  readonly isNamed: boolean;
}

/** Finds images by what users write: `[HOST/]REPOSITORY[:TAG][@DIGEST]`, or `oci-layout:PATH[:TAG][@DIGEST]`. */
export interface Locator {
  /** Throws `REFERENCE_INVALID`, and for layouts what opening them and finding the image throw. */
  find(text: string): Promise<LocatedImage>;
  /** Every image of a layout, as `find` takes them; of one image, that one. */
  list(text: string): Promise<readonly string[]>;
  /** What an image is judged with; for one in a layout that layout, under the recorded name or the one that is given. */
  verifierOptions(options: VerifierOptions, text: string, name?: ImageReference): Promise<VerifierOptions>;
  close(): Promise<void>;
}

/** What images in layouts begin with; the code that reads layouts is loaded with the first of them. */
const scheme = "oci-layout:";

export function isInLayout(text: string): boolean {
  return text.startsWith(scheme);
}

export function createLocator(context: CommandContext, registry: Registry): Locator {
  const layouts = new Map<string, Promise<Layout>>();
  const find = async (text: string): Promise<LocatedImage> => {
    if (isInLayout(text)) return findInLayout(context, layouts, text);
    const image = parseReference(text);
    return { text: formatReference(image), registry, image, isNamed: true };
  };
  return {
    find,
    list: (text) => listLayout(context, layouts, text),
    async verifierOptions(options, text, name) {
      if (!isInLayout(text)) return options;
      try {
        const located = await find(text);
        const { registry: own, repository, tag } = name ?? located.image;
        const { digest } = located.image;
        const reference = {
          registry: own,
          repository,
          ...(tag === undefined ? {} : { tag }),
          ...(digest && { digest }),
        };
        return { ...options, registry: located.registry, referenceOf: () => reference };
      } catch (error) {
        // The verdict tells it, as it tells of a name that is none.
        const referenceOf = (): never => {
          throw error;
        };
        return { ...options, referenceOf };
      }
    },
    async close() {
      for (const opening of layouts.values()) await opening.then((layout) => layout.close()).catch(() => undefined);
    },
  };
}

async function findInLayout(
  context: CommandContext,
  layouts: Map<string, Promise<Layout>>,
  text: string,
): Promise<LocatedImage> {
  const { imageIn, isNamed } = await import("../oci/locate.ts");
  const { layout, place } = await openPlace(context, layouts, text);
  const image = await imageIn(layout, place);
  return { text, registry: layout, image, isNamed: isNamed(image) };
}

async function listLayout(
  context: CommandContext,
  layouts: Map<string, Promise<Layout>>,
  text: string,
): Promise<readonly string[]> {
  const { suffixesOf } = await import("../oci/locate.ts");
  const { layout, place } = await openPlace(context, layouts, text);
  if (place.name !== undefined || place.digest !== undefined) return [text];
  return (await suffixesOf(layout)).map((suffix) => `${text}${suffix}`);
}

async function openPlace(context: CommandContext, layouts: Map<string, Promise<Layout>>, text: string) {
  const { openLayoutAt, parseLayoutPlace } = await import("../oci/locate.ts");
  const place = await parseLayoutPlace(text.slice(scheme.length), context.resolvePath);
  const opening = layouts.get(place.path) ?? openLayoutAt(place.path);
  layouts.set(place.path, opening);
  return { layout: await opening, place };
}
