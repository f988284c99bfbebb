import { exitCodeOf, TrustError } from "../../errors.ts";
import { parseReference } from "../../oci/reference.ts";
import type { PolicySet } from "../../policy/policy.ts";
import type { VerifierSettings } from "../../policy/settings.ts";
import { categoriesOf, type Verdict } from "../../policy/verdict.ts";
import { fullText } from "../../policy/verdict-text.ts";
import type { ImageExplanation, PolicyExplanation } from "../../policy-tools/explain-image.ts";
import { clusterOptions } from "../cluster.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import type { Output } from "../io.ts";
import { lazyCluster, policyPaths, readPolicyPaths } from "../policy-paths.ts";
import { paint, plain } from "../print.ts";
import { type RegistryFlags, registryOptions } from "../registry.ts";
import { createResults } from "../results.ts";

export const command = defineCommand({
  name: "policy explain",
  summary: "say which policies speak about an image, and what they ask for",
  description:
    "Says of every policy whether it speaks about the image and why, or why it does not; and of those that do, what would " +
    "satisfy them, in words: who must sign, how many, what must be attested, which conditions hold. No registry is asked, " +
    "unless with --verify, which adds the verdict in full. Exit code 0; with --verify that of trust verify.",
  examples: [
    {
      about: "What an image needs",
      command: "trust policy explain --policy policies/ registry.example.com/prod/app:1.2",
    },
    {
      about: "By the policies that the cluster has",
      command: "trust policy explain --policy cluster --namespace shop registry.example.com/prod/app:1.2",
    },
    {
      about: "For a Deployment, as admission sees it",
      command: "trust policy explain --policy policies/ --object web.yaml registry.example.com/prod/app:1.2",
    },
  ],
  arguments: { image: { summary: "an image, by tag or digest", many: true } },
  options: {
    policy: {
      short: "p",
      value: "PATH",
      summary: policyPaths,
      many: true,
      required: true,
      completes: "policies",
    },
    object: {
      value: "FILE",
      summary: "Kubernetes object that names the image; - for standard input",
      completes: "files",
    },
    namespace: { short: "n", value: "NAME", summary: "namespace of the object, or of a Pod where none is given" },
    "no-match": {
      value: "OUTCOME",
      summary: "outcome for an image that no enforcing policy matches",
      choices: ["deny", "warn", "allow"],
      default: "deny",
    },
    ...clusterOptions,
    all: { summary: "also say of every policy that does not match why it does not" },
    verify: { summary: "also ask the registry, and give the verdict" },
    ...registryOptions,
  },
  async run(context, { image: images }, options) {
    const { io } = context;
    const { explainImage } = await import("../../policy-tools/explain-image.ts");
    const { objectOf } = await import("../object-flags.ts");
    const { withNamespaceLabels } = await import("../namespace-labels.ts");
    if (images.length === 0) throw new TrustError("USAGE", "no image is named");
    const references = images.map(parseReference);
    const given = await objectOf(context, options.object, options.namespace);
    const cluster = lazyCluster(context, options);
    const [set, object] = await (async () => {
      const { policy: paths } = options;
      const { set: read } = await readPolicyPaths(context, paths, cluster);
      const [item] = await withNamespaceLabels(context, { paths, sets: [read], cluster }, [{ object: given }]);
      return [read, item?.object] as const;
    })().finally(cluster.close);
    const now = io.now();
    const verify = options.verify ? await createVerify(context, set, options) : undefined;
    const results = createResults<Explained>(context, (result) => formatExplained(io.stdout, result, options.all));
    const verdicts: Verdict[] = [];
    for (const [index, image] of references.entries()) {
      const explanation = explainImage(set, { image, object, noMatch: options["no-match"], now });
      const verdict = await verify?.verify({ image: explanation.image, object, signal: io.signal });
      if (verdict !== undefined) verdicts.push(verdict);
      results.add({ ...explanation, ...(verdict === undefined ? {} : { verdict }) }, index);
    }
    results.end();
    return exitCodeOf(verdicts.flatMap(categoriesOf));
  },
});

type Explained = ImageExplanation & { readonly verdict?: Verdict };

/** A judge by the same policies; with none of the other flags of trust verify. */
async function createVerify(
  context: CommandContext,
  set: PolicySet,
  options: RegistryFlags & { readonly "no-match": VerifierSettings["noMatch"] },
) {
  const { openVerifierOf } = await import("../policies.ts");
  const others = { "allow-registry": [], state: undefined, "signature-repository": undefined };
  return (await openVerifierOf(context, set, { ...others, ...options })).verifier;
}

const marks = { matches: "✔", unknown: "?", excluded: "-", silent: "·" } as const;

function formatExplained(output: Output, explained: Explained, all: boolean): string {
  const { image, policies, summary, places, verdict } = explained;
  const shown = policies.filter(({ applies }) => all || applies !== "silent");
  const silent = policies.length - shown.length;
  const lines = [
    `${paint(output, "bold", plain(image))}\n  ${plain(summary)}\n`,
    ...places.map((place) => `  ${plain(place)}\n`),
    ...shown.map((policy) => formatPolicy(output, policy)),
    ...(silent === 0
      ? []
      : [`  ${silent} ${silent === 1 ? "policy does" : "policies do"} not speak about it (--all says why)\n`]),
    ...(verdict === undefined ? [] : [fullText(verdict)]),
  ];
  return lines.join("");
}

function formatPolicy(output: Output, policy: PolicyExplanation): string {
  const { name, mode, applies, because, needs, exceptions, place } = policy;
  const color = applies === "silent" || applies === "excluded" ? "dim" : "green";
  const head = `  ${paint(output, color, marks[applies])} ${plain(name)}, ${mode}: ${applies}  ${paint(output, "dim", plain(place))}\n`;
  const rows = [
    ...because.map((text) => `      ${plain(text)}\n`),
    ...(needs.length === 0 ? [] : ["      needs\n"]),
    ...needs.map((text) => `        ${text.startsWith("  ") ? "  " : ""}${plain(text.trim())}\n`),
    ...exceptions.map((text) => `      exception ${plain(text)}\n`),
  ];
  return head + rows.join("");
}
