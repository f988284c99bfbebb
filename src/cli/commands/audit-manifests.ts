import { auditImages } from "../../audit.ts";
import { exitCodeOf } from "../../errors.ts";
import type { Verdict } from "../../policy/verdict.ts";
import { defineCommand } from "../command.ts";
import type { ManifestImage } from "../manifests.ts";
import { openVerifier, policyOptions } from "../policies.ts";
import { lazyCluster } from "../policy-paths.ts";
import { printError } from "../print.ts";
import { type Audited, printAudit } from "../print-audit.ts";
import { registryOptions } from "../registry.ts";

export const command = defineCommand({
  name: "audit manifests",
  summary: "judge every image named in Kubernetes manifests",
  description:
    "Lists every image that the objects in a file or folder of manifests name, with the verdict that admission would " +
    "give it. Folders are searched with all that is in them. Exit code 1 when something is not trusted, 3 when a file " +
    "cannot be read.",
  examples: [
    { about: "What is about to be deployed", command: "trust audit manifests deploy/ --policy policies/" },
    {
      about: "What a chart makes",
      command: "helm template app ./chart > all.yaml && trust audit manifests all.yaml --key release.pub",
    },
  ],
  arguments: { path: { summary: "a file, or a folder of .yaml, .yml and .json files", completes: "files" } },
  options: {
    ...policyOptions,
    namespace: { short: "n", value: "NAME", summary: "namespace of objects that name none", default: "default" },
    ...registryOptions,
  },
  async run(context, { path }, options) {
    const { readManifests } = await import("../manifests.ts");
    const { verifier, options: opened, save } = await openVerifier(context, options);
    const { images: found, errors } = await readManifests(context.resolvePath(path), options.namespace);
    const { withNamespaceLabels } = await import("../namespace-labels.ts");
    const cluster = lazyCluster(context, options);
    const places = { paths: options.policy, sets: [opened.policies()], cluster };
    const images = await withNamespaceLabels(context, places, found).finally(cluster.close);
    const { io, output, verbose } = context;
    for (const error of errors) printError(io, error, { json: output !== "table", verbose });
    const verdicts = auditImages(verifier, images, { signal: io.signal });
    const categories = await printAudit(context, withPlaces(verdicts, images));
    await save();
    return exitCodeOf([...categories, ...errors.map(({ category }) => category)]);
  },
});

async function* withPlaces(verdicts: AsyncIterable<Verdict>, images: readonly ManifestImage[]): AsyncIterable<Audited> {
  let index = 0;
  for await (const verdict of verdicts) yield { verdict, usedBy: images[index++]?.usedBy ?? "" };
}
