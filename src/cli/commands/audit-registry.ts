import { auditImages, listImages } from "../../audit.ts";
import { exitCodeOf } from "../../errors.ts";
import type { Verdict } from "../../policy/verdict.ts";
import { defineCommand } from "../command.ts";
import { parsePlace } from "../images.ts";
import { openVerifier, policyOptions } from "../policies.ts";
import { type Audited, printAudit } from "../print-audit.ts";
import { registryOptions } from "../registry.ts";

export const command = defineCommand({
  name: "audit registry",
  summary: "judge every image of a registry",
  description:
    "Lists every tagged image of a registry, or of the repositories below a prefix, with its verdict. Exit code 1 when " +
    "something is not trusted. A registry without a catalog, such as Docker Hub, needs the name of a repository.",
  examples: [
    { about: "A whole registry", command: "trust audit registry registry.example.com --policy policies/" },
    {
      about: "Some of it, as one verdict a line",
      command: "trust audit registry registry.example.com/prod --key release.pub --output jsonl",
    },
  ],
  arguments: { host: { summary: "HOST[:PORT], or HOST[:PORT]/PREFIX" } },
  options: { ...policyOptions, ...registryOptions },
  async run(context, { host: place }, options) {
    const { host, prefix } = parsePlace(place);
    const { verifier, registry, save } = await openVerifier(context, options);
    const { signal } = context.io;
    const images = listImages(registry, host, prefix, { signal });
    const categories = await printAudit(context, audited(auditImages(verifier, images, { signal })));
    await save();
    return exitCodeOf(categories);
  },
});

async function* audited(verdicts: AsyncIterable<Verdict>): AsyncIterable<Audited> {
  for await (const verdict of verdicts) yield { verdict };
}
