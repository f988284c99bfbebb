import { type CopiedImage, type CopyOptions, copyImage } from "../../copy.ts";
import type { Layout } from "../../oci/layout.ts";
import { openLayoutFor } from "../../oci/locate.ts";
import { mapLimit } from "../../oci/parallel.ts";
import type { ImageReference } from "../../oci/reference.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { createLocator, isInLayout, type LocatedImage } from "../locate.ts";
import { formatCopied } from "../print-copied.ts";
import { connect, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";
import { signatureRepositoryOf, signatureSource } from "../signature-repository.ts";
import { createTransferProgress } from "../transfer-progress.ts";

const concurrency = 4;

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
    "signature-repository": signatureSource,
    ...registryOptions,
  },
  async run(context, args, options) {
    const registry = await connect(context, options);
    const locator = createLocator(context, registry);
    const signatureRepository = signatureRepositoryOf(context, options["signature-repository"]);
    const wanted = { withAttached: !options["no-signatures"], signatureRepository };
    try {
      // A name that is none is found before anything is written.
      const sources = await mapLimit(args.image, concurrency, locator.find);
      const layout = await openLayoutFor(context.resolvePath(args.path));
      try {
        const saved = await saveAll(context, sources, layout, wanted);
        await layout.finish?.();
        const results = createResults<CopiedImage>(context, (each) => formatCopied(context.io.stdout, "saved", each));
        for (const [index, each] of saved.entries()) results.add({ ...each, destination: args.path }, index);
        results.end();
        return 0;
      } finally {
        await layout.close();
      }
    } finally {
      await locator.close();
    }
  },
});

/** One after the other: each sends its blobs as fast as they come. */
async function saveAll(
  context: CommandContext,
  sources: readonly LocatedImage[],
  layout: Layout,
  wanted: CopyOptions,
): Promise<readonly CopiedImage[]> {
  const monitor = createTransferProgress(context, "saving");
  const saved: CopiedImage[] = [];
  try {
    for (const source of sources) {
      const image = nameOf(source.image);
      const signatureRepository = isInLayout(source.text) ? undefined : wanted.signatureRepository;
      const options = { ...wanted, signatureRepository, signal: context.io.signal, monitor };
      const copied = await copyImage(source, { registry: layout, image }, options);
      const { mediaType, digest, size } = copied;
      await layout.list({ mediaType, digest, size }, image.tag === undefined ? { ...image, digest } : image);
      saved.push({ ...copied, source: source.text });
    }
    return saved;
  } finally {
    monitor.clear();
  }
}

/** The name to record, without the digest it may have been found by. */
function nameOf({ registry, repository, tag }: ImageReference): ImageReference {
  return { registry, repository, ...(tag === undefined ? {} : { tag }) };
}
