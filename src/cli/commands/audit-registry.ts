import { auditImages, listImages } from "../../audit.ts";
import { exitCodeOf } from "../../errors.ts";
import type { Verdict } from "../../policy/verdict.ts";
import { defineCommand } from "../command.ts";
import { createImageJudge } from "../image-judge.ts";
import { parsePlace } from "../images.ts";
import { isInLayout } from "../locate.ts";
import { openVerifier, policyOptions } from "../policies.ts";
import { type Audited, printAudit } from "../print-audit.ts";
import { registryOptions } from "../registry.ts";

export const command = defineCommand({
  name: "audit registry",
  summary: "judge every image of a registry",
  description:
    "Lists every tagged image of a registry, or of the repositories below a prefix, with its verdict. Exit code 1 when " +
    "something is not trusted. A registry without a catalog, such as Docker Hub, needs the name of a repository. With " +
    "oci-layout:PATH it lists the images of an OCI layout, a folder or a tar archive.",
  examples: [
    { about: "A whole registry", command: "trust audit registry registry.example.com --policy policies/" },
    {
      about: "Some of it, as one verdict a line",
      command: "trust audit registry registry.example.com/prod --key release.pub --output jsonl",
    },
  ],
  arguments: { host: { summary: "HOST[:PORT], HOST[:PORT]/PREFIX, or oci-layout:PATH" } },
  options: { ...policyOptions, ...registryOptions },
  async run(context, { host: place }, options) {
    const parsed = isInLayout(place) ? undefined : parsePlace(place);
    const opened = await openVerifier(context, options);
    const judge = createImageJudge(context, opened, options);
    const { signal } = context.io;
    const images =
      parsed === undefined
        ? await judge.list(place)
        : listImages(opened.registry, parsed.host, parsed.prefix, { signal });
    const categories = await printAudit(context, audited(auditImages(judge, images, { signal })));
    await judge.close();
    await opened.save();
    return exitCodeOf(categories);
  },
});

async function* audited(verdicts: AsyncIterable<Verdict>): AsyncIterable<Audited> {
  for await (const verdict of verdicts) yield { verdict };
}
