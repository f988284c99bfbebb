import { auditImages, listImages } from "../../audit.ts";
import { exitCodeOf, TrustError } from "../../errors.ts";
import { isRepository, parseRegistryHost } from "../../oci/reference.ts";
import type { Verdict } from "../../policy/verdict.ts";
import { defineCommand } from "../command.ts";
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
    const { verifier, registry } = await openVerifier(context, options);
    const { signal } = context.io;
    const images = listImages(registry, host, prefix, { signal });
    return exitCodeOf(await printAudit(context, audited(auditImages(verifier, images, { signal }))));
  },
});

function parsePlace(place: string): { readonly host: string; readonly prefix: string } {
  const slash = place.indexOf("/");
  const host = parseRegistryHost(slash < 0 ? place : place.slice(0, slash));
  const prefix = slash < 0 ? "" : place.slice(slash + 1).replace(/\/$/, "");
  if (prefix === "" || isRepository(prefix)) return { host, prefix };
  throw new TrustError("REFERENCE_INVALID", "what follows the registry is not the start of a repository's name", {
    expected: "HOST[:PORT]/PREFIX",
    found: place,
  });
}

async function* audited(verdicts: AsyncIterable<Verdict>): AsyncIterable<Audited> {
  for await (const verdict of verdicts) yield { verdict };
}
