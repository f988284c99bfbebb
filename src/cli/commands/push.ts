import { parseReference } from "../../oci/reference.ts";
import { defineCommand } from "../command.ts";
import { deliver, imageFor } from "../layout-images.ts";
import { connect, registryOptions } from "../registry.ts";

export const command = defineCommand({
  name: "push",
  summary: "push an OCI layout to a registry",
  description:
    "Pushes an image, with all its platforms and what is attached to it, from an OCI layout (a folder, or a tar archive of " +
    "one) to a registry, byte for byte, and says its digest. Of a layout with several images, the one with the tag of " +
    "IMAGE is pushed.",
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
    const image = parseReference(args.image);
    const registry = await connect(context, options);
    await deliver(context, registry, {
      verb: "pushed",
      path: args.layout,
      choose: async (layout) => [{ from: await imageFor(layout, image, args.layout), to: image }],
    });
    return 0;
  },
});
