import { type CopiedImage, copyImage } from "../copy.ts";
import { TrustError } from "../errors.ts";
import type { Layout } from "../oci/layout.ts";
import { recordedName, recordedTag } from "../oci/layout-index.ts";
import { layoutScheme, openLayoutAt } from "../oci/locate.ts";
import type { Descriptor } from "../oci/manifest.ts";
import { formatReference, type ImageReference } from "../oci/reference.ts";
import type { Registry } from "../oci/registry.ts";
import type { CommandContext } from "./command.ts";
import type { Output } from "./io.ts";
import { plain } from "./print.ts";
import { attachedTo, formatLeftOut } from "./print-copied.ts";
import { createResults } from "./results.ts";
import { createTransferProgress } from "./transfer-progress.ts";

/** An image of a layout, and where it is to go. */
export interface Delivery {
  readonly from: ImageReference;
  readonly to: ImageReference;
}

/** What the commands that push out of a layout have in common. */
export interface Deliveries {
  /** `pushed`, `loaded` */
  readonly verb: string;
  /** The layout, as the user named it. */
  readonly path: string;
  /** Which images, decided once the layout is open. */
  choose(layout: Layout): Promise<readonly Delivery[]>;
}

/** Opens the layout that an argument names, with or without the scheme, and says what an archive of Docker cannot have. */
async function openArgument(context: CommandContext, path: string): Promise<Layout> {
  const bare = path.startsWith(layoutScheme) ? path.slice(layoutScheme.length) : path;
  const layout = await openLayoutAt(context.resolvePath(bare));
  if (layout.isOfDocker === true)
    context.note(
      `${path} was written by docker save, which keeps no signatures. ${
        layout.isConverted === true
          ? "The image made of it has another digest than in the registry it came from: signatures of that one do not fit."
          : "Unless Docker keeps its images in containerd, they have other digests than in the registry they came from."
      } Sign the image again, or save it with: trust save IMAGE PATH`,
    );
  return layout;
}

/** Pushes images out of a layout, with everything that is attached to them, and prints what came of it. */
export async function deliver(context: CommandContext, registry: Registry, deliveries: Deliveries): Promise<void> {
  const { verb, path } = deliveries;
  const { io } = context;
  const layout = await openArgument(context, path);
  const progress = createTransferProgress(context, "pushing");
  try {
    const results = createResults<Delivered>(context, (each) => formatDelivered(io.stdout, verb, each));
    for (const [index, { from, to }] of (await deliveries.choose(layout)).entries()) {
      const source = { registry: layout, image: from };
      const copied = await copyImage(source, { registry, image: to }, { signal: io.signal, monitor: progress });
      progress.clear();
      const { source: _, destination: image, ...rest } = copied;
      results.add({ image, ...rest }, index);
    }
    results.end();
  } finally {
    progress.clear();
    await layout.close();
  }
}

interface Delivered extends Omit<CopiedImage, "source" | "destination"> {
  readonly image: string;
}

function formatDelivered(output: Output, verb: string, delivered: Delivered): string {
  const { image, digest, signatures, attestations, sboms } = delivered;
  const withThem = signatures + attestations + sboms === 0 ? "" : `  with     ${attachedTo(delivered)}\n`;
  return `${verb} ${plain(image)}\n  digest   ${digest}\n${withThem}${formatLeftOut(output, delivered)}`;
}

/** The image that is meant for a name: the one with its digest, its whole name or its tag, or the only one there is. */
export async function imageFor(layout: Layout, image: ImageReference, path: string): Promise<ImageReference> {
  const { registry, repository, tag, digest } = image;
  if (digest !== undefined) return { registry, repository, digest };
  const images = await layout.images();
  const [only] = images;
  if (only !== undefined && new Set(images.map((each) => each.digest)).size === 1)
    return { registry, repository, digest: only.digest };
  const tagged = { registry, repository, ...(tag === undefined ? {} : { tag }) };
  try {
    return { registry, repository, digest: (await layout.resolve(tagged)).digest };
  } catch (cause) {
    if (!(cause instanceof TrustError) || cause.code !== "IMAGE_NOT_FOUND") throw cause;
    throw new TrustError("IMAGE_NOT_FOUND", `${path} has no image ${tag}`, {
      expected: `an image with the tag ${tag}`,
      found: namesOf(images),
      hint: "Push it by one of the tags in the layout, or name its digest: IMAGE@sha256:…",
      cause,
    });
  }
}

/** Every image of a layout under its recorded name. Throws `USAGE` where one has none. */
export async function namedImages(layout: Layout, path: string): Promise<readonly Delivery[]> {
  const images = await layout.images();
  if (images.length === 0) throw new TrustError("IMAGE_NOT_FOUND", `${path} holds no images`, { found: "no images" });
  return images.map((image) => {
    const to = recordedName(image);
    if (to === undefined) throw nameless(path, image);
    const { registry, repository } = to;
    return { from: { registry, repository, digest: image.digest }, to };
  });
}

function nameless(path: string, image: Descriptor): TrustError {
  return new TrustError("USAGE", `${path} does not say what its image is called`, {
    expected: "a name to push it to",
    found: recordedTag(image) ?? image.digest,
    hint: `Name it: trust load ${path} HOST/REPOSITORY:TAG`,
  });
}

function namesOf(images: readonly Descriptor[]): string {
  const names = images.map((image) => {
    const name = recordedName(image);
    return name === undefined ? (recordedTag(image) ?? image.digest) : formatReference(name);
  });
  return names.slice(0, 20).join(", ") || "no images";
}
