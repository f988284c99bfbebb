import { type CopiedImage, copyImage } from "../../copy.ts";
import { openLayoutFor } from "../../oci/locate.ts";
import type { ImageReference } from "../../oci/reference.ts";
import { defineCommand } from "../command.ts";
import { createLocator, type LocatedImage } from "../locate.ts";
import { formatCopied } from "../print-copied.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";
import { createTransferProgress } from "../transfer-progress.ts";

export const command = defineCommand({
  name: "save",
  summary: "save images with their signatures into a folder or an archive",
  description:
    "Copies images with everything that is attached to them into an OCI layout: a folder, to which images can be added " +
    "later, or a tar archive, where the name ends in .tar. Names are recorded with the images. What is saved is verified " +
    "in place with trust verify oci-layout:PATH, is pushed with trust load, and is read by skopeo, oras, crane and cosign.",
  examples: [
    { about: "For a machine without a network", command: "trust save registry.example.com/prod/app:1.2 app.tar" },
    {
      about: "Several images in one folder",
      command: "trust save registry.example.com/prod/app:1.2 registry.example.com/prod/web:3.4 release/",
    },
    {
      about: "Verified where it is, without asking any registry",
      command: "trust save nginx:1.29 nginx.tar && trust verify --key release.pub oci-layout:nginx.tar",
    },
  ],
  arguments: {
    image: { summary: "an image, by tag or digest", many: true },
    path: { summary: "a folder, or a file whose name ends in .tar, which must not be there", completes: "files" },
  },
  options: {
    "no-signatures": { summary: "save the images alone, without signatures, attestations and SBOMs" },
    ...registryOptions,
  },
  async run(context, args, options) {
    const registry = await connect(context, options);
    const locator = createLocator(context, registry);
    const path = context.resolvePath(args.path);
    const progress = createTransferProgress(context, "saving");
    try {
      const sources: LocatedImage[] = [];
      // A name that is none is found before anything is written.
      for (const image of args.image) sources.push(await locator.find(image));
      const layout = await openLayoutFor(path);
      try {
        const saved: CopiedImage[] = [];
        for (const source of sources) {
          const image = nameOf(source.image);
          const { signal } = context.io;
          const withAttached = !options["no-signatures"];
          const target = { registry: layout, image };
          const copied = await copyImage(source, target, { withAttached, signal, monitor: progress });
          const { mediaType, digest, size } = copied;
          await layout.list({ mediaType, digest, size }, image.tag === undefined ? { ...image, digest } : image);
          saved.push({ ...copied, source: source.text, destination: args.path });
        }
        await layout.finish?.();
        progress.clear();
        const results = createResults<CopiedImage>(context, (each) => formatCopied(context.io.stdout, "saved", each));
        for (const [index, each] of saved.entries()) results.add(each, index);
        results.end();
        return 0;
      } finally {
        await layout.close();
      }
    } finally {
      progress.clear();
      await locator.close();
    }
  },
});

/** The name to record, without the digest it may have been found by. */
function nameOf({ registry, repository, tag }: ImageReference): ImageReference {
  return { registry, repository, ...(tag === undefined ? {} : { tag }) };
}
