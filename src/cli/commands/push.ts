import { stat } from "node:fs/promises";
import { copyImage } from "../../copy.ts";
import { TrustError } from "../../errors.ts";
import { openLayout, openLayoutTar } from "../../oci/layout.ts";
import { formatReference, type ImageReference, parseReference } from "../../oci/reference.ts";
import { defineCommand } from "../command.ts";
import { plain } from "../print.ts";
import { createProgress } from "../progress.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";

export const command = defineCommand({
  name: "push",
  summary: "push an OCI layout to a registry",
  description:
    "Pushes an image, with all its platforms, from an OCI layout (a folder, or a tar archive of one) to a registry, byte " +
    "for byte, and says its digest. Of a layout with several images, the one with the tag of IMAGE is pushed.",
  examples: [
    { about: "What a build left in a folder", command: "trust push ./layout registry.example.com/prod/app:1.2" },
    { about: "An archive of docker buildx", command: "trust push app.tar registry.example.com/prod/app:1.2" },
  ],
  arguments: {
    layout: { summary: "an OCI layout: a folder, or an uncompressed tar archive", completes: "files" },
    image: { summary: "where to push it, by tag; with a digest nothing else is pushed" },
  },
  options: { ...registryOptions },
  async run(context, args, options) {
    const { io } = context;
    const image = parseReference(args.image);
    const layout = await open(context.resolvePath(args.layout));
    try {
      const registry = await connect(context, options);
      const progress = createProgress(context, "pushing");
      const source = await imageIn(layout, image, args.layout);
      const { digest, size, mediaType } = await copyImage(
        { registry: layout, image: source },
        { registry, image },
        {
          signal: io.signal,
          monitor: { begin: () => {}, bytes: () => {}, item: (copied) => progress.step(copied.digest) },
        },
      );
      progress.clear();
      const result = { image: formatReference(image), digest, mediaType, size };
      const results = createResults<typeof result>(
        context,
        () => `pushed ${plain(result.image)}\n  digest   ${digest}\n`,
      );
      results.add(result, 0);
      results.end();
      return 0;
    } finally {
      await layout.close();
    }
  },
});

type Layout = Awaited<ReturnType<typeof openLayout>>;

async function open(path: string): Promise<Layout> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isFolder ? openLayout(path) : openLayoutTar(path);
}

/** The image with the digest or tag that is asked for, or the only one there is. */
async function imageIn(layout: Layout, image: ImageReference, name: string): Promise<ImageReference> {
  const { registry, repository, tag, digest } = image;
  if (digest !== undefined) return { registry, repository, digest };
  const images = await layout.images();
  const [only] = images;
  if (only !== undefined && images.length === 1) return { registry, repository, digest: only.digest };
  const tagged = { registry, repository, ...(tag === undefined ? {} : { tag }) };
  try {
    await layout.resolve(tagged);
    return tagged;
  } catch (cause) {
    if (!(cause instanceof TrustError) || cause.code !== "IMAGE_NOT_FOUND") throw cause;
    throw new TrustError("IMAGE_NOT_FOUND", `${name} has no image ${tag}`, {
      expected: `an image with the tag ${tag}`,
      found: `${images.length} images`,
      hint: "Push it by one of the tags in the layout, or name its digest: IMAGE@sha256:…",
      cause,
    });
  }
}
