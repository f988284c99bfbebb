import { TrustError } from "../../errors.ts";
import { parseReference } from "../../oci/reference.ts";
import { defineCommand } from "../command.ts";
import { parsePlace } from "../images.ts";
import { type Delivery, deliver, imageFor, namedImages } from "../layout-images.ts";
import { connect, registryOptions } from "../registry.ts";

export const command = defineCommand({
  name: "load",
  summary: "push what was saved to a registry, with its signatures",
  description:
    "Pushes the images of an OCI layout, a folder or an uncompressed tar archive, with everything that is attached to " +
    "them: as trust save, cosign save, skopeo, oras and docker buildx write them. Each goes where its recorded name says, " +
    "below another registry with --to, or, one image, to IMAGE. Archives of docker save are read as well; they carry no " +
    "signatures, and what is made of them has another digest than the registry's.",
  examples: [
    { about: "Into the registry behind the gap", command: "trust load release.tar --to mirror.internal:5000" },
    { about: "One image under a name of its own", command: "trust load app.tar registry.example.com/prod/app:1.2" },
    { about: "What cosign saved, which has no name", command: "trust load ./saved registry.example.com/prod/app:1.2" },
  ],
  arguments: {
    path: { summary: "a folder, or an uncompressed tar archive", completes: "files" },
    image: { summary: "where to push the one image, by tag; with a digest nothing else is pushed", optional: true },
  },
  options: {
    to: { value: "HOST[/PREFIX]", summary: "registry, and start of the repositories, instead of the recorded ones" },
    ...registryOptions,
  },
  async run(context, { path, image }, options) {
    if (image !== undefined && options.to !== undefined)
      throw new TrustError("USAGE", "say where to by name or by registry", {
        expected: "IMAGE or --to HOST[/PREFIX]",
        found: "both",
      });
    const name = image === undefined ? undefined : parseReference(image);
    const place = options.to === undefined ? undefined : parsePlace(options.to);
    const registry = await connect(context, options);
    await deliver(context, registry, {
      verb: "loaded",
      path,
      async choose(layout) {
        if (name !== undefined) return [{ from: await imageFor(layout, name, path), to: name }];
        const named = await namedImages(layout, path);
        return place === undefined ? named : named.map((delivery) => below(place, delivery));
      },
    });
    return 0;
  },
});

function below({ host, prefix }: { readonly host: string; readonly prefix: string }, { from, to }: Delivery): Delivery {
  const repository = prefix === "" ? to.repository : `${prefix}/${to.repository}`;
  return { from, to: { ...to, registry: host, repository } };
}
